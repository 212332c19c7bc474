//! Calls that are not meant, and calls of others.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::dialog::{Dialog, SDP, line, offer};
use super::socket::{Socket, frame, request, status};
use crate::attack::Outcome;
use crate::field::ATTACKER;
use crate::flood::Sent;
use crate::whole::{ATTACKER as MALLORY, WITNESS, Whole};

/// INVITEs.
const CALLS: u32 = 20_000;
/// Ports are free again so long after an offer's lifetime, which is half a minute after its call was refused.
const FREE: Duration = Duration::from_secs(90);

fn attacker(whole: &Whole<'_>) -> Result<Socket, String> {
    Socket::of_user(&whole.field.alley, MALLORY)
}

/// Calls that begin and are left alone, on as many connections as it takes; then somebody else calls.
pub(super) fn unanswered(whole: &mut Whole<'_>) -> Result<Outcome, String> {
    let ports = whole.ports()?;
    let before = whole.memory();
    let mut most = before;
    let began = Instant::now();
    let (mut sent, mut number, mut connections) = (Sent::default(), 0, 0);
    let uri = line();
    let mut grown = 0;
    while number < CALLS && began.elapsed() < Duration::from_secs(60) {
        let Ok(mut socket) = attacker(whole) else {
            // Not at once again.
            std::thread::sleep(Duration::from_millis(100));
            continue;
        };
        connections += 1;
        while number < CALLS {
            let call = format!("u{number}");
            let invite = request("INVITE", &uri, MALLORY, &call, 1, SDP, &offer());
            if socket.write(&frame(&invite)).is_err() {
                break;
            }
            socket.drain();
            number += 1;
            sent.datagrams += 1;
            sent.bytes += invite.len() as u64;
        }
        grown = grown.max(whole.ports()?.saturating_sub(ports));
        most = most.most(whole.memory());
    }
    sent.took = began.elapsed();
    let others = whole.calls(5);
    most = most.most(whole.memory());
    let end = Instant::now() + FREE;
    let (mut held, mut after) = (grown, most);
    while (held > 0 || !after.is_back_at(before)) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(500));
        held = whole.ports()?.saturating_sub(ports);
        after = whole.memory();
    }
    let bite = match others {
        Err(why) => Some(format!("others' calls: {why}")),
        Ok(()) if held > 0 => Some(format!("{held} ports are held")),
        Ok(()) if !after.is_back_at(before) => Some("memory is held".to_owned()),
        Ok(()) => None,
    };
    let freed = end.saturating_duration_since(Instant::now());
    let freed = FREE.saturating_sub(freed).as_secs();
    let note = format!(
        "{connections} connections, {grown} ports at most, all free after {freed} s; 5 of 5 others' calls stand; {before} before, {most} at most, {after} after"
    );
    Ok(Outcome::of(sent).biting(bite).saying(note))
}

/// The attacker's host as Route, Request-URI, maddr, Contact, Path and in Via.
pub(super) fn led_away(whole: &mut Whole<'_>) -> Result<Outcome, String> {
    let door = whole.field.alley.within(|| {
        let door = TcpListener::bind((ATTACKER, 5060)).map_err(|error| error.to_string())?;
        door.set_nonblocking(true)
            .map_err(|error| error.to_string())?;
        Ok(door)
    })?;
    let mut socket = attacker(whole)?;
    let (own, mut sent) = (format!("{ATTACKER}:5060"), Sent::default());
    let line = line();
    let uris = [
        format!("sip:x@{own}"),
        format!("sip:x@{own};transport=tcp"),
        format!("sip:x@{own};lr"),
        format!("{line};maddr={ATTACKER}"),
        format!("sips:x@{own}"),
        line.clone(),
    ];
    let mores = [
        String::new(),
        format!("Route: <sip:{own};lr>\r\n"),
        format!("Route: <sip:{own}>\r\n"),
        format!("Route: <sip:{own};lr;transport=tcp>, <sip:{own};lr>\r\n"),
        format!(
            "Record-Route: <sip:{own};lr>\r\nPath: <sip:{own};lr>\r\nService-Route: <sip:{own};lr>\r\n"
        ),
        format!(
            "Via: SIP/2.0/UDP {own};branch=z9hG4bKx;maddr={ATTACKER};received={ATTACKER};rport=5060\r\n"
        ),
    ];
    for method in [
        "INVITE",
        "MESSAGE",
        "OPTIONS",
        "SUBSCRIBE",
        "BYE",
        "REGISTER",
        "ACK",
    ] {
        for (at, uri) in uris.iter().enumerate() {
            for (more_at, more) in mores.iter().enumerate() {
                let call = format!("l{method}{at}{more_at}");
                let text = request(method, uri, MALLORY, &call, 1, more, "");
                let text = text.replace(&format!("@{MALLORY}.invalid"), &format!("@{own}"));
                if socket.send(&text).is_err() {
                    socket = attacker(whole)?;
                }
                sent.datagrams += 1;
                sent.bytes += text.len() as u64;
                // Within what a connection may say.
                std::thread::sleep(Duration::from_millis(12));
                socket.drain();
            }
        }
    }
    std::thread::sleep(Duration::from_secs(2));
    let bite = door
        .accept()
        .is_ok()
        .then(|| "the edge connects to the attacker".to_owned());
    Ok(Outcome::of(sent).biting(bite))
}

/// A user calls; the attacker, on a connection of his own, knows every header of it.
pub(super) fn hung_up_by_another(whole: &mut Whole<'_>) -> Result<Outcome, String> {
    let mut caller = attacker(whole)?;
    let mut stranger = Socket::open(&whole.field.alley)?;
    let dialog = Dialog::begin(&mut caller, MALLORY, "stolen")?;
    let mut sent = Sent::default();
    let mut taken = Vec::new();
    for method in ["BYE", "INVITE", "UPDATE", "REFER", "INFO"] {
        stranger
            .send(&dialog.within(method, 7))
            .map_err(|error| error.to_string())?;
        sent.datagrams += 1;
        let status = stranger.final_response().as_deref().and_then(status);
        if status.is_none_or(|status| status < 400) {
            taken.push(format!("{method} was answered {status:?}"));
        }
    }
    let own = dialog.end(&mut caller)?;
    if own != Some(200) {
        taken.push(format!("the caller's own BYE was answered {own:?}"));
    }
    let bite = (!taken.is_empty()).then(|| taken.join(", "));
    Ok(Outcome::of(sent).biting(bite))
}

/// Who has not registered, and who has as somebody else.
pub(super) fn in_anothers_name(whole: &mut Whole<'_>) -> Result<Outcome, String> {
    let mut stranger = Socket::open(&whole.field.alley)?;
    let mut user = attacker(whole)?;
    let (mut sent, mut passed) = (Sent::default(), Vec::new());
    let uri = line();
    for method in [
        "INVITE",
        "MESSAGE",
        "SUBSCRIBE",
        "NOTIFY",
        "PUBLISH",
        "REFER",
        "INFO",
        "OPTIONS",
    ] {
        for (who, name) in [(&mut stranger, MALLORY), (&mut user, WITNESS)] {
            let text = request(method, &uri, name, &format!("n{method}{name}"), 1, "", "");
            who.send(&text).map_err(|error| error.to_string())?;
            sent.datagrams += 1;
            let status = who.final_response().as_deref().and_then(status);
            if status != Some(403) {
                passed.push(format!("{method} as {name}: {status:?}"));
            }
        }
    }
    let bite = (!passed.is_empty()).then(|| passed.join(", "));
    Ok(Outcome::of(sent).biting(bite))
}
