//! The messages of RFC 4475 and RFC 5118 through the whole core: what goes on goes on as it was written, and what does not
//! gets the answer owed, or none. From a browser, whose requests all have somewhere to go.

use std::path::Path;

use super::super::hop;
use super::bench::*;

/// What becomes of a message.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// It reaches the upstream, but for what a proxy changes as it was.
    Forwarded,
    /// It is answered with this status.
    Answered(u16),
    /// Nothing is owed.
    Dropped,
}
use Outcome::{Answered, Dropped, Forwarded};

const RFC_4475: [(&str, Outcome); 49] = [
    // 3.1.1 valid
    ("wsinv", Answered(481)), // inside a dialog that never passed here
    ("intmeth", Forwarded),
    ("esc01", Forwarded),
    ("escnull", Forwarded),
    ("esc02", Forwarded),
    ("lwsdisp", Forwarded),
    ("longreq", Forwarded),
    ("dblreq", Answered(400)), // a WebSocket message is one SIP message (RFC 7118 section 5)
    ("semiuri", Forwarded),
    ("transports", Forwarded),
    ("mpart01", Forwarded),
    ("unreason", Dropped), // a response to nothing that we sent
    ("noreason", Dropped),
    // 3.1.2 invalid
    ("badinv01", Answered(400)),
    ("clerr", Answered(400)),
    ("ncl", Answered(400)),
    ("scalar02", Answered(400)),
    ("scalarlg", Dropped),
    ("quotbal", Answered(400)),
    ("ltgtruri", Answered(400)),
    ("lwsruri", Answered(400)),
    ("lwsstart", Answered(400)),
    ("trws", Answered(400)),
    ("escruri", Answered(400)),
    ("baddate", Forwarded), // 3.1.2.12: a proxy need not understand Date
    ("regbadct", Answered(400)),
    ("badaspec", Forwarded), // 3.1.2.14: nothing here turns on the To URI
    ("baddn", Answered(400)),
    ("badvers", Answered(505)),
    ("mismatch01", Answered(400)),
    ("mismatch02", Answered(400)),
    ("bigcode", Dropped),
    // 3.2 transaction layer
    ("badbranch", Forwarded),
    // 3.3 application layer
    ("insuf", Answered(400)),
    ("unkscm", Answered(416)),
    ("novelsc", Answered(416)),
    ("unksm2", Forwarded), // unknown schemes in To are the callee's business
    ("bext01", Answered(420)),
    ("invut", Forwarded),
    ("regaut01", Forwarded),
    ("multi01", Answered(400)),
    ("mcl01", Answered(400)),
    ("bcast", Dropped),
    ("zeromf", Answered(200)), // an OPTIONS may be answered where it ends (RFC 3261 section 11)
    ("cparam01", Forwarded),
    ("cparam02", Forwarded),
    ("regescrt", Forwarded),
    ("sdp01", Forwarded),
    // 3.4 RFC 2543
    ("inv2543", Forwarded),
];

const RFC_5118: [(&str, Outcome); 11] = [
    ("4.1-good", Forwarded),
    ("4.2-bad", Answered(400)),
    ("4.3-port-ambiguous", Forwarded),
    ("4.4-port-unambiguous", Forwarded),
    // BYEs of a dialog that never passed here
    ("4.5-received-delimiters", Answered(481)),
    ("4.5-received-no-delimiters", Answered(481)),
    ("4.6-sdp", Forwarded),
    ("4.7-mixed-vias", Answered(481)),
    ("4.8-mixed-sdp", Forwarded),
    ("4.9-mapped", Forwarded),
    ("4.10-three-colons", Forwarded),
];

fn kept(folder: &str, name: &str) -> Vec<u8> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sip/tests/messages");
    let path = tests.join(folder).join(format!("{name}.dat"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn outcome(name: &str, bytes: &[u8]) -> Outcome {
    let mut bench = Bench::with(|config| {
        // The papers' own addresses would be ours.
        config.advertised = vec![hop::Hop::udp(address("203.0.113.77:5060"))];
        // A method is a browser's to use if the operator says so.
        let method = bytes.split(|byte| *byte == b' ').next().unwrap();
        config.policy.methods.extend(sip::Method::parse(method));
    });
    let flow = bench.open(1);
    bench.browser_sends(flow, bytes.to_vec());
    let (up, down) = (bench.upstream_has(), bench.browser_has(flow));
    bench.assert_drained();
    if let [up] = &up[..] {
        as_it_was(name, bytes, up.as_bytes());
        return Forwarded;
    }
    assert!(up.is_empty(), "{name} was sent more than once");
    let last = down.last().and_then(sip::Message::status);
    last.map_or(Dropped, Answered)
}

/// Headers that a proxy at the edge has to write: the others leave byte for byte and in their order, and so does the body.
const OURS: [&str; 13] = [
    "via",
    "v",
    "max-forwards",
    "max-breadth",
    "record-route",
    "route",
    "path",
    "contact",
    "m",
    "supported",
    "k",
    "content-length",
    "l",
];

fn as_it_was(name: &str, before: &[u8], after: &[u8]) {
    let split = |bytes: &[u8]| {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8_lossy(&bytes[..end + 2]).into_owned();
        (head, bytes[end + 4..].to_vec())
    };
    let ((before, body), (after, body_after)) = (split(before), split(after));
    let theirs = |head: &str| {
        let mut lines: Vec<String> = Vec::new();
        for line in head.split_inclusive("\r\n") {
            match lines.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
                Some(last) => last.push_str(line),
                None => lines.push(line.to_owned()),
            }
        }
        let is_ours = |line: &String| {
            let name = line.split(':').next().unwrap_or_default().trim();
            OURS.contains(&name.to_ascii_lowercase().as_str())
        };
        lines.retain(|line| !is_ours(line));
        lines
    };
    assert_eq!(theirs(&before), theirs(&after), "{name}");
    // SDP is the relay's to rewrite.
    if !body.starts_with(b"v=0") {
        assert_eq!(body, body_after, "{name}");
    }
}

/// The papers' SDP is a phone's, which a browser's INVITE is refused for: the same message as a browser would write it.
fn with_browsers_media(folder: &str, name: &str) -> Vec<u8> {
    let bytes = kept(folder, name);
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let Some((head, _)) = text.split_once("\r\n\r\nv=0") else {
        return bytes;
    };
    assert_eq!(outcome(name, &bytes), Answered(488), "{name}");
    let lines = head.split("\r\n").map(|line| {
        let name = line.split(':').next().unwrap_or_default().trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" | "l" => format!("{name}: {}", BROWSER_SDP.len()),
            _ => line.to_owned(),
        }
    });
    let lines: Vec<_> = lines.collect();
    format!("{}\r\n\r\n{BROWSER_SDP}", lines.join("\r\n")).into_bytes()
}

fn hold(folder: &str, table: &[(&str, Outcome)]) {
    let mut wrong = Vec::new();
    for (name, owed) in table {
        let bytes = match owed {
            Forwarded => with_browsers_media(folder, name),
            _ => kept(folder, name),
        };
        let seen = outcome(name, &bytes);
        if seen != *owed {
            wrong.push(format!("{name}: {seen:?} and not {owed:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_message_of_rfc_4475_has_the_outcome_owed() {
    hold("torture", &RFC_4475);
}

#[test]
fn every_message_of_rfc_5118_has_the_outcome_owed() {
    hold("ipv6", &RFC_5118);
}
