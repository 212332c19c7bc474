//! `block` and `silence`, and their opposites, as commands and as flags of offers and answers: what they mean is in
//! [`gate`](super::gate).

use control_proto::{Command, Request, Response, Value, flag};

use super::Shard;
use super::call::Call;
use super::gate::{Gate, Part};
use super::refused::Refused;
use super::table::Key;

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

    /// What an offer or answer asks for its sender by a flag.
    pub(super) fn take_orders(&mut self, key: Key<Call>, request: &Request) -> Result<(), Refused> {
        let which = Gate {
            media: request.flags.has(flag::BLOCK_MEDIA),
            events: request.flags.has(flag::BLOCK_DTMF),
            sound: request.flags.has(flag::SILENCE_MEDIA),
        };
        if which.is_open() {
            return Ok(());
        }
        if which.events && !drops_events(request) {
            return Err(Refused::DtmfSecurity);
        }
        let sender = match request.command {
            Command::Answer => &request.to_tag,
            _ => &request.from_tag,
        };
        if let (Some(call), Some(tag)) = (self.calls.get_mut(key), sender)
            && let Some(party) = call.by_tag(tag)
        {
            call.gates.set(Part::Party(party), which, true, false);
        }
        self.set_gates(key);
        Ok(())
    }
}

/// Whether DTMF is to be dropped. Every other way of hiding it changes the sound as well, which takes a decoder.
fn drops_events(request: &Request) -> bool {
    match request.other.get("dtmf-security").and_then(Value::as_str) {
        None => true,
        Some(word) => matches!(word.to_ascii_lowercase().as_str(), "drop" | "off" | ""),
    }
}
