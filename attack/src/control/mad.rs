//! A proxy that has gone mad: it has the key, and sends what kills parsers.

use control_proto::{Command, Request};
use peers::random;
use peers::scenario::{Scenario, delete};
use peers::sdp;

use super::raw::Raw;
use crate::attack::{Outcome, Scene};
use crate::field::PHONE;
use crate::flood::Sent;

/// The most that a datagram may hold beside a signature.
const ROOM: usize = 60_000;

/// Depth, lengths and numbers that no parser should believe; each must get an error or nothing, and the next ping a pong.
pub(super) fn bombs(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let raw = Raw::new(&scene.field.house, scene.key.clone())?;
    let deep = |open: &str, close: &str| {
        let depth = ROOM / (open.len() + close.len());
        (open.repeat(depth) + &close.repeat(depth)).into_bytes()
    };
    let mut payloads: Vec<Vec<u8>> = vec![
        deep("l", "e"),
        deep("d1:a", "e"),
        "l".repeat(ROOM).into_bytes(),
        format!("d1:a{}", "d1:a".repeat(ROOM / 5)).into_bytes(),
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("{{\"a\":{}", "[".repeat(ROOM)).into_bytes(),
    ];
    for text in [
        "d7:command99999999999999999999:ping",
        "d7:command-1:pinge",
        "d7:command4:pinge4294967296:x",
        "i99999999999999999999e",
        "d1:ai9223372036854775808ee",
        "d7:command4:ping7:command6:deletee",
        "d7:command4:pingetrailing",
        "d",
        "4:ping",
        "",
        "{\"command\":\"ping\",\"command\":\"list\"}",
        "{\"command\":\"\\u0000\"}",
        "{\"command\":1e999}",
    ] {
        payloads.push(text.as_bytes().to_vec());
    }
    let mut sent = Sent::default();
    for payload in &payloads {
        let datagram = raw.datagram(&random::token(12), payload);
        sent.bytes += raw.send(&datagram) as u64;
        sent.datagrams += 1;
        _ = raw.receive();
    }
    let pong = scene.ng.ask(&Request::new(Command::Ping), || {});
    let bite = match pong {
        Ok((reply, _)) if reply.is_pong() => None,
        _ => Some("no pong afterwards".to_owned()),
    };
    Ok(Outcome::of(sent).biting(bite))
}

/// Names that would leave a directory, a line, or a buffer: calls are set up and recorded by them.
pub(super) fn names(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let outside = std::env::temp_dir().join("causeway-attack-was-here");
    let climb = format!(
        "{}/{}",
        "../".repeat(20).trim_end_matches('/'),
        outside.display()
    );
    let names = [
        climb,
        format!("/{}", outside.display()),
        "a\r\nInjected: line\r\n".to_owned(),
        "nul\0nul".to_owned(),
        "\u{1b}[2J".to_owned(),
        "x".repeat(ROOM - 2000),
    ];
    let mut sent = Sent::default();
    for name in &names {
        let at = std::net::SocketAddrV4::new(PHONE, 7300);
        let mut offer = Scenario::AvpSdes.offer(name, sdp::phone(at));
        offer.from_tag = Some(name.chars().take(2000).collect());
        let mut record = Request::new(Command::StartRecording);
        record.call_id = Some(name.clone());
        for request in [offer, record, delete(name)] {
            _ = scene.ng.ask(&request, || {});
            sent.datagrams += 1;
        }
    }
    let parent = outside
        .parent()
        .map(std::path::Path::to_owned)
        .unwrap_or_default();
    let found = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let left = found.filter(|entry| {
        entry
            .file_name()
            .to_string_lossy()
            .contains("attack-was-here")
    });
    let bite = (left.count() > 0).then(|| "a file was written outside".to_owned());
    let lines = scene.relay.log();
    let forged = lines.lines().any(|line| line.starts_with("Injected"));
    let bite = bite.or(forged.then(|| "a line was put into the log".to_owned()));
    Ok(Outcome::of(sent).biting(bite))
}
