//! A call on paper: the proxy's core and the relay's core as they are, with us in the place of the
//! sockets, the browser, the SIP server and the phone. What they would send is caught and shown.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proxy::core::{Callers, Command, Core, FlowId, Hop, Input, Secrets, Source, Target};
use relay::core::{Anchor, Identity, Ports, Shard, SocketId};
use sip::{Message, ResponseBuilder};

use super::parts;
use crate::config::Edge;

/// The flow of the rehearsal's browser.
const FLOW: FlowId = FlowId(1);

/// Both SDPs that would be sent, and to whom.
pub(super) struct Made {
    pub(super) offerer: &'static str,
    pub(super) answerer: &'static str,
    pub(super) offer: String,
    pub(super) answer: String,
}

/// Plays the call that `text` (a SIP request or an SDP) begins.
pub(super) fn rehearse(edge: &Edge, text: &[u8]) -> Result<Made, String> {
    if edge.upstream.all.is_empty() {
        return Err("a call on paper is one between a browser and a phone, and without an upstream there are no phones".to_owned());
    }
    let given = Given::read(text)?;
    let mut stage = Stage::new(edge)?;
    if given.from_browser {
        from_browser(&mut stage, edge, &given)
    } else {
        from_phone(&mut stage, edge, &given)
    }
}

fn from_browser(stage: &mut Stage, edge: &Edge, given: &Given) -> Result<Made, String> {
    let uri = format!("sip:callee@{}", edge.domain);
    let invite = given.as_invite(
        &uri,
        "SIP/2.0/WS browser.invalid;branch=z9hG4bKinvite",
        None,
    )?;
    let sent = stage.feed(Source::Flow(FLOW), invite);
    let offered = upstream_request(&sent).ok_or_else(|| refused(&sent))?;
    let answer = answer(&offered, parts::PHONE)?;
    let sent = stage.feed(Source::Upstream(edge.upstream.hop), answer);
    let answered = flow_response(&sent).ok_or_else(|| refused(&sent))?;
    Ok(Made {
        offerer: "browser",
        answerer: "phone",
        offer: body(&offered),
        answer: body(&answered),
    })
}

fn from_phone(stage: &mut Stage, edge: &Edge, given: &Given) -> Result<Made, String> {
    // The phone reaches a browser by the Path that its registration left at the SIP server.
    let sent = stage.feed(
        Source::Flow(FLOW),
        parts::register(&edge.domain).map_err(odd)?,
    );
    let register = upstream_request(&sent).ok_or_else(|| refused(&sent))?;
    let path = register
        .header("Path")
        .ok_or("the REGISTER got no Path")?
        .into_owned();
    let contact = format!("<{}>;expires=600", parts::CONTACT);
    let registered = ResponseBuilder::new(&register, 200, "OK")
        .to_tag("s")
        .header("Contact", contact)
        .build();
    stage.feed(
        Source::Upstream(edge.upstream.hop),
        registered.map_err(odd)?.into_bytes(),
    );

    let Hop { transport, address } = edge.upstream.hop;
    let via = format!("SIP/2.0/{transport} {address};branch=z9hG4bKinvite");
    let invite = given.as_invite(parts::CONTACT, &via, Some(&path))?;
    let sent = stage.feed(Source::Upstream(edge.upstream.hop), invite);
    let offered = flow_request(&sent).ok_or_else(|| refused(&sent))?;
    let answer = answer(&offered, parts::BROWSER)?;
    let sent = stage.feed(Source::Flow(FLOW), answer);
    let answered = upstream_response(&sent).ok_or_else(|| refused(&sent))?;
    Ok(Made {
        offerer: "phone",
        answerer: "browser",
        offer: body(&offered),
        answer: body(&answered),
    })
}

/// The operator's message.
struct Given {
    sdp: Vec<u8>,
    from_browser: bool,
}

impl Given {
    fn read(text: &[u8]) -> Result<Self, String> {
        let text = with_crlf(text);
        let sdp = if text.starts_with(b"v=") {
            text
        } else {
            let message = Message::parse(text)
                .map_err(|e| format!("the message is neither a SIP request nor an SDP ({e}); give an INVITE as it was on the wire, or its body"))?;
            message.body().to_vec()
        };
        let session =
            sdp::Session::parse(&sdp).map_err(|e| format!("the SDP cannot be read: {e}"))?;
        let from_browser = session.media.iter().any(|m| m.protocol.is_dtls());
        Ok(Self { sdp, from_browser })
    }

    fn as_invite(&self, uri: &str, via: &str, route: Option<&str>) -> Result<Vec<u8>, String> {
        parts::invite(uri, via, route, &self.sdp).map_err(odd)
    }
}

/// The cores and what stands in for the world around them.
struct Stage {
    core: Core,
    shard: Shard,
    now: Instant,
}

impl Stage {
    fn new(edge: &Edge) -> Result<Self, String> {
        let now = Instant::now();
        let mut config = crate::programs::core_config(edge);
        // On paper nobody has to register first.
        config.policy.callers = Callers::Anyone;
        let secrets = Secrets {
            token_key: [1; 32],
            seed: [2; 32],
        };
        let relay = crate::programs::relay_config(&edge.relay).core;
        let anchor = Anchor {
            instant: now,
            unix: Duration::ZERO,
        };
        let identity = Identity::generate().map_err(|e| e.to_string())?;
        let mut counter = 0_u8;
        let random = Box::new(move |octets: &mut [u8]| {
            for octet in octets {
                counter = counter.wrapping_mul(5).wrapping_add(113);
                *octet = counter;
            }
        });
        let mut stage = Self {
            core: Core::new(config, &secrets),
            shard: Shard::new(relay::core::Config { anchor, ..relay }, identity, random),
            now,
        };
        stage.take(Input::Upstreams(vec![Target::new(edge.upstream.hop)]));
        // On paper there is one, whatever the file names.
        let relay = SocketAddr::from(([127, 0, 0, 1], 2223));
        stage.take(Input::Relays(vec![proxy::core::Relay::new(relay)]));
        let peer = SocketAddr::from(([192, 0, 2, 1], 50_000));
        let host = edge.domain.clone();
        stage.take(Input::FlowOpened {
            flow: FLOW,
            peer,
            secure: true,
            host,
        });
        Ok(stage)
    }

    fn feed(&mut self, from: Source, bytes: Vec<u8>) -> Vec<Command> {
        self.take(Input::Message { from, bytes })
    }

    /// Lets the core act, with the relay answering at once; what it sends comes back.
    fn take(&mut self, input: Input) -> Vec<Command> {
        self.core.receive(input, self.now);
        let mut sent = Vec::new();
        while let Some(command) = self.core.poll() {
            if let Command::AskRelay { id, request, .. } = command {
                let reply = Ok(self.shard.command(&request, self.now, &mut Paper));
                self.core.receive(Input::Relayed { id, reply }, self.now);
            } else {
                sent.push(command);
            }
        }
        sent
    }
}

/// Ports that are never opened.
struct Paper;

impl Ports for Paper {
    fn open(&mut self, _: SocketId, _: SocketAddr) -> bool {
        true
    }
    fn mark(&mut self, _: SocketId, _: u8) {}
    fn close(&mut self, _: SocketId) {}
}

fn answer(request: &Message, sdp: &str) -> Result<Vec<u8>, String> {
    let contact = format!("<sip:callee@{}>", parts::ELSEWHERE);
    let response = ResponseBuilder::new(request, 200, "OK")
        .to_tag("callee")
        .header("Contact", contact)
        .body("application/sdp", sdp)
        .build();
    Ok(response.map_err(odd)?.into_bytes())
}

fn up(commands: &[Command]) -> impl Iterator<Item = Message> {
    commands.iter().filter_map(|c| match c {
        Command::Send { bytes, .. } => Message::parse(bytes.clone()).ok(),
        _ => None,
    })
}

fn flow(commands: &[Command]) -> impl Iterator<Item = Message> {
    commands.iter().filter_map(|c| match c {
        Command::SendFlow { bytes, .. } => Message::parse(bytes.clone()).ok(),
        _ => None,
    })
}

fn upstream_request(commands: &[Command]) -> Option<Message> {
    up(commands).find(Message::is_request)
}

fn flow_request(commands: &[Command]) -> Option<Message> {
    flow(commands).find(Message::is_request)
}

fn flow_response(commands: &[Command]) -> Option<Message> {
    flow(commands).find(|m| m.status() == Some(200))
}

fn upstream_response(commands: &[Command]) -> Option<Message> {
    up(commands).find(|m| m.status() == Some(200))
}

/// The edge answered instead of passing on: its words.
fn refused(commands: &[Command]) -> String {
    let answer = flow(commands)
        .chain(up(commands))
        .filter(|m| m.status().is_some_and(|s| s >= 300))
        .last();
    match answer {
        Some(m) => format!(
            "the edge would refuse it: {} {}",
            m.status().unwrap_or_default(),
            m.reason().unwrap_or_default()
        ),
        None => "the edge would drop it".to_owned(),
    }
}

fn body(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

fn odd(error: sip::Error) -> String {
    format!("the message cannot be made of this file's settings ({error})")
}

/// Files are written with LF; SIP and SDP want CRLF.
fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    for &octet in text {
        if octet == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(octet);
    }
    out
}
