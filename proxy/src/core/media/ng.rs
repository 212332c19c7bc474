//! What the proxy asks of the relay, in the words of the ng protocol: the only place that knows what a browser and a
//! phone need.

use std::time::Duration;

use control_proto::{Command, Dtls, Ice, Request, TransportProtocol, Value, flag};
use sip::Message;

use super::super::names::{MediaId, Side};

/// The relay's interfaces: browsers are on the public one, phones on the private one.
const PUBLIC: &str = "public";
const PRIVATE: &str = "private";

/// Stands in for the From-tag that a caller as before RFC 3261 does not have.
const UNTAGGED: &str = "untagged";

/// How a message names a call and its parties at the relay.
pub(super) struct Parties {
    /// SIP's Call-ID.
    pub(super) call_id: String,
    /// The call at the relay.
    pub(super) call: String,
    pub(super) from_tag: String,
    pub(super) to_tag: Option<String>,
}

impl Parties {
    pub(super) fn of(message: &Message, media: MediaId) -> Option<Self> {
        let call_id = message.call_id()?.to_owned();
        Some(Self {
            call: call_name(&call_id, media),
            call_id,
            from_tag: message.from_tag().unwrap_or(UNTAGGED).to_owned(),
            to_tag: message.to_tag().map(str::to_owned),
        })
    }
}

/// One call at the relay for each pass of a call through the edge: a call between two of our browsers has one
/// Call-ID and passes twice.
pub(in crate::core) fn call_name(call_id: &str, media: MediaId) -> String {
    format!("{call_id}-{media}")
}

/// An offer of `sender`, to be rewritten for `receiver`.
pub(super) fn offer(
    call: &str,
    offerer: &str,
    answerer: Option<&str>,
    sdp: Vec<u8>,
    [sender, receiver]: [Side; 2],
) -> Request {
    let mut request = about(Command::Offer, call, receiver);
    request.from_tag = Some(offerer.to_owned());
    request.to_tag = answerer.map(str::to_owned);
    request.sdp = Some(sdp);
    match receiver {
        Side::Phone => {
            request.transport_protocol = Some(TransportProtocol::RtpAvp);
            request.ice = Some(Ice::Remove);
            request.rtcp_mux.demux = true;
        }
        Side::Browser => {
            request.transport_protocol = Some(TransportProtocol::UdpTlsRtpSavpf);
            request.ice = Some(Ice::Force);
            request.rtcp_mux.offer = true;
            request.rtcp_mux.require = true;
            request.sdes.off = true;
            request.flags.set(flag::GENERATE_MID);
        }
    }
    let mut bundle = Vec::new();
    if sender == Side::Browser {
        // The browser's media stay on one port; a phone has a port for each.
        bundle.push(Value::from("accept"));
        // The browser's ICE may be done before the answer is here. An rtpengine that may be active then begins
        // DTLS at once, as client against the browser's client, and the call stays silent: say the role now.
        request.other.push("DTLS-reverse", Dtls::Passive.word());
    }
    if receiver == Side::Browser {
        // A client that does not bundle keeps a port for each medium.
        bundle.push(Value::from("offer"));
    }
    if !bundle.is_empty() {
        request.other.push("bundle", bundle);
    }
    request.direction = Some([sender, receiver].map(|side| interface(side).to_owned()));
    request
}

fn interface(side: Side) -> &'static str {
    match side {
        Side::Browser => PUBLIC,
        Side::Phone => PRIVATE,
    }
}

/// An answer, to be rewritten for `receiver`, who had made the offer.
pub(super) fn answer(
    call: &str,
    offerer: &str,
    answerer: &str,
    sdp: Vec<u8>,
    receiver: Side,
) -> Request {
    let mut request = about(Command::Answer, call, receiver);
    request.from_tag = Some(offerer.to_owned());
    request.to_tag = Some(answerer.to_owned());
    request.sdp = Some(sdp);
    if receiver == Side::Browser {
        // Firefox drops a ClientHello that comes before the answer: let the browser speak first.
        request.dtls = Some(Dtls::Passive);
    }
    request
}

/// A key that this party presses. An integer is a number of milliseconds.
pub(super) fn play(call: &str, from_tag: &str, code: &str, duration: Duration) -> Request {
    let mut request = Request::new(Command::PlayDtmf);
    request.call_id = Some(call.to_owned());
    request.from_tag = Some(from_tag.to_owned());
    request.other.push("code", code);
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    request.other.push("duration", millis);
    request
}

/// Offers and answers say that keys may be played into the call: an rtpengine wants to know beforehand.
pub(super) fn expect_keys(request: &mut Request) {
    if matches!(request.command, Command::Offer | Command::Answer) {
        request.flags.set(flag::INJECT_DTMF);
    }
}

/// This party is to send a picture that stands alone.
pub(super) fn request_picture(call: &str, from_tag: &str) -> Request {
    let mut request = Request::new(Command::RequestPicture);
    request.call_id = Some(call.to_owned());
    request.from_tag = Some(from_tag.to_owned());
    request
}

/// The end of a call.
pub(super) fn delete(call: &str) -> Request {
    let mut request = Request::new(Command::Delete);
    request.call_id = Some(call.to_owned());
    // Without it an rtpengine goes on relaying for half a minute.
    request.delete_delay = Some(Duration::ZERO);
    request.flags.set(flag::FAST);
    request
}

fn about(command: Command, call: &str, receiver: Side) -> Request {
    let mut request = Request::new(command);
    request.call_id = Some(call.to_owned());
    request.supports = vec!["load limit".to_owned()];
    if receiver == Side::Phone {
        // The browser's own address is not for the phone.
        request.replace.origin = true;
    }
    request
}
