//! INFO that is about the media: a key pressed in a browser becomes telephone events (RFC 4733) at the relay, and a phone's
//! wish for a whole picture (RFC 5168) becomes RTCP towards the browser. Where the relay cannot, INFO passes as it is.
//!
//! The other way there is nothing to be done: ng has no word by which a relay tells the proxy of events or RTCP it has seen.

use std::time::{Duration, Instant};

use control_proto::{Outcome, Response};
use sip::{Message, Method};

use super::super::Core;
use super::super::face::{AskId, RelayFailure};
use super::super::names::{MediaId, Side};
use super::super::refusal::Answer;
use super::super::transactions::ContextId;
use super::ng;
use super::session::Waiter;

/// How long a key sounds. Libraries say up to two seconds whatever was done with the key, and keys wait for one another.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(250);

impl Core {
    /// Asks the relay to do what an INFO asks for. `Some` if it must wait for the reply.
    pub(in crate::core) fn media_of_info(
        &mut self,
        id: ContextId,
        request: &Message,
        media: Option<MediaId>,
        now: Instant,
    ) -> Option<AskId> {
        let media = media.filter(|_| request.is(&Method::Info) && request.to_tag().is_some())?;
        let parties = ng::Parties::of(request, media)?;
        let question = match self.side_of(id) {
            Side::Browser if self.config.dtmf_events => {
                let key = Key::of(request)?;
                ng::play(&parties.call, &parties.from_tag, &key.code, key.duration)
            }
            Side::Phone if wants_picture(request) => {
                ng::request_picture(&parties.call, parties.to_tag.as_deref()?)
            }
            _ => return None,
        };
        let asked = self.ask_relay(media, parties.call_id, question, Waiter::Info(id), now);
        asked.ok()
    }

    /// The relay has done it, and the INFO is answered; or it has not, and the INFO goes on.
    pub(in crate::core) fn info_relayed(
        &mut self,
        id: ContextId,
        request: Message,
        reply: &Result<Response, RelayFailure>,
        now: Instant,
    ) {
        let done = reply
            .as_ref()
            .is_ok_and(|reply| reply.outcome == Outcome::Ok);
        let sent = match done {
            true => Err(Answer::new(200, "OK")),
            false => self.forward(id, request, now),
        };
        if let Err(answer) = sent {
            self.answer(id, &answer, now);
        }
        self.tidy(id);
    }
}

/// A key, and how long it sounds.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    code: String,
    duration: Duration,
}

impl Key {
    /// `None` where the body names none, or something that is none (16 is a hook flash).
    fn of(request: &Message) -> Option<Self> {
        let body = std::str::from_utf8(request.body()).ok()?;
        if request.is_content_type("application/dtmf") {
            return Self::new(body, None);
        }
        if !request.is_content_type("application/dtmf-relay") {
            return None;
        }
        let of = |name: &str| {
            body.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                let is_it = key.trim().eq_ignore_ascii_case(name);
                is_it.then(|| value.trim())
            })
        };
        Self::new(of("Signal")?, of("Duration"))
    }

    fn new(signal: &str, millis: Option<&str>) -> Option<Self> {
        let code = match signal.trim() {
            "10" => "*",
            "11" => "#",
            "12" => "A",
            "13" => "B",
            "14" => "C",
            "15" => "D",
            one if one.len() == 1 => one,
            _ => return None,
        };
        let is_key = |c: char| c.is_ascii_digit() || "*#ABCDabcd".contains(c);
        let millis = millis.and_then(|millis| millis.parse().ok());
        let asked = millis.map_or(LONGEST, Duration::from_millis);
        code.chars().all(is_key).then(|| Self {
            code: code.to_ascii_uppercase(),
            duration: asked.clamp(SHORTEST, LONGEST),
        })
    }
}

fn wants_picture(request: &Message) -> bool {
    let wish = b"picture_fast_update";
    request.is_content_type("application/media_control+xml")
        && request.body().windows(wish.len()).any(|part| part == wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, body: &str) -> Option<(String, u128)> {
        let text = format!(
            "INFO sip:a@b SIP/2.0\r\nContent-Type: application/{kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let request = Message::parse(text.into_bytes()).unwrap();
        Key::of(&request).map(|key| (key.code, key.duration.as_millis()))
    }

    #[test]
    fn keys_are_read_as_libraries_and_gateways_write_them() {
        let some = |code: &str, millis| Some((code.to_owned(), millis));
        assert_eq!(
            key("dtmf-relay", "Signal=5\r\nDuration=2000"),
            some("5", 250)
        );
        assert_eq!(
            key("dtmf-relay", "Signal= *\r\nDuration= 160\r\n"),
            some("*", 160)
        );
        assert_eq!(key("dtmf-relay", "Duration=1\nsignal=d"), some("D", 100));
        assert_eq!(key("dtmf-relay", "Signal=11"), some("#", 250));
        assert_eq!(key("dtmf", "7\r\n"), some("7", 250));
        for (kind, body) in [
            ("dtmf-relay", "Duration=100"),
            ("dtmf-relay", "Signal=16"),
            ("dtmf-relay", "Signal=!"),
            ("dtmf-relay", "Signal="),
            ("dtmf", ""),
            ("sdp", "5"),
        ] {
            assert_eq!(key(kind, body), None, "{kind} {body}");
        }
    }
}
