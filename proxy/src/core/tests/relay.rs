//! A relay that refuses, is slow, or is not there.

use std::time::Duration;

use control_proto::{Command as Ng, Response};
use sip::Method;

use super::super::*;
use super::bench::*;

/// The final response to a call for which the relay gives this reply.
fn refused_with(reply: Result<Response, RelayFailure>) -> sip::Message {
    let mut bench = Bench::new();
    bench.relay_answers = false;
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let (id, _) = bench.open_asks.pop_front().unwrap();
    bench.input(Input::Relayed { id, reply });
    let refused = bench.browser_gets(flow);
    assert!(
        bench
            .events
            .iter()
            .any(|event| matches!(event, Event::RelayRefused { .. }))
    );
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.silence();
    bench.assert_drained();
    refused
}

#[test]
fn its_refusal_becomes_the_response_that_says_why() {
    let seen = |reply| {
        let response = refused_with(reply);
        (
            response.status().unwrap(),
            response.reason().unwrap().into_owned(),
        )
    };
    let (status, reason) = seen(Ok(Response::error("Failed to parse SDP")));
    assert_eq!(
        (status, reason.as_str()),
        (488, "The SDP Cannot Be Used (Failed to parse SDP)")
    );
    assert_eq!(seen(Ok(Response::error("Ran out of ports"))).0, 503);
    assert_eq!(
        seen(Ok(Response::load_limit("Parallel session limit reached"))).0,
        503
    );
    assert_eq!(
        seen(Err(RelayFailure::Unavailable)).1,
        "No Media Relay Is Available"
    );
    assert_eq!(seen(Ok(Response::ok())).1, "The Media Relay Gave No SDP");
    let (status, reason) = seen(Ok(Response::error("a\r\nb: \0c")));
    assert_eq!(
        (status, reason.as_str()),
        (503, "The Media Relay Refused (ab: c)")
    );
}

#[test]
fn its_silence_ends_in_503() {
    let mut bench = Bench::new();
    bench.relay_answers = false;
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    bench.wait(Duration::from_secs(9));
    assert_eq!(bench.browser_gets(flow).status(), Some(503));
    // Its reply comes after all: nobody waits for it.
    bench.relay_replies();
    bench.silence();
    bench.assert_drained();
}

#[test]
fn sdp_that_cannot_be_read_is_refused_without_it() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(
        flow,
        invite("c", "alice", "1", "", "this is not a session\r\n"),
    );
    bench.browser_gets(flow);
    assert_eq!(bench.browser_gets(flow).status(), Some(488));
    assert!(
        bench.asked.is_empty(),
        "neither an offer nor the end of one"
    );
    bench.assert_drained();
}

#[test]
fn an_answer_it_refuses_ends_the_call_on_both_sides() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    bench.relay_answers = false;
    let headers = [
        ("Contact", "<sip:bob@10.0.0.9:5062>"),
        ("Record-Route", "<sip:192.0.2.5;lr>"),
    ];
    let mut answer = sip::Message::parse(reply(&up, 200, &headers[..1], PHONE_SDP)).unwrap();
    answer.prepend("Record-Route", headers[1].1).unwrap();
    bench.upstream_sends(answer.as_bytes());
    let (id, _) = bench.open_asks.pop_front().unwrap();
    bench.relay_answers = true;
    bench.input(Input::Relayed {
        id,
        reply: Ok(Response::error("Error rewriting SDP")),
    });

    assert_eq!(bench.browser_gets(flow).status(), Some(488));
    let ack = bench.upstream_gets();
    let bye = bench.upstream_gets();
    for (request, method, cseq) in [(&ack, Method::Ack, 1), (&bye, Method::Bye, 2)] {
        assert!(request.is(&method));
        assert_eq!(request.uri_text(), Some("sip:bob@10.0.0.9:5062"));
        assert_eq!(
            request.values("Route").collect::<Vec<_>>(),
            ["<sip:192.0.2.5;lr>"]
        );
        assert_eq!(
            (request.to_tag(), request.cseq().unwrap().number),
            (Some("bobtag"), cseq)
        );
    }
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    // The 200 again, because our ACK was lost: the ACK again, and no second BYE.
    bench.upstream_sends(answer.into_bytes());
    assert!(bench.upstream_gets().is(&Method::Ack));
    bench.silence();
    assert_eq!(bench.calls_at_relay(), [""; 0]);
    bench.assert_drained();
}

#[test]
fn early_media_it_refuses_is_only_ringing() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    bench.relay_answers = false;
    bench.upstream_sends(reply(&up, 183, &[], PHONE_SDP));
    let (id, _) = bench.open_asks.pop_front().unwrap();
    bench.input(Input::Relayed {
        id,
        reply: Err(RelayFailure::Silent),
    });
    let early = bench.browser_gets(flow);
    assert_eq!((early.status(), body(&early).as_str()), (Some(183), ""));
}

#[test]
fn questions_are_bounded() {
    let mut bench = Bench::with(|config| config.limits.relay_asks = 2);
    bench.relay_answers = false;
    let flow = bench.open(1);
    for branch in ["1", "22", "333"] {
        bench.browser_sends(flow, invite(branch, "alice", branch, "", BROWSER_SDP));
        assert_eq!(bench.browser_gets(flow).status(), Some(100));
    }
    assert_eq!(bench.browser_gets(flow).status(), Some(503));
    assert_eq!(bench.open_asks.len(), 2, "and nothing else is asked");
}

#[test]
fn a_relay_that_owes_answers_keeps_no_call_of_another_waiting() {
    let mut bench = Bench::with(|config| config.limits.relay_asks = 4);
    bench.relay_answers = false;
    let relays = ["192.0.2.7:2223", "192.0.2.8:2223"].map(address);
    bench.input(Input::Relays(relays.map(Relay::new).to_vec()));
    let flow = bench.open(1);
    for call in 0..40 {
        let (id, branch) = (format!("c{call}"), format!("{call}b"));
        bench.browser_sends(flow, invite(&id, "alice", &branch, "", BROWSER_SDP));
    }
    for relay in relays {
        let at = bench.asked_at.iter().filter(|at| **at == relay).count();
        assert_eq!(at, 4, "each its own");
    }
    // One is silent for good: the other's calls go on as fast as it answers.
    let answering = bench.asked_at.iter().zip(&bench.asked);
    let answering = answering.filter(|(at, _)| **at == relays[1]);
    let calls: Vec<_> = answering.filter_map(|(_, r)| r.call_id.clone()).collect();
    for call in calls {
        let its = |(_, request): &(AskId, control_proto::Request)| {
            request.call_id.as_ref() == Some(&call)
        };
        let at = bench.open_asks.iter().position(its).unwrap();
        let (id, request) = bench.open_asks.remove(at).unwrap();
        let reply = Ok(bench.reply_to(&request));
        bench.input(Input::Relayed { id, reply });
        assert!(bench.upstream_gets().is(&Method::Invite));
    }
    let before = bench.asked_at.len();
    for call in 40..80 {
        let (id, branch) = (format!("c{call}"), format!("{call}b"));
        bench.browser_sends(flow, invite(&id, "alice", &branch, "", BROWSER_SDP));
    }
    assert_eq!(bench.asked_at[before..], [relays[1]; 4]);
}

#[test]
fn while_a_phone_rings_the_relay_is_reminded_of_the_offer() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let at_phone = bench.upstream_gets();
    bench.upstream_sends(reply(&at_phone, 180, &[], ""));
    let offers = |bench: &Bench| bench.count(Ng::Offer);
    assert_eq!(offers(&bench), 1);
    bench.wait(Duration::from_secs(80));
    assert_eq!(
        offers(&bench),
        4,
        "a relay frees an unanswered call after a minute"
    );

    bench.upstream_sends(reply(
        &at_phone,
        200,
        &[("Contact", "<sip:bob@10.0.0.9>")],
        PHONE_SDP,
    ));
    bench.wait(Duration::from_secs(80));
    assert_eq!(offers(&bench), 4, "answered: nothing to remind of");
}
