//! `registration = "mid"`: the edge answers refreshes, the SIP server all that it must decide.

use std::time::{Duration, Instant};

use sip::Message;
use testkit::Dice;

use super::super::*;
use super::bench::*;

fn between() -> Bench {
    Bench::with(|config| config.registering = Registering::Mid(Mid::default()))
}

/// A REGISTER of alice that asks for so many seconds.
fn wants(cseq: u32, expires: u32) -> Vec<u8> {
    let mut request = Message::parse(register("alice", cseq)).unwrap();
    let contact = format!("{};expires={expires}", contact("alice"));
    request.set("Contact", contact).unwrap();
    request.set("Expires", expires).unwrap();
    request.into_bytes()
}

/// The SIP server grants so many seconds of what it was asked for last.
fn grant(bench: &mut Bench, expires: u32) -> Message {
    let up = bench.upstream_gets();
    let uri = up.contacts().next().unwrap().unwrap().uri_text().to_owned();
    let contact = format!("<{uri}>;expires={expires}");
    let lifetime = expires.to_string();
    bench.upstream_sends(reply(
        &up,
        200,
        &[("Contact", &contact), ("Expires", &lifetime)],
        "",
    ));
    up
}

fn told(message: &Message) -> Option<u32> {
    assert_eq!(message.status(), Some(200));
    let contact = message.contacts().next()?.unwrap();
    assert!(
        message
            .expires()
            .is_none_or(|header| Some(header) == contact.expires())
    );
    contact.expires()
}

#[test]
fn a_refresh_is_answered_here_for_half_of_the_servers_time() {
    let mut bench = between();
    let flow = bench.open(1);
    bench.browser_sends(flow, wants(1, 120));
    let up = grant(&mut bench, 1800);
    assert_eq!(up.expires(), Some(1800));
    assert!(up.header("Contact").unwrap().ends_with(";expires=1800"));
    let first = bench.browser_gets(flow);
    assert_eq!(
        told(&first),
        Some(120),
        "the server's time is not the browser's"
    );
    for n in 0..7 {
        bench.wait(Duration::from_secs(119));
        bench.browser_sends(flow, wants(2 + n, 120));
        let refreshed = bench.browser_gets(flow);
        assert_eq!(told(&refreshed), Some(120));
        assert_eq!(refreshed.header("Contact"), first.header("Contact"));
    }
    bench.silence();
    bench.wait(Duration::from_secs(119));
    bench.browser_sends(flow, wants(20, 120));
    grant(&mut bench, 1800);
    assert_eq!(told(&bench.browser_gets(flow)), Some(120));
    bench.silence();
    bench.assert_drained();
}

#[test]
fn what_the_server_must_decide_goes_to_the_server() {
    let mut bench = between();
    let flow = bench.open(1);
    bench.browser_sends(flow, wants(1, 120));
    grant(&mut bench, 1800);
    bench.browser_gets(flow);

    // Another flow, even of the same instance: nobody takes over a client without the server's word.
    let thief = bench.open(2);
    bench.browser_sends(thief, wants(2, 120));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 403, &[], ""));
    assert_eq!(bench.browser_gets(thief).status(), Some(403));
    bench.browser_sends(flow, wants(3, 120));
    assert_eq!(
        told(&bench.browser_gets(flow)),
        Some(120),
        "hers is as it was"
    );
    bench.silence();

    // Another Contact.
    let mut other = Message::parse(wants(4, 120)).unwrap();
    other
        .set("Contact", format!("{};q=0.5;expires=120", contact("alice")))
        .unwrap();
    bench.browser_sends(flow, other.into_bytes());
    grant(&mut bench, 1800);
    bench.browser_gets(flow);

    // The end.
    bench.browser_sends(flow, wants(5, 0));
    let up = bench.upstream_gets();
    assert_eq!(up.expires(), Some(0));
    bench.upstream_sends(reply(&up, 200, &[], ""));
    assert!(!bench.browser_gets(flow).has("Contact"));
    bench.browser_sends(flow, wants(6, 120));
    assert_eq!(
        bench.upstream_gets().expires(),
        Some(1800),
        "nothing is left of it"
    );
}

#[test]
fn a_star_ends_what_is_remembered_of_all_the_users_devices() {
    let mut bench = between();
    let (flow, desk) = (bench.open(1), bench.open(2));
    bench.browser_sends(flow, wants(1, 120));
    grant(&mut bench, 1800);
    bench.browser_gets(flow);
    let mut star = Message::parse(wants(2, 0)).unwrap();
    star.set("Contact", "*").unwrap();
    bench.browser_sends(desk, star.into_bytes());
    assert_eq!(bench.upstream_gets().header("Contact").unwrap(), "*");
    bench.browser_sends(flow, wants(3, 120));
    assert_eq!(bench.upstream_gets().expires(), Some(1800));
}

#[test]
fn each_side_finds_a_time_too_brief_for_itself() {
    let mut bench = between();
    let flow = bench.open(1);
    bench.browser_sends(flow, wants(1, 10));
    let brief = bench.browser_gets(flow);
    assert_eq!(brief.status(), Some(423));
    assert_eq!(brief.header("Min-Expires").unwrap(), "60");
    bench.silence();

    bench.browser_sends(flow, wants(2, 9999));
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 423, &[("Min-Expires", "7200")], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(423));
    bench.browser_sends(flow, wants(3, 7200));
    let up = grant(&mut bench, 7200);
    assert_eq!(up.expires(), Some(7200), "the server's least is known now");
    assert_eq!(
        told(&bench.browser_gets(flow)),
        Some(600),
        "and the browser's most is ours"
    );
}

#[test]
fn a_browser_is_never_promised_more_than_the_server_has_granted() {
    let mut chance = Dice::new(2897);
    for _ in 0..50 {
        let mut bench = between();
        bench.forget_relays();
        let flow = bench.open(1);
        let mut until: Option<Instant> = None;
        for cseq in 1..60 {
            bench.wait(Duration::from_secs(chance.below(400)));
            bench.browser_sends(flow, wants(cseq, 60 + chance.below(900) as u32));
            if let Some(up) = bench.upstream_has().pop() {
                let granted = 30 + chance.below(3000) as u32;
                let uri = up.contacts().next().unwrap().unwrap().uri_text().to_owned();
                let contact = format!("<{uri}>;expires={granted}");
                bench.upstream_sends(reply(&up, 200, &[("Contact", &contact)], ""));
                until = Some(bench.now + Duration::from_secs(granted.into()));
            }
            let promised = told(&bench.browser_gets(flow)).unwrap();
            let end = bench.now + Duration::from_secs(promised.into());
            assert!(until.is_some_and(|until| end <= until));
        }
        bench.assert_drained();
    }
}
