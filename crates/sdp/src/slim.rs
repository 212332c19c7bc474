//! What a plain phone gets to see of a browser's SDP.
//!
//! A browser's offer has 5 to 8 kB; over UDP that is fragmented, and phones with
//! small buffers or fussy parsers fail on it. None of the lines dropped here means
//! anything on a plain RTP leg.

use crate::Document;

/// Attributes that only WebRTC knows, or that speak of things the relay has ended.
const DROPPED: [&str; 31] = [
    "bundle-only",
    "candidate",
    "end-of-candidates",
    "extmap",
    "extmap-allow-mixed",
    "fingerprint",
    "group",
    "ice-lite",
    "ice-mismatch",
    "ice-options",
    "ice-pacing",
    "ice-pwd",
    "ice-ufrag",
    "identity",
    "max-message-size",
    "mid",
    "msid",
    "msid-semantic",
    "remote-candidates",
    "rid",
    "rtcp-fb",
    "rtcp-mux-only",
    "rtcp-rsize",
    "sctp-port",
    "sctpmap",
    "setup",
    "simulcast",
    "ssrc",
    "ssrc-group",
    "tls-id",
    "x-google-flag",
];

/// The body without what only WebRTC knows; codecs, fmtp, ptime, direction, rtcp,
/// crypto and everything unknown stay, byte for byte. A body too large to be read
/// comes back unchanged.
pub fn slim_for_phone(body: &[u8]) -> Vec<u8> {
    let Ok(mut document) = Document::parse(body) else {
        return body.to_vec();
    };
    document.retain(|_, line| match line.attribute_name() {
        Some(name) => !DROPPED.iter().any(|dropped| dropped.as_bytes() == name),
        None => true,
    });
    document.to_bytes()
}
