//! More messages than anybody could serve.

use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use peers::kernel::{GivingWay, ROOM};

use super::socket::{Socket, frame, registration, request};
use crate::attack::Outcome;
use crate::field::{ATTACKER, PRIVATE};
use crate::flood::{Sent, together};
use crate::programs::DOMAIN;
use crate::whole::Whole;

const SPAN: Duration = Duration::from_secs(10);
/// Messages a second, at least.
const RATE: u64 = 100_000;
/// WebSockets at once, each opened anew when it is closed.
const SOCKETS: usize = 100;
/// Messages in one write.
const BATCH: usize = 50;
/// What the proxy may hold more than before, when it is over and what was freed is given back.
const MAX_KEPT: u64 = 16;
/// And at the height of it.
const MAX_GROWN: u64 = 128;
/// By then it has given back what it will.
const GIVEN_BACK: Duration = Duration::from_secs(25);

/// SIP from a stranger, of every kind, at the port that is for the SIP server.
pub(super) fn datagrams(whole: &mut Whole<'_>) -> Result<Outcome, String> {
    let to = SocketAddrV4::new(PRIVATE, 5060);
    let kinds = ["INVITE", "REGISTER", "OPTIONS", "BYE", "MESSAGE"];
    let uri = format!("sip:witness@{DOMAIN}");
    let texts = kinds.map(|method| request(method, &uri, "mallory", "flood", 1, "", ""));
    let before = whole.edge.memory()?;
    let texts = &texts;
    let sent = together(&whole.field.alley, 5060, RATE, SPAN, || {
        let mut kind = texts.iter().cycle();
        move |_, room: &mut [u8; ROOM]| {
            let text = kind.next().map_or("", String::as_str).as_bytes();
            let length = text.len().min(room.len());
            room[..length].copy_from_slice(&text[..length]);
            (length, ATTACKER, to)
        }
    })?;
    let height = whole.edge.memory()?;
    let outcome = Outcome::of(sent).at_a_rate_of(RATE);
    Ok(memory(whole, outcome, before, height))
}

/// Messages of every kind that a WebSocket takes, from as many as are let in.
pub(super) fn messages(whole: &mut Whole<'_>) -> Result<Outcome, String> {
    let before = whole.edge.memory()?;
    let edge = &whole.edge;
    let (mut sent, height, opened) = whole.field.alley.within(|| {
        let _gives_way = GivingWay::new();
        let uri = format!("sip:{DOMAIN}");
        let texts = [
            request("OPTIONS", &uri, "mallory", "flood", 1, "", ""),
            registration("mallory", 1, ""),
            request(
                "INVITE",
                &format!("sip:desk@{DOMAIN}"),
                "mallory",
                "flood",
                1,
                "",
                "",
            ),
        ];
        // Each is another request.
        let mut number = 0_u64;
        let mut batch = || {
            let mut octets = Vec::new();
            for text in texts.iter().cycle().take(BATCH) {
                number += 1;
                octets.extend(frame(&text.replace("flood", &format!("f{number}"))));
            }
            octets
        };
        let (mut sockets, mut sent, mut opened, mut height) = (Vec::new(), Sent::default(), 0, 0);
        let (began, mut looked) = (Instant::now(), Instant::now());
        while began.elapsed() < SPAN {
            while sockets.len() < SOCKETS {
                match Socket::open_here() {
                    Ok(socket) => {
                        opened += 1;
                        sockets.push(socket);
                    }
                    Err(_) => break,
                }
            }
            sockets.retain_mut(|socket: &mut Socket| {
                let octets = batch();
                let there = socket.write(&octets).is_ok();
                socket.drain();
                if there {
                    sent.datagrams += BATCH as u64;
                    sent.bytes += octets.len() as u64;
                }
                there
            });
            if looked.elapsed() > Duration::from_millis(200) {
                height = height.max(edge.memory()?);
                looked = Instant::now();
            }
        }
        Ok((sent, height, opened))
    })?;
    sent.took = SPAN;
    let outcome = Outcome::of(sent).at_a_rate_of(RATE);
    let outcome = memory(whole, outcome, before, height);
    Ok(outcome.and_saying(&format!("{opened} connections")))
}

/// Judges what the proxy holds, in MiB.
fn memory(whole: &Whole<'_>, outcome: Outcome, before: u64, height: u64) -> Outcome {
    let end = Instant::now() + GIVEN_BACK;
    let mut after = height;
    while after > before + MAX_KEPT / 2 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(500));
        after = whole.edge.memory().unwrap_or(u64::MAX);
    }
    let bite = (after > before + MAX_KEPT || height > before + MAX_GROWN)
        .then(|| "memory is held".to_owned());
    let note = format!("{before} MiB before, {height} at most, {after} after");
    outcome.biting(bite).saying(note)
}
