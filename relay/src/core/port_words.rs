//! What commands ask for about ports and ICE by words of their own: `TOS`, `no-port-latching`, `ICE-lite`.

use control_proto::{Command, Request, Value, flag};
use sdp::Media;

use super::call::Call;
use super::leg::Leg;
use super::table::Key;
use super::{IceRole, Shard};

impl Call {
    /// `TOS`: of all packets of the call. A negative one changes nothing; without one, or with one that is no byte, it
    /// is the configured one from now on.
    pub(super) fn take_tos(&mut self, request: &Request) {
        if !matches!(request.command, Command::Offer | Command::Answer) {
            return;
        }
        let asked = request.other.get("tos").and_then(Value::as_integer);
        if asked.is_none_or(|tos| tos >= 0) {
            self.tos = asked.and_then(|tos| u8::try_from(tos).ok());
        }
    }
}

impl Shard {
    /// `no-port-latching`: when the port of the side that offers is another one than before, the side that is offered
    /// to is to see a new one as well, with ICE too. Without the flag a leg keeps its ports.
    pub(super) fn unlatches(&self, from: Key<Leg>, media: &Media, request: &Request) -> bool {
        let before = self.legs.get(from).and_then(|leg| leg.terms.port);
        request.flags.has(flag::NO_PORT_LATCHING) && before.is_some_and(|port| port != media.port)
    }
}

/// `ICE-lite`: our roles towards the side that offers and the one that is offered to. They hold for ICE that begins
/// from now on.
pub(crate) fn roles(request: &Request) -> Option<[IceRole; 2]> {
    let word = request.other.get("ice-lite").and_then(Value::as_str)?;
    let (full, lite) = (IceRole::Full, IceRole::Lite);
    match word.to_ascii_lowercase().as_str() {
        "off" | "no" | "none" => Some([full, full]),
        "forward" | "offer" | "fwd" | "fw" => Some([full, lite]),
        "backward" | "backwards" | "reverse" | "answer" | "back" | "bkw" | "bk" => {
            Some([lite, full])
        }
        "both" => Some([lite, lite]),
        _ => None,
    }
}
