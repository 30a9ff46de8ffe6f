//! One connection as a pure step function: what came in, what shall be done. The task around it is [`super::socket`].

use std::collections::HashSet;

use super::protocol::{self, ClientFrame, Denial, Frame, Malformed, Start};

/// What a connection knows about itself.
#[derive(Debug)]
pub struct Session {
    timeout_ms: u64,
    limit: usize,
    acknowledged: bool,
    live: HashSet<String>,
    /// Denials that wait for the acknowledgements of their burst (`errata.md` row 8).
    held: Vec<Frame>,
}

/// Something happened.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The client sent a text frame.
    Text(&'a str),
    /// The client sent a binary frame.
    Binary,
    /// The subscription is registered: from here on its events are delivered.
    Admitted(&'a str),
    /// The subscription is refused.
    Refused(&'a str, &'a Denial),
    /// An event for a subscription.
    Event(&'a str, &'a str),
    /// It is time for a sign of life.
    KeepAlive,
    /// The burst of starts is over.
    BurstEnded,
}

/// Something to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a frame.
    Send(Frame),
    /// Authenticate, check and register this; then say [`Input::Admitted`] or [`Input::Refused`].
    Admit(Box<Start>),
    /// Unregister this.
    Release(String),
    /// Say [`Input::BurstEnded`] after a short while without frames.
    AwaitBurstEnd,
    /// Close the connection in the way this client comes back from (`errata.md` row 33).
    Close,
}

impl Session {
    /// A connection that has just been upgraded and whose credentials are good.
    #[must_use]
    pub fn new(settings: &super::Settings) -> Self {
        Session {
            timeout_ms: settings.connection_timeout_ms,
            limit: settings.subscriptions,
            acknowledged: false,
            live: HashSet::new(),
            held: Vec::new(),
        }
    }

    /// What to do about `input`.
    pub fn step(&mut self, input: Input<'_>) -> Vec<Output> {
        match input {
            Input::Text(text) => match protocol::parse(text) {
                Ok(frame) => self.frame(frame),
                Err(wrong) => vec![Output::Send(protocol::malformed(&wrong))],
            },
            Input::Binary => {
                let wrong = Malformed::frame("Frames are text.");
                vec![Output::Send(protocol::malformed(&wrong))]
            }
            Input::Admitted(id) => {
                self.live.insert(id.to_owned());
                vec![Output::Send(protocol::start_ack(id))]
            }
            Input::Refused(id, denial) => self.refused(id, denial),
            Input::Event(id, payload) if self.live.contains(id) => {
                vec![Output::Send(protocol::data(id, payload))]
            }
            Input::KeepAlive if self.acknowledged => vec![Output::Send(protocol::keep_alive())],
            Input::BurstEnded => self.held.drain(..).map(Output::Send).collect(),
            Input::Event(..) | Input::KeepAlive => Vec::new(),
        }
    }

    fn frame(&mut self, frame: ClientFrame) -> Vec<Output> {
        match frame {
            ClientFrame::Init => {
                self.acknowledged = true;
                let ack = protocol::ack(self.timeout_ms);
                vec![Output::Send(ack), Output::Send(protocol::keep_alive())]
            }
            ClientFrame::Start(start) if self.is_full_for(&start.id) => vec![Output::Close],
            ClientFrame::Start(start) => vec![Output::Admit(start)],
            // Exactly one `complete` per live id, silence for every other (`client-native` R9).
            ClientFrame::Stop { id } if self.live.remove(&id) => {
                let complete = protocol::complete(&id);
                vec![Output::Release(id), Output::Send(complete)]
            }
            ClientFrame::Stop { .. } => Vec::new(),
        }
    }

    /// A start with a live id replaces it and needs no place (`errata.md` row 11).
    fn is_full_for(&self, id: &str) -> bool {
        self.live.len() >= self.limit && !self.live.contains(id)
    }

    fn refused(&mut self, id: &str, denial: &Denial) -> Vec<Output> {
        let mut outputs = Vec::new();
        if self.live.remove(id) {
            outputs.push(Output::Release(id.to_owned()));
        }
        let frame = protocol::denied(id, denial);
        if denial.closes_the_socket() {
            self.held.push(frame);
            outputs.push(Output::AwaitBurstEnd);
        } else {
            outputs.push(Output::Send(frame));
        }
        outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realtime::Settings;

    const START: &str = r#"{"type":"start","id":"a","payload":{"data":"{\"query\":\"subscription { onCreatePost { id } }\"}"}}"#;

    fn session() -> Session {
        let settings = Settings {
            subscriptions: 2,
            ..Settings::default()
        };
        Session::new(&settings)
    }

    fn with_live(ids: &[&str]) -> Session {
        let mut session = session();
        for id in ids {
            session.step(Input::Admitted(id));
        }
        session
    }

    fn sent(outputs: &[Output]) -> Vec<serde_json::Value> {
        let frames = outputs.iter().filter_map(|output| match output {
            Output::Send(frame) => serde_json::from_str(frame).ok(),
            _ => None,
        });
        frames.collect()
    }

    #[test]
    fn an_init_is_acknowledged_and_followed_by_a_sign_of_life() {
        let mut session = session();
        for _ in 0..2 {
            let frames = sent(&session.step(Input::Text(r#"{"type":"connection_init"}"#)));
            assert_eq!(frames[0]["payload"]["connectionTimeoutMs"], 300_000);
            assert_eq!(frames[1]["type"], "ka");
        }
    }

    #[test]
    fn no_sign_of_life_before_the_acknowledgement() {
        assert!(session().step(Input::KeepAlive).is_empty());
    }

    #[test]
    fn a_start_before_the_init_is_processed() {
        let outputs = session().step(Input::Text(START));
        assert!(matches!(&outputs[..], [Output::Admit(start)] if start.id == "a"));
    }

    #[test]
    fn events_flow_from_admission_to_stop() {
        let mut session = session();
        assert!(session.step(Input::Event("a", "{}")).is_empty());
        assert_eq!(
            sent(&session.step(Input::Admitted("a")))[0]["type"],
            "start_ack"
        );
        assert_eq!(
            sent(&session.step(Input::Event("a", "{}")))[0]["type"],
            "data"
        );
        let outputs = session.step(Input::Text(r#"{"type":"stop","id":"a"}"#));
        assert_eq!(outputs[0], Output::Release("a".to_owned()));
        assert_eq!(sent(&outputs)[0]["type"], "complete");
        assert!(session.step(Input::Event("a", "{}")).is_empty());
    }

    #[test]
    fn a_stop_of_an_unknown_or_stopped_id_is_silent() {
        let mut session = with_live(&["a"]);
        let stop = r#"{"type":"stop","id":"a"}"#;
        assert_eq!(session.step(Input::Text(stop)).len(), 2);
        assert!(session.step(Input::Text(stop)).is_empty());
    }

    #[test]
    fn a_start_over_the_limit_closes_the_connection_but_a_repeated_id_does_not() {
        let mut session = with_live(&["a", "b"]);
        assert!(matches!(
            &session.step(Input::Text(START))[..],
            [Output::Admit(_)]
        ));
        let third = START.replace(r#""id":"a""#, r#""id":"c""#);
        assert_eq!(session.step(Input::Text(&third)), [Output::Close]);
    }

    #[test]
    fn denials_that_close_the_socket_wait_for_the_end_of_the_burst() {
        let mut session = session();
        let denial = Denial::credential(false);
        assert_eq!(
            session.step(Input::Refused("a", &denial)),
            [Output::AwaitBurstEnd]
        );
        assert_eq!(
            session.step(Input::Refused("b", &denial)),
            [Output::AwaitBurstEnd]
        );
        assert_eq!(sent(&session.step(Input::BurstEnded)).len(), 2);
        assert!(session.step(Input::BurstEnded).is_empty());
    }

    #[test]
    fn gentle_denials_are_sent_at_once() {
        let outputs = session().step(Input::Refused("a", &Denial::credential(true)));
        assert_eq!(
            sent(&outputs)[0]["payload"]["errors"][0]["errorType"],
            "OperationDisabled"
        );
    }

    #[test]
    fn a_refused_replacement_ends_the_earlier_subscription() {
        let mut session = with_live(&["a"]);
        let outputs = session.step(Input::Refused("a", &Denial::credential(true)));
        assert_eq!(outputs[0], Output::Release("a".to_owned()));
    }

    #[test]
    fn nonsense_is_answered_and_changes_nothing() {
        let mut session = with_live(&["a"]);
        for text in ["", "{", "[]", "null", r#"{"type":"dance"}"#] {
            assert_eq!(
                sent(&session.step(Input::Text(text)))[0]["type"],
                "error",
                "{text}"
            );
        }
        assert_eq!(sent(&session.step(Input::Binary))[0]["type"], "error");
        assert_eq!(session.step(Input::Event("a", "{}")).len(), 1);
    }
}
