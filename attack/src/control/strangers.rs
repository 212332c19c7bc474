//! Who reaches the control port and has no business there.

use std::net::SocketAddrV4;

use control_proto::{Command, Format, Key, Request};
use peers::random;
use peers::scenario::delete;

use super::raw::Raw;
use crate::attack::{Outcome, Scene};
use crate::field::{ATTACKER, PHONE};
use crate::flood::{Hand, Sent};
use crate::programs::NG;

/// How often each is tried.
const TIMES: usize = 100;

/// Commands that would end the witness's calls, list them, or tell of the relay.
pub(super) fn commands(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let names: Vec<_> = scene
        .witness
        .calls()
        .iter()
        .map(|call| call.name.clone())
        .collect();
    let mut requests: Vec<Request> = names.iter().map(|name| delete(name)).collect();
    requests.extend([Command::List, Command::Statistics, Command::Ping].map(Request::new));
    for name in names {
        let mut record = Request::new(Command::StartRecording);
        record.call_id = Some(name);
        requests.push(record);
    }
    let other = Key::new(b"a key that a stranger has made up himself");
    let ways = [
        Raw::new(&scene.field.alley, None)?,
        Raw::new(&scene.field.alley, other)?,
    ];
    let mut hand = Hand::new(&scene.field.alley, 5005)?;
    let mut sent = Sent::default();
    for _ in 0..TIMES {
        for request in &requests {
            let cookie = random::token(12);
            let bare = request.encode(cookie.as_bytes(), Format::Bencode);
            let payload = bare.get(cookie.len() + 1..).unwrap_or_default();
            for way in &ways {
                sent.bytes += way.send(&way.datagram(&cookie, payload)) as u64;
                sent.datagrams += 1;
            }
            // As if the proxy had sent it.
            for from in [ATTACKER, PHONE] {
                sent = sent.and(hand.send(&bare, from, SocketAddrV4::new(*NG.ip(), NG.port())));
            }
        }
    }
    let bite = ways
        .iter()
        .any(|way| way.receive().is_some())
        .then(|| "a stranger was answered".to_owned());
    Ok(Outcome::of(sent).biting(bite))
}

/// An offer of the proxy's comes again and again, from elsewhere: it is executed once, and whoever repeats it gets nothing
/// that is not the first reply.
pub(super) fn repeated(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let proxy = Raw::new(&scene.field.house, scene.key.clone())?;
    let before = calls(scene)?;
    let at = SocketAddrV4::new(PHONE, 7200);
    let name = format!("repeated-{}", random::token(8));
    let offer = peers::scenario::Scenario::AvpSdes.offer(&name, peers::sdp::phone(at));
    let cookie = random::token(12);
    let bare = offer.encode(cookie.as_bytes(), Format::Bencode);
    let datagram = proxy.datagram(&cookie, bare.get(cookie.len() + 1..).unwrap_or_default());
    let (mut replies, mut sent) = (Vec::new(), Sent::default());
    for _ in 0..TIMES {
        proxy.send(&datagram);
        replies.extend(proxy.receive());
        sent.datagrams += 1;
    }
    let grown = calls(scene)?.saturating_sub(before);
    _ = scene.ng.ask(&delete(&name), || {});
    replies.dedup();
    let bite = match (grown, replies.len()) {
        (1, 1) => None,
        _ => Some(format!(
            "{grown} calls, {} different replies",
            replies.len()
        )),
    };
    // After its deletion the same datagram makes no new call.
    proxy.send(&datagram);
    _ = proxy.receive();
    let again = calls(scene)?.saturating_sub(before);
    let bite = bite.or((again > 0).then(|| "the deleted call is there again".to_owned()));
    Ok(Outcome::of(sent).biting(bite))
}

/// How many the relay lists.
fn calls(scene: &mut Scene<'_>) -> Result<usize, String> {
    let (reply, _) = scene.ng.ask(&Request::new(Command::List), || {})?;
    let calls = reply
        .other
        .get("calls")
        .and_then(control_proto::Value::as_list);
    Ok(calls.map_or(0, <[_]>::len))
}
