//! Every refusal that is given before GraphQL starts: status, errorType and text are AppSync's (`auth.md` 2,
//! `sync-semantics` 8.3–8.5).

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use driftless_resolvers::api::error::ErrorType;

use crate::auth::Rejection;

/// The body that every client family understands as "try again later" (`errata.md` row 1).
pub const TRY_AGAIN: &str = r#"{"message":"Network Error","errors":"unavailable"}"#;

/// Why a request gets no GraphQL answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is recognised.
    Unauthorized(Rejection),
    /// The body is empty.
    EmptyBody,
    /// The body is no JSON, no object, or holds no query.
    Unparsable,
    /// The body is not declared as JSON.
    ContentType,
    /// The document parses, but no operation can be chosen; or another 400 of the executor.
    Malformed {
        /// The executor's name for it.
        error_type: &'static str,
        /// For people.
        message: String,
    },
    /// The body is larger than allowed.
    TooLarge(usize),
    /// The body did not arrive in time.
    SlowBody,
    /// A mutation by GET.
    MutationByGet,
    /// The path takes another method.
    Method(Method),
    /// There is nothing at this path.
    NotFound,
    /// The store cannot be used, the server starts or drains, or the answer took too long.
    Unavailable,
}

impl Refusal {
    fn parts(&self) -> (StatusCode, &'static str, String) {
        match self {
            Refusal::Unauthorized(rejection) => unauthorized(*rejection),
            Refusal::EmptyBody => malformed("Request body is empty."),
            Refusal::Unparsable => malformed("Unable to parse GraphQL query."),
            Refusal::ContentType => {
                malformed("The content type of a GraphQL request is application/json.")
            }
            Refusal::Malformed {
                error_type,
                message,
            } => (StatusCode::BAD_REQUEST, error_type, message.clone()),
            Refusal::TooLarge(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLargeException",
                format!("Request body is larger than {limit} bytes."),
            ),
            Refusal::SlowBody => (
                StatusCode::REQUEST_TIMEOUT,
                "RequestTimeoutException",
                "The request body did not arrive in time.".to_owned(),
            ),
            Refusal::MutationByGet => (
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowedException",
                "Mutations are sent by POST.".to_owned(),
            ),
            Refusal::Method(method) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowedException",
                format!("Method {method} is not allowed here."),
            ),
            Refusal::NotFound => (
                StatusCode::NOT_FOUND,
                "NotFoundException",
                "There is nothing at this path; the API is at /graphql.".to_owned(),
            ),
            Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "", String::new()),
        }
    }
}

fn malformed(message: &str) -> (StatusCode, &'static str, String) {
    (
        StatusCode::BAD_REQUEST,
        "MalformedHttpRequestException",
        message.to_owned(),
    )
}

const INVALID_SIGNATURE: &str = "InvalidSignatureException";
const BAD_SIGNATURE: &str = "The request signature we calculated does not match the signature you provided. \
    Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
const STALE_SIGNATURE: &str =
    "Signature expired: the time of the request differs too much from the time of the server.";
const UNKNOWN_SIGNER: &str = "The security token included in the request is invalid.";

fn forbidden(error_type: &'static str, message: &str) -> (StatusCode, &'static str, String) {
    (StatusCode::FORBIDDEN, error_type, message.to_owned())
}

/// The texts are those AppSync is known to give (`auth` 2).
fn unauthorized(rejection: Rejection) -> (StatusCode, &'static str, String) {
    let message = match rejection {
        Rejection::Missing => "Valid authorization header not provided.",
        Rejection::Signature | Rejection::Unparsable => "Unable to parse JWT token.",
        Rejection::Expired => "Token has expired.",
        Rejection::Refused => "You are not authorized to make this call.",
        Rejection::BadSignature => return forbidden(INVALID_SIGNATURE, BAD_SIGNATURE),
        Rejection::StaleSignature => return forbidden(INVALID_SIGNATURE, STALE_SIGNATURE),
        Rejection::UnknownSigner => {
            return forbidden("UnrecognizedClientException", UNKNOWN_SIGNER);
        }
        Rejection::Unavailable => return (StatusCode::SERVICE_UNAVAILABLE, "", String::new()),
    };
    (
        StatusCode::UNAUTHORIZED,
        "UnauthorizedException",
        message.to_owned(),
    )
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error_type, message) = self.parts();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return try_again();
        }
        let body = serde_json::json!({"errors": [{"errorType": error_type, "message": message}]});
        let mut response = json(status, body.to_string());
        response
            .headers_mut()
            .insert("x-amzn-errortype", HeaderValue::from_static(error_type));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            let allow = HeaderValue::from_static("GET, POST, OPTIONS");
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }
}

/// 503 in the one form that makes every client keep its mutation and come back (`errata.md` row 1).
fn try_again() -> Response {
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, TRY_AGAIN);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The answer to a request that met a fault of ours which would meet it again (`errata.md` row 2).
pub fn internal_failure() -> String {
    let entry = serde_json::json!({
        "path": null,
        "data": null,
        "errorType": ErrorType::InternalFailure.name(),
        "errorInfo": null,
        "locations": null,
        "message": "Internal failure.",
    });
    serde_json::json!({"data": null, "errors": [entry]}).to_string()
}

/// A JSON answer.
pub fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn try_again_later_has_no_error_type_header() {
        let response = Refusal::Unavailable.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert!(!response.headers().contains_key("x-amzn-errortype"));
    }

    #[test]
    fn every_other_refusal_names_its_type_in_the_header() {
        let response = Refusal::Unauthorized(Rejection::Missing).into_response();
        assert_eq!(response.status(), 401);
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "UnauthorizedException"
        );
    }
}
