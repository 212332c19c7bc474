//! What a request must be before anyone serves it (RFC 3261 8.1.1, 8.2, 16.3), and the response owed when it is not.
//! Not here: Max-Forwards 0, loops, Proxy-Require, who may send what. Those need a place in the network.

use crate::build::ResponseBuilder;
use crate::cseq::CSeq;
use crate::error::Error;
use crate::message::Message;
use crate::name::same;
use crate::name_addr::NameAddr;
use crate::scan;
use crate::uri::{Scheme, Uri};

/// Why a message is not served: the status and reason phrase that a request's sender is owed.
/// A *response* that is refused is dropped: nothing is owed to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// 400 to 699.
    pub status: u16,
    /// The reason phrase, which says what was wrong.
    pub reason: &'static str,
}

impl Refusal {
    const fn new(status: u16, reason: &'static str) -> Self {
        Refusal { status, reason }
    }

    /// The response to `request`; `to_tag` is put on To when it has none. An ACK is owed no response (17.1.1.3).
    pub fn response(&self, request: &Message, to_tag: &str) -> Result<Message, Error> {
        ResponseBuilder::new(request, self.status, self.reason)
            .to_tag(to_tag)
            .build()
    }
}

/// Whether the message may be served: its mandatory headers are there, once, and well-formed.
pub fn validate(message: &Message) -> Result<(), Refusal> {
    if !message.version().eq_ignore_ascii_case("SIP/2.0") {
        return Err(Refusal::new(505, "Version Not Supported"));
    }
    mandatory(message)?;
    singletons(message)?;
    addresses(message)?;
    sequence(message)?;
    if message.is_request() {
        request_uri(message)?;
        max_forwards(message)?;
        routing(message)?;
    }
    Ok(())
}

/// RFC 3261 8.1.1. Max-Forwards is not among them: a proxy adds it when an old client left it out (16.6 step 3).
fn mandatory(message: &Message) -> Result<(), Refusal> {
    for (name, reason) in [
        ("Via", "Missing Via"),
        ("From", "Missing From"),
        ("To", "Missing To"),
        ("Call-ID", "Missing Call-ID"),
        ("CSeq", "Missing CSeq"),
    ] {
        if message.raw(name).is_none_or(<[u8]>::is_empty) {
            return Err(Refusal::new(400, reason));
        }
    }
    Ok(())
}

/// Headers of one value whose doubling would let two parsers see two different messages.
const SINGLETONS: [&str; 17] = [
    "Call-ID",
    "CSeq",
    "From",
    "To",
    "Max-Forwards",
    "Content-Length",
    "Content-Type",
    "Expires",
    "Min-Expires",
    "Event",
    "Refer-To",
    "Referred-By",
    "Replaces",
    "RSeq",
    "RAck",
    "Session-Expires",
    "Min-SE",
];

fn singletons(message: &Message) -> Result<(), Refusal> {
    let fields = &message.index.fields;
    for (at, field) in fields.iter().enumerate() {
        let name = field.name.of(&message.bytes);
        let mut before = fields.iter().take(at);
        let is_single = || {
            SINGLETONS
                .iter()
                .any(|single| same(single.as_bytes(), name))
        };
        if before.any(|before| before.is(&message.bytes, name, field.key)) && is_single() {
            return Err(Refusal::new(400, "Repeated Header"));
        }
    }
    Ok(())
}

fn addresses(message: &Message) -> Result<(), Refusal> {
    let well_formed = |name| {
        message
            .raw(name)
            .is_some_and(|value| NameAddr::parse(value).is_ok())
    };
    if !well_formed("From") {
        return Err(Refusal::new(400, "Bad From"));
    }
    if !well_formed("To") {
        return Err(Refusal::new(400, "Bad To"));
    }
    if message
        .call_id()
        .is_none_or(|id| id.contains(|c: char| c.is_whitespace() || c.is_control()))
    {
        return Err(Refusal::new(400, "Bad Call-ID"));
    }
    if message.vias().any(|via| via.is_err()) {
        return Err(Refusal::new(400, "Bad Via"));
    }
    Ok(())
}

fn sequence(message: &Message) -> Result<(), Refusal> {
    let cseq = message
        .raw("CSeq")
        .and_then(|value| CSeq::parse(value).ok());
    let cseq = cseq.ok_or(Refusal::new(400, "Bad CSeq"))?;
    if message
        .method()
        .is_some_and(|method| *method != cseq.method)
    {
        return Err(Refusal::new(400, "CSeq Method Does Not Match"));
    }
    Ok(())
}

/// 16.3 steps 1 and 2. `urn` is let pass for emergency services (RFC 5031); where a request goes is configured anyway.
fn request_uri(message: &Message) -> Result<(), Refusal> {
    let text = message.uri_text().unwrap_or_default();
    let uri = Uri::parse(text).map_err(|_| Refusal::new(400, "Bad Request-URI"))?;
    let urn = text
        .get(..4)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:"));
    if uri.scheme() == Scheme::Other && !urn {
        return Err(Refusal::new(416, "Unsupported URI Scheme"));
    }
    // 19.1.1: headers have no place in a Request-URI; whoever acted on them would be steered by them.
    if uri.headers().is_some() {
        return Err(Refusal::new(400, "Request-URI With Headers"));
    }
    Ok(())
}

/// 20.22: 0 to 255.
fn max_forwards(message: &Message) -> Result<(), Refusal> {
    match message.raw("Max-Forwards").map(scan::number) {
        None | Some(Some(0..=255)) => Ok(()),
        Some(_) => Err(Refusal::new(400, "Bad Max-Forwards")),
    }
}

/// What a proxy routes by or a registrar stores.
fn routing(message: &Message) -> Result<(), Refusal> {
    if message
        .routes()
        .any(|route| route.and_then(|value| value.uri()).is_err())
    {
        return Err(Refusal::new(400, "Bad Route"));
    }
    if message.contacts().any(|contact| contact.is_err()) {
        return Err(Refusal::new(400, "Bad Contact"));
    }
    Ok(())
}
