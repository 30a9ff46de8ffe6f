//! The frames of `graphql-ws` as AppSync speaks it (`realtime.md` 2), and every errorType a socket can show.

use driftless_resolvers::api::{Refusal, Request};
use serde::Serialize;
use serde_json::{Map, Value};

/// The one subprotocol that is ever chosen (`client-native` R3).
pub const SUBPROTOCOL: &str = "graphql-ws";

/// A frame of a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientFrame {
    /// `connection_init`.
    Init,
    /// `start`.
    Start(Box<Start>),
    /// `stop`.
    Stop {
        /// Which subscription.
        id: String,
    },
}

/// A request to subscribe.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The client's name for it, unique on its connection.
    pub id: String,
    /// The document with its variables.
    pub request: Request,
    /// The text the request was read from, which a signature covers.
    pub data: String,
    /// `extensions.authorization`; `None` if there is none.
    pub authorization: Option<Map<String, Value>>,
}

/// A frame that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The id in it, or the empty text.
    pub id: String,
    /// The errorType of the answer.
    pub error_type: &'static str,
    /// What is wrong with it.
    pub message: String,
}

impl Malformed {
    /// A frame that is no frame of this protocol at all.
    pub(crate) fn frame(message: &str) -> Self {
        Malformed {
            id: String::new(),
            error_type: "BadRequestException",
            message: message.to_owned(),
        }
    }

    fn operation(id: &str, word: &str) -> Self {
        Malformed {
            id: id.to_owned(),
            error_type: "UnsupportedOperation",
            message: not_supported(word),
        }
    }
}

fn not_supported(word: &str) -> String {
    format!("{word} not supported through the realtime channel")
}

/// Reads a frame. Unknown members are ignored; unknown frames are answered, never fatal.
pub fn parse(text: &str) -> Result<ClientFrame, Malformed> {
    let frame: Value =
        serde_json::from_str(text).map_err(|_| Malformed::frame("The frame is not JSON."))?;
    let Value::Object(mut frame) = frame else {
        return Err(Malformed::frame("A frame is a JSON object."));
    };
    let id = match frame.remove("id") {
        Some(Value::String(id)) => id,
        Some(Value::Number(id)) => id.to_string(),
        _ => String::new(),
    };
    match frame.get("type").and_then(Value::as_str) {
        Some("connection_init") => Ok(ClientFrame::Init),
        Some("start") => start(id, &mut frame).map(|start| ClientFrame::Start(Box::new(start))),
        Some("stop") => Ok(ClientFrame::Stop { id }),
        Some(other) => Err(Malformed::operation(&id, other)),
        None => Err(Malformed::frame("A frame has a type.")),
    }
}

fn start(id: String, frame: &mut Map<String, Value>) -> Result<Start, Malformed> {
    if id.is_empty() {
        return Err(Malformed::frame("A start has an id."));
    }
    let unknown = || Malformed::operation(&id, "unknown");
    let Some(Value::Object(mut payload)) = frame.remove("payload") else {
        return Err(unknown());
    };
    let data = payload
        .get("data")
        .and_then(Value::as_str)
        .ok_or_else(unknown)?;
    let request = request(data).ok_or_else(unknown)?;
    let data = data.to_owned();
    let authorization = match payload.remove("extensions") {
        Some(Value::Object(mut extensions)) => match extensions.remove("authorization") {
            Some(Value::Object(authorization)) => Some(authorization),
            _ => None,
        },
        _ => None,
    };
    Ok(Start {
        id,
        request,
        data,
        authorization,
    })
}

/// The GraphQL request in a `start`: a JSON object in a string.
fn request(data: &str) -> Option<Request> {
    let Ok(Value::Object(mut data)) = serde_json::from_str(data) else {
        return None;
    };
    let Some(Value::String(query)) = data.remove("query") else {
        return None;
    };
    let variables = match data.remove("variables") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(variables)) => variables,
        Some(_) => return None,
    };
    let operation_name = match data.remove("operationName") {
        Some(Value::String(name)) => Some(name),
        _ => None,
    };
    Some(Request {
        query,
        operation_name,
        variables,
    })
}

/// One entry of an error frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorEntry {
    /// For programs.
    #[serde(rename = "errorType")]
    pub error_type: String,
    /// For people.
    pub message: String,
    /// Only in `connection_error` (`client-native` R11).
    #[serde(rename = "errorCode", skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u16>,
}

fn entry(error_type: &str, message: impl Into<String>) -> ErrorEntry {
    ErrorEntry {
        error_type: error_type.to_owned(),
        message: message.into(),
        error_code: None,
    }
}

/// Why a `start` is refused.
#[derive(Debug, Clone, PartialEq)]
pub enum Denial {
    /// The credential or a rule says no.
    Unauthorized {
        /// For people.
        message: String,
        /// Whether the gentle errorType is right for this client (`errata.md` row 8).
        gentle: bool,
    },
    /// The request is wrong.
    Wrong(Vec<ErrorEntry>),
}

impl Denial {
    /// A credential that is not good. The type is `Unauthorized`, never `UnauthorizedException` (`errata.md` row 7).
    #[must_use]
    pub fn credential(gentle: bool) -> Self {
        Denial::Unauthorized {
            message: NOT_AUTHORIZED.to_owned(),
            gentle,
        }
    }

    /// What the API says, for this kind of client.
    #[must_use]
    pub fn from_api(refusal: Refusal, gentle: bool) -> Self {
        match refusal {
            Refusal::Unauthorized(message) => Denial::Unauthorized { message, gentle },
            Refusal::NotASubscription(word) => {
                Denial::Wrong(vec![entry("UnsupportedOperation", not_supported(&word))])
            }
            Refusal::Invalid(errors) => Denial::Wrong(
                errors
                    .into_iter()
                    .map(|error| {
                        let name = error
                            .error_type
                            .map_or("BadRequestException", |found| found.name());
                        entry(name, error.message)
                    })
                    .collect(),
            ),
        }
    }

    /// Whether the client closes the whole socket on it, so that several should come together (`realtime.md` 2.3).
    #[must_use]
    pub fn closes_the_socket(&self) -> bool {
        matches!(self, Denial::Unauthorized { gentle: false, .. })
    }

    fn entries(&self) -> Vec<ErrorEntry> {
        match self {
            Denial::Unauthorized { message, gentle } => {
                let name = if *gentle {
                    "OperationDisabled"
                } else {
                    "Unauthorized"
                };
                vec![entry(name, message.as_str())]
            }
            Denial::Wrong(entries) => entries.clone(),
        }
    }
}

const NOT_AUTHORIZED: &str = "You are not authorized to make this call.";

/// Why a connection is refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionRefusal {
    /// The credentials are missing or not good.
    Unauthorized,
    /// The credentials cannot be read.
    Undecodable,
}

/// A frame of the server, as text.
pub type Frame = String;

/// `connection_ack`.
#[must_use]
pub fn ack(timeout_ms: u64) -> Frame {
    format!(r#"{{"type":"connection_ack","payload":{{"connectionTimeoutMs":{timeout_ms}}}}}"#)
}

/// `ka`.
#[must_use]
pub fn keep_alive() -> Frame {
    r#"{"type":"ka"}"#.to_owned()
}

/// `start_ack`.
#[must_use]
pub fn start_ack(id: &str) -> Frame {
    format!(r#"{{"type":"start_ack","id":{}}}"#, quoted(id))
}

/// `complete`, the answer to a `stop`.
#[must_use]
pub fn complete(id: &str) -> Frame {
    format!(r#"{{"type":"complete","id":{}}}"#, quoted(id))
}

/// `data`, around a payload that is JSON already.
#[must_use]
pub fn data(id: &str, payload: &str) -> Frame {
    format!(
        r#"{{"type":"data","id":{},"payload":{payload}}}"#,
        quoted(id)
    )
}

/// `error`, the answer to a `start`.
#[must_use]
pub fn denied(id: &str, denial: &Denial) -> Frame {
    error(id, &denial.entries())
}

/// `error`, the answer to a frame that cannot be understood.
#[must_use]
pub fn malformed(malformed: &Malformed) -> Frame {
    error(
        &malformed.id,
        &[entry(malformed.error_type, malformed.message.as_str())],
    )
}

/// `connection_error`. Clients take these codes as final (`realtime.md` 1.2).
#[must_use]
pub fn connection_error(refusal: ConnectionRefusal) -> Frame {
    let (name, message, code) = match refusal {
        ConnectionRefusal::Unauthorized => ("UnauthorizedException", NOT_AUTHORIZED, 401),
        ConnectionRefusal::Undecodable => (
            "BadRequestException",
            "The authorization of the connection cannot be read.",
            400,
        ),
    };
    let entry = ErrorEntry {
        error_code: Some(code),
        ..entry(name, message)
    };
    let errors = serde_json::json!({"errors": [entry]});
    format!(r#"{{"type":"connection_error","payload":{errors}}}"#)
}

fn error(id: &str, entries: &[ErrorEntry]) -> Frame {
    let errors = serde_json::json!({"errors": entries});
    format!(
        r#"{{"type":"error","id":{},"payload":{errors}}}"#,
        quoted(id)
    )
}

fn quoted(text: &str) -> Value {
    Value::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_javascript_client_is_read() {
        let text = r#"{"id":"9","payload":{"data":"{\"query\":\"subscription operation { onCreateBlog { id } }\",\"variables\":{\"n\":1.50}}","extensions":{"authorization":{"host":"h","x-api-key":"k"}}},"type":"start"}"#;
        let Ok(ClientFrame::Start(start)) = parse(text) else {
            panic!("a start");
        };
        assert_eq!(start.id, "9");
        assert_eq!(start.request.variables["n"].to_string(), "1.50");
        assert_eq!(start.authorization.expect("credentials")["x-api-key"], "k");
    }

    #[test]
    fn variables_may_be_null_or_missing() {
        for data in [
            r#"{\"query\":\"q\"}"#,
            r#"{\"query\":\"q\",\"variables\":null}"#,
        ] {
            let text = format!(r#"{{"type":"start","id":"1","payload":{{"data":"{data}"}}}}"#);
            assert!(matches!(parse(&text), Ok(ClientFrame::Start(_))), "{text}");
        }
    }

    #[test]
    fn frames_that_make_no_sense_say_what_is_wrong() {
        let cases = [
            ("", "", "The frame is not JSON."),
            ("{", "", "The frame is not JSON."),
            ("[]", "", "A frame is a JSON object."),
            ("{}", "", "A frame has a type."),
            (r#"{"type":7}"#, "", "A frame has a type."),
            (r#"{"type":"start"}"#, "", "A start has an id."),
            (
                r#"{"type":"start","id":"a"}"#,
                "a",
                "unknown not supported through the realtime channel",
            ),
            (
                r#"{"type":"start","id":"a","payload":{"data":{}}}"#,
                "a",
                "unknown not supported through the realtime channel",
            ),
            (
                r#"{"type":"start","id":"a","payload":{"data":"{}"}}"#,
                "a",
                "unknown not supported through the realtime channel",
            ),
            (
                r#"{"type":"start","id":"a","payload":{"data":"no json"}}"#,
                "a",
                "unknown not supported through the realtime channel",
            ),
            (
                r#"{"type":"subscribe","id":"a"}"#,
                "a",
                "subscribe not supported through the realtime channel",
            ),
        ];
        for (text, id, message) in cases {
            let wrong = parse(text).expect_err(text);
            assert_eq!(
                (wrong.id.as_str(), wrong.message.as_str()),
                (id, message),
                "{text}"
            );
        }
    }

    #[test]
    fn ids_are_escaped_in_answers() {
        let frame: Value = serde_json::from_str(&start_ack("a\"\n")).expect("JSON");
        assert_eq!(frame["id"], "a\"\n");
    }

    #[test]
    fn a_denial_names_the_type_the_client_survives() {
        let gentle = denied("1", &Denial::credential(true));
        let plain = denied("1", &Denial::credential(false));
        assert!(
            gentle.contains(r#""errorType":"OperationDisabled""#),
            "{gentle}"
        );
        assert!(plain.contains(r#""errorType":"Unauthorized""#), "{plain}");
    }
}
