//! Offers without end: with more candidates than anybody has, or without anybody to answer them.

use std::time::{Duration, Instant};

use control_proto::Request;
use peers::process;
use peers::random;
use peers::scenario::{Scenario, delete};
use peers::sdp::{self, Terms};

use crate::attack::{Outcome, Scene};
use crate::field::{ATTACKER, BROWSER, PHONE};
use crate::flood::Sent;
use crate::programs::LIFETIME;
use crate::witness::Call;

/// As many as a datagram holds, and as many offers.
const CANDIDATES: usize = 700;
const OFFERS: usize = 15;
/// One such offer takes no longer.
const MAX_TIME: Duration = Duration::from_millis(500);
/// Unanswered offers.
const UNANSWERED: usize = 20_000;
/// How long all may take to be back after the offers' lifetime.
const AFTER: Duration = Duration::from_secs(60);
/// kB that the relay may keep: its memory of replies holds for half a minute.
const MAX_KEPT: u64 = 20_000;

/// Offers with candidates at the attacker's, in `.local`, at the metadata service, of component 65535. Nothing may be sent
/// to any of them.
pub(super) fn candidates(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let (mut slowest, mut sent) = (Duration::ZERO, Sent::default());
    for number in 0..OFFERS {
        let at = std::net::SocketAddrV4::new(BROWSER, 7000);
        let (ufrag, password) = (random::token(4), random::token(24));
        let terms = Terms {
            ufrag: &ufrag,
            password: &password,
            fingerprint: scene.identity.fingerprint(),
            setup: "actpass",
        };
        let mut body = sdp::browser(at, &terms);
        for k in 0..CANDIDATES {
            let port = 1024 + k;
            let (component, host) = match k % 4 {
                0 => (1, ATTACKER.to_string()),
                1 => (65_535, ATTACKER.to_string()),
                2 => (1, format!("{}.local", random::token(8))),
                _ => (1, "169.254.169.254".to_owned()),
            };
            body += &format!("a=candidate:{k} {component} udp {k} {host} {port} typ host\r\n");
        }
        let name = format!("endless-{number}-{}", random::token(8));
        let mut offer = Scenario::AvpAvp.offer(&name, body);
        offer.direction = Some(["public".to_owned(), "private".to_owned()]);
        let began = Instant::now();
        // A refusal is as good as an answer.
        _ = scene.ng.ask(&offer, || {})?;
        slowest = slowest.max(began.elapsed());
        sent.datagrams += 1;
        std::thread::sleep(Duration::from_millis(100));
        _ = scene.ng.ask(&delete(&name), || {});
    }
    let bite = (slowest > MAX_TIME).then(|| format!("one took {} ms", slowest.as_millis()));
    let note = format!("the slowest took {} ms", slowest.as_millis());
    Ok(Outcome::of(sent).biting(bite).saying(note))
}

/// 20,000 offers that nobody answers. The calls that are there go on; when the offers' time is over, ports and memory are
/// back and new calls come up.
pub(super) fn unanswered(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let before = process::resident(Some(scene.process));
    let body = sdp::phone(std::net::SocketAddrV4::new(PHONE, 7100));
    let offers: Vec<Request> = (0..UNANSWERED)
        .map(|number| {
            let mut offer = Scenario::AvpSdes.offer(&format!("nobody-{number}"), body.clone());
            offer.direction = Some(["private".to_owned(), "public".to_owned()]);
            offer
        })
        .collect();
    let began = Instant::now();
    let outcome = scene.ng.ask_all(&offers, 64);
    let took = began.elapsed();
    let most = process::resident(Some(scene.process));
    let refused = outcome.failed();
    // No new call may have found a port at first.
    let end = began + took + LIFETIME + AFTER;
    let mut back = None;
    while Instant::now() < end && back.is_none() {
        std::thread::sleep(Duration::from_secs(1));
        if began.elapsed() < LIFETIME {
            continue;
        }
        let call = Call::set_up(scene.field, scene.ng, scene.identity, Scenario::AvpSdes, 10);
        if let Ok(call) = call {
            _ = scene.ng.ask(&delete(&call.name), || {});
            back = Some(began.elapsed().saturating_sub(took));
        }
    }
    while process::resident(Some(scene.process)) > before + MAX_KEPT && Instant::now() < end {
        std::thread::sleep(Duration::from_secs(1));
    }
    let after = process::resident(Some(scene.process));
    let sent = Sent {
        datagrams: UNANSWERED as u64,
        bytes: 0,
        took,
    };
    let bite = match back {
        None => Some("no new call came up a minute after the offers' lifetime".to_owned()),
        Some(_) if after > before + MAX_KEPT => Some(format!("{} kB stay", after - before)),
        Some(_) => None,
    };
    let note = format!(
        "{refused} refused; a new call {} s after; {before} kB before, {most} at most, {after} in the end",
        back.unwrap_or_default().as_secs()
    );
    Ok(Outcome::of(sent).biting(bite).saying(note))
}
