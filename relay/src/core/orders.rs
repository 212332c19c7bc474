//! `block` and `silence`, and their opposites: what they mean is in [`gate`](super::gate).

use control_proto::{Command, Request, Response, Value, flag};

use super::Shard;
use super::gate::Gate;
use super::refused::Refused;

impl Shard {
    /// Executes one of the six.
    pub(super) fn order(&mut self, request: &Request) -> Result<Response, Refused> {
        let (media, events, sound, on) = match request.command {
            Command::BlockMedia => (true, false, false, true),
            Command::UnblockMedia => (true, false, false, false),
            Command::BlockDtmf => (false, true, false, true),
            Command::UnblockDtmf => (false, true, false, false),
            Command::SilenceMedia => (false, false, true, true),
            Command::UnsilenceMedia => (false, false, true, false),
            other => return Err(Refused::Unsupported(other.name())),
        };
        if events && on && !drops_events(request) {
            return Err(Refused::DtmfSecurity);
        }
        let which = Gate {
            media,
            events,
            sound,
        };
        let key = self.known_call(request)?;
        let part = self.part(key, request)?;
        if let Some(call) = self.calls.get_mut(key) {
            call.gates
                .set(part, which, on, request.flags.has(flag::ALL));
        }
        self.set_gates(key);
        Ok(Response::ok())
    }
}

/// Whether DTMF is to be dropped. Every other way of hiding it changes the sound as well, which takes a decoder.
fn drops_events(request: &Request) -> bool {
    match request.other.get("dtmf-security").and_then(Value::as_str) {
        None => true,
        Some(word) => matches!(word.to_ascii_lowercase().as_str(), "drop" | "off" | ""),
    }
}
