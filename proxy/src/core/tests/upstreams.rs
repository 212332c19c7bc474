//! Several addresses of the SIP server: dead, slow, full, recovered; and what a caller sees of that, which is one answer.

use std::collections::HashMap;
use std::time::Duration;

use sip::{Message, Method};

use super::super::*;
use super::bench::*;

const SECOND: Duration = Duration::from_secs(1);

fn hop(last: u8) -> Hop {
    Hop::udp(address(&format!("192.0.2.{last}:5060")))
}

/// An edge with these addresses, of which `living` answer to questions.
fn bench(list: &[Target], living: &[Hop]) -> Bench {
    let mut bench = Bench::new();
    bench.living = living.to_vec();
    bench.upstreams(list);
    bench
}

/// Two of one kind, that the first questions have been answered by.
fn two() -> Bench {
    let (a, b) = (hop(5), hop(6));
    bench(&[Target::new(a), Target::new(b)], &[a, b])
}

/// The one before another.
fn in_order(living: &[Hop]) -> Bench {
    let second = Target {
        priority: 1,
        ..Target::new(hop(6))
    };
    bench(&[Target::new(hop(5)), second], living)
}

/// A browser's first call, there: it has been told to wait.
fn calls(living: &[Hop]) -> (Bench, FlowId) {
    let mut bench = in_order(living);
    let flow = bench.open(1);
    bench.browser_sends(flow, call(1));
    bench.browser_gets(flow);
    (bench, flow)
}

impl Bench {
    /// The next message to the SIP server, which must go to this address.
    fn gets_at(&mut self, hop: Hop) -> Message {
        let (to, message) = self.next_up();
        assert_eq!(to, hop, "{}", text(&message));
        message
    }

    fn says(&mut self, hop: Hop, message: Vec<u8>) {
        let from = Source::Upstream(hop);
        self.input(Input::Message {
            from,
            bytes: message,
        });
    }

    /// Forgets all that was sent to this address, and gives back how many messages of this method there were.
    fn lost_at(&mut self, hop: Hop, method: &Method) -> usize {
        let lost = self.take_up(hop);
        lost.iter().filter(|message| message.is(method)).count()
    }
}

fn call(number: usize) -> Vec<u8> {
    invite(
        &format!("call{number}"),
        "alice",
        &format!("{number}b"),
        "",
        BROWSER_SDP,
    )
}

fn ringing(invite: &Message) -> Vec<u8> {
    reply(invite, 180, &[("Contact", "<sip:bob@10.0.0.9>")], "")
}

fn picked_up(invite: &Message) -> Vec<u8> {
    reply(invite, 200, &[("Contact", "<sip:bob@10.0.0.9>")], PHONE_SDP)
}

fn full(request: &Message) -> Vec<u8> {
    reply(request, 503, &[("Retry-After", "30")], "")
}

#[test]
fn requests_are_shared_by_weight() {
    let weights = [(5, 3), (6, 1), (7, 6)];
    let list = weights.map(|(last, weight)| Target {
        weight,
        ..Target::new(hop(last))
    });
    let mut bench = bench(&list, &list.map(|target| target.hop));
    let mut shares: HashMap<Hop, u32> = HashMap::new();
    for number in 0..10_000 {
        let key = bench.core.names.spread("call", &format!("call {number}"));
        let chosen = bench.core.upstreams.choose(key, bench.now).unwrap();
        *shares.entry(chosen.address).or_default() += 1;
        let again = bench.core.upstreams.choose(key, bench.now).unwrap();
        assert_eq!(again.address, chosen.address, "a key stays where it is");
    }
    for (last, weight) in weights {
        let (share, due) = (f64::from(shares[&hop(last)]), f64::from(weight) * 1000.0);
        assert!((share - due).abs() < 500.0, "{last}: {share} of {due}");
    }
    bench.ignore_output();
}

#[test]
fn when_one_dies_only_its_own_requests_move() {
    let mut bench = two();
    let keys: Vec<u64> = (0..100)
        .map(|n| bench.core.names.spread("call", &n.to_string()))
        .collect();
    let now = bench.now;
    let places = |bench: &Bench, now| -> Vec<Hop> {
        let choose = |key: &u64| bench.core.upstreams.choose(*key, now).unwrap().address;
        keys.iter().map(choose).collect()
    };
    let before = places(&bench, now);
    assert!(before.contains(&hop(5)) && before.contains(&hop(6)));
    bench.living = vec![hop(6)];
    bench.wait(8 * SECOND);
    let now = bench.now;
    assert!(places(&bench, now).iter().all(|place| *place == hop(6)));
    bench.living = vec![hop(5), hop(6)];
    bench.wait(6 * SECOND);
    let now = bench.now;
    assert_eq!(places(&bench, now), before, "it is back, and so are they");
}

#[test]
fn the_only_address_is_not_asked_and_always_used() {
    let mut bench = bench(&[Target::new(hop(5))], &[]);
    bench.wait(60 * SECOND);
    assert!(bench.questions.is_empty());
    let flow = bench.open(1);
    bench.browser_sends(flow, register("alice", 1));
    let request = bench.gets_at(hop(5));
    bench.says(hop(5), full(&request));
    assert_eq!(bench.browser_gets(flow).status(), Some(503));
    bench.browser_sends(flow, register("alice", 2));
    bench.gets_at(hop(5));
}

#[test]
fn an_address_is_asked_every_five_seconds_and_down_after_two_without_answer() {
    let mut bench = in_order(&[hop(6)]);
    assert_eq!(bench.questions, [hop(5), hop(6)]);
    let chosen = |bench: &Bench| bench.core.upstreams.choose(1, bench.now).unwrap().address;
    bench.wait(Duration::from_millis(1999));
    assert_eq!(chosen(&bench), hop(5), "it may still answer");
    bench.wait(Duration::from_millis(1));
    assert_eq!(chosen(&bench), hop(6));
    let down = Event::UpstreamDown { upstream: hop(5) };
    assert_eq!(
        bench.events.iter().filter(|event| **event == down).count(),
        1
    );
    bench.wait(57 * SECOND);
    let asked = bench.questions.iter().filter(|to| **to == hop(6)).count();
    assert_eq!(asked, 12, "at 0, 5, ... 55 s");
    bench.living.push(hop(5));
    bench.wait(SECOND);
    assert_eq!(chosen(&bench), hop(5));
    assert!(
        bench
            .events
            .contains(&Event::UpstreamUp { upstream: hop(5) })
    );
}

#[test]
fn a_call_that_a_dead_address_does_not_answer_is_at_the_next_within_two_seconds() {
    let mut bench = in_order(&[hop(5), hop(6)]);
    let flow = bench.open(1);
    bench.browser_sends(flow, call(1));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let first = bench.gets_at(hop(5));
    bench.living = vec![hop(6)];
    bench.wait(Duration::from_millis(1999));
    bench.lost_at(hop(5), &Method::Invite);
    bench.silence();
    bench.wait(Duration::from_millis(1));
    let second = bench.gets_at(hop(6));
    assert_ne!(
        first.top_via().unwrap().branch(),
        second.top_via().unwrap().branch()
    );
    assert_eq!(first.body(), second.body());
    assert_eq!(first.call_id(), second.call_id());
    bench.says(hop(6), picked_up(&second));
    let answer = bench.browser_gets(flow);
    assert_eq!(answer.status(), Some(200));
    // The dialog is where the call was answered, whatever a hash says.
    bench.browser_sends(flow, in_dialog("ACK", &answer, 1, "", "ack"));
    assert!(bench.gets_at(hop(6)).is(&Method::Ack));
    bench.wait(40 * SECOND);
    assert_eq!(
        bench.lost_at(hop(5), &Method::Invite),
        0,
        "it is not repeated there"
    );
    bench.browser_sends(flow, in_dialog("BYE", &answer, 2, "", "bye"));
    let bye = bench.gets_at(hop(6));
    bench.says(hop(6), reply(&bye, 200, &[], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    assert_eq!(
        bench.count(control_proto::Command::Offer),
        1,
        "one offer, one answer"
    );
    bench.silence();
    bench.stop_watching();
    bench.assert_drained();
}

#[test]
fn a_call_to_an_address_known_to_be_down_goes_to_the_other_at_once() {
    let mut bench = in_order(&[hop(6)]);
    bench.wait(3 * SECOND);
    let flow = bench.open(1);
    bench.browser_sends(flow, call(1));
    bench.browser_gets(flow);
    bench.gets_at(hop(6));
}

#[test]
fn a_first_address_that_rings_after_all_is_cancelled() {
    let (mut bench, flow) = calls(&[hop(5), hop(6)]);
    let first = bench.gets_at(hop(5));
    bench.wait(2 * SECOND);
    bench.lost_at(hop(5), &Method::Invite);
    let second = bench.gets_at(hop(6));
    bench.says(hop(5), ringing(&first));
    let cancel = bench.gets_at(hop(5));
    assert!(cancel.is(&Method::Cancel));
    bench.says(hop(5), reply(&cancel, 200, &[], ""));
    bench.says(hop(5), reply(&first, 487, &[], ""));
    assert!(bench.gets_at(hop(5)).is(&Method::Ack));
    bench.silence();
    bench.says(hop(6), ringing(&second));
    assert_eq!(bench.browser_gets(flow).status(), Some(180));
    bench.says(hop(6), reply(&second, 486, &[], ""));
    bench.gets_at(hop(6));
    assert_eq!(bench.browser_gets(flow).status(), Some(486));
    bench.silence();
    bench.stop_watching();
    bench.assert_drained();
}

#[test]
fn a_first_address_that_answers_after_all_is_hung_up_on_once() {
    let (mut bench, flow) = calls(&[hop(5), hop(6)]);
    let first = bench.gets_at(hop(5));
    bench.wait(2 * SECOND);
    bench.lost_at(hop(5), &Method::Invite);
    let second = bench.gets_at(hop(6));
    bench.says(hop(6), picked_up(&second));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    bench.says(hop(5), picked_up(&first));
    assert!(bench.gets_at(hop(5)).is(&Method::Ack));
    let bye = bench.gets_at(hop(5));
    assert!(bye.is(&Method::Bye));
    bench.says(hop(5), reply(&bye, 200, &[], ""));
    bench.says(hop(5), picked_up(&first));
    assert!(bench.gets_at(hop(5)).is(&Method::Ack));
    bench.silence();
    assert_eq!(bench.calls_at_relay().len(), 1, "the call itself goes on");
}

#[test]
fn a_slow_address_that_has_said_100_keeps_its_call() {
    let (mut bench, flow) = calls(&[hop(5), hop(6)]);
    let first = bench.gets_at(hop(5));
    bench.says(hop(5), reply(&first, 100, &[], ""));
    bench.wait(30 * SECOND);
    bench.silence();
    bench.says(hop(5), ringing(&first));
    assert_eq!(bench.browser_gets(flow).status(), Some(180));
    bench.says(hop(5), full(&first));
    bench.gets_at(hop(5));
    assert_eq!(
        bench.browser_gets(flow).status(),
        Some(503),
        "what was passed back binds"
    );
}

#[test]
fn a_503_goes_to_the_next_and_its_retry_after_is_respected() {
    let (mut bench, flow) = calls(&[hop(5), hop(6)]);
    let first = bench.gets_at(hop(5));
    bench.says(hop(5), full(&first));
    assert!(bench.gets_at(hop(5)).is(&Method::Ack));
    let second = bench.gets_at(hop(6));
    bench.says(hop(5), full(&first));
    assert!(
        bench.gets_at(hop(5)).is(&Method::Ack),
        "its repetition, too"
    );
    bench.says(hop(6), reply(&second, 486, &[], ""));
    assert!(bench.gets_at(hop(6)).is(&Method::Ack));
    assert_eq!(bench.browser_gets(flow).status(), Some(486));
    bench.wait(29 * SECOND);
    bench.browser_sends(flow, register("alice", 1));
    let request = bench.gets_at(hop(6));
    bench.says(hop(6), reply(&request, 403, &[], ""));
    bench.browser_gets(flow);
    bench.wait(2 * SECOND);
    bench.browser_sends(flow, register("alice", 2));
    bench.gets_at(hop(5));
}

#[test]
fn when_all_say_503_the_last_of_them_is_the_answer() {
    let mut bench = two();
    let flow = bench.open(1);
    bench.browser_sends(flow, register("alice", 1));
    for _ in 0..2 {
        let (to, request) = bench.next_up();
        bench.says(to, full(&request));
    }
    assert_eq!(bench.browser_gets(flow).status(), Some(503));
    bench.silence();
}

#[test]
fn a_register_moves_on_and_its_contact_leads_back_by_the_next() {
    let mut bench = in_order(&[hop(5), hop(6)]);
    let flow = bench.open(1);
    bench.browser_sends(flow, register("alice", 1));
    bench.gets_at(hop(5));
    bench.living = vec![hop(6)];
    bench.wait(2 * SECOND);
    bench.lost_at(hop(5), &Method::Register);
    let request = bench.gets_at(hop(6));
    let contact = request.header("Contact").unwrap().into_owned();
    bench.says(hop(6), reply(&request, 200, &[("Contact", &contact)], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    bench.wait(60 * SECOND);
    assert_eq!(bench.lost_at(hop(5), &Method::Register), 0);
}

#[test]
fn a_message_moves_only_if_its_address_does_not_live() {
    for lives in [true, false] {
        let mut bench = in_order(&[hop(5), hop(6)]);
        bench.wait(SECOND);
        if !lives {
            bench.living = vec![hop(6)];
        }
        let flow = bench.open(1);
        let request = String::from_utf8(invite("m", "alice", "m", "", "")).unwrap();
        bench.browser_sends(flow, request.replace("INVITE", "MESSAGE"));
        bench.gets_at(hop(5));
        bench.wait(2 * SECOND);
        bench.lost_at(hop(5), &Method::Invite);
        if lives {
            bench.silence();
        } else {
            bench.gets_at(hop(6));
        }
    }
}

#[test]
fn an_address_that_cannot_be_reached_is_left_at_once() {
    let (mut bench, flow) = calls(&[hop(5), hop(6)]);
    bench.gets_at(hop(5));
    bench.input(Input::HopUnreachable { hop: hop(5) });
    bench.gets_at(hop(6));
    bench.input(Input::HopUnreachable { hop: hop(6) });
    assert_eq!(bench.browser_gets(flow).status(), Some(503));
    bench.silence();
}

#[test]
fn a_request_does_not_go_where_it_is_known_to_be_worse() {
    let mut bench = in_order(&[hop(5)]);
    bench.wait(3 * SECOND);
    let flow = bench.open(1);
    bench.browser_sends(flow, call(1));
    bench.browser_gets(flow);
    let first = bench.gets_at(hop(5));
    bench.wait(3 * SECOND);
    bench.lost_at(hop(5), &Method::Invite);
    bench.silence();
    bench.says(hop(5), picked_up(&first));
    assert_eq!(
        bench.browser_gets(flow).status(),
        Some(200),
        "slow, but alive"
    );
}

#[test]
fn a_call_that_is_cancelled_or_whose_browser_is_gone_goes_nowhere_else() {
    let (mut bench, flow) = calls(&[hop(5), hop(6)]);
    bench.gets_at(hop(5));
    bench.close(flow);
    bench.wait(40 * SECOND);
    assert_eq!(bench.take_up(hop(6)).len(), 0);
}

#[test]
fn the_hang_up_of_an_incoming_call_goes_where_the_call_came_from() {
    let mut bench = two();
    let flow = bench.open(1);
    for from in [hop(5), hop(6)] {
        bench.living = vec![hop(5), hop(6)];
        bench.browser_sends(flow, register("alice", 1));
        let (at, request) = bench.next_up();
        let path = request.header("Path").unwrap().into_owned();
        let contact = request.header("Contact").unwrap().into_owned();
        bench.says(at, reply(&request, 200, &[("Contact", &contact)], ""));
        assert_eq!(bench.browser_gets(flow).status(), Some(200));
        bench.upstream = from;
        let name = format!("from {from}");
        let name = name.replace([' ', ':'], "-");
        let call = bench.call_browser(flow, &path, &name);
        let mut bye = from_callee("BYE", &call.at_browser, 1, "", "bye");
        // The browser's Route is what it was shown, its own entries first.
        bye = String::from_utf8(bye)
            .unwrap()
            .replace("192.0.2.5;branch", "alice.invalid;branch")
            .into();
        bench.browser_sends(flow, bye);
        assert!(bench.gets_at(from).is(&Method::Bye));
        bench.wait(40 * SECOND);
        bench.ignore_output();
    }
}

#[test]
fn an_address_that_left_the_list_keeps_its_calls_and_gets_no_new_ones() {
    let mut bench = in_order(&[hop(5), hop(6)]);
    let flow = bench.open(1);
    bench.upstream = hop(5);
    let call = bench.call_phone(flow, "c");
    bench.upstreams(&[Target::new(hop(6)), Target::new(hop(7))]);
    bench.living.push(hop(7));
    bench.browser_sends(flow, in_dialog("INFO", &call.at_browser, 2, "", "info"));
    let info = bench.gets_at(hop(5));
    bench.says(hop(5), reply(&info, 200, &[], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    for number in 0..20 {
        bench.browser_sends(flow, self::call(number));
        assert_ne!(bench.next_up().0, hop(5));
    }
    bench.wait(5 * 3600 * SECOND);
    bench.ignore_output();
    bench.upstreams(&[Target::new(hop(6)), Target::new(hop(7))]);
    bench.says(
        hop(5),
        incoming("late", "alice", "<sip:x@192.0.2.1;lr>", PHONE_SDP),
    );
    assert_eq!(
        bench.dropped(Drop::NotUpstream),
        1,
        "in the end it is a stranger"
    );
}

#[test]
fn without_any_address_a_request_is_told_so() {
    let mut bench = Bench::new();
    bench.input(Input::Upstreams(Vec::new()));
    let flow = bench.open(1);
    bench.browser_sends(flow, register("alice", 1));
    let answer = bench.browser_gets(flow);
    assert_eq!(answer.status(), Some(503));
    assert!(answer.has("Retry-After"));
}
