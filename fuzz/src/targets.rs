//! Every target by its name.

mod commands;
mod dtls;
mod extension;
mod frames;
mod handshake;
mod http;
mod ice;
mod ng;
mod proxy;
mod relay;
mod rtcp;
mod rtp;
mod sdp;
mod signature;
mod sip;
mod srtp;
mod stun;
mod websocket;

use crate::Target;

/// All of them, in the order in which a stranger meets them.
pub const TARGETS: [Target; 21] = [
    of("bencode", ng::bencode),
    of("json", ng::json),
    of("frames", frames::run),
    of("sip_stream", frames::sip),
    of("signature", signature::run),
    of("http", http::run),
    of("websocket", websocket::run),
    of("sip", sip::run),
    of("sdp", sdp::run),
    of("stun", stun::run),
    of("ice", ice::run),
    of("dtls", dtls::run),
    of("handshake", handshake::run),
    of("rtp", rtp::run),
    of("extension", extension::run),
    of("rtcp", rtcp::run),
    of("srtp", srtp::rtp),
    of("srtcp", srtp::rtcp),
    of("relay", relay::run),
    of("commands", commands::run),
    of("proxy", proxy::run),
];

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

const fn of(name: &'static str, run: fn(&[u8]) -> crate::Reached) -> Target {
    Target { name, run }
}
