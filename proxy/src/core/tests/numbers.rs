//! What the edge proves for a browser has a higher CSeq each time, and the browser knows nothing of it.

use std::time::Duration;

use sip::digest::Algorithm as Hash;
use sip::{Message, Method};

use super::super::{FlowId, Input};
use super::bench::*;
use super::issuer::*;
use super::sign_in::{asked, proof, registered};

const CONTACT: (&str, &str) = ("Contact", "<sip:bob@10.0.0.9>");

fn number(message: &Message) -> u32 {
    message.cseq().unwrap().number
}

/// An edge where alice has signed in and registered.
fn signed_in(signer: &Signer, number: u64) -> (Bench, FlowId) {
    let mut bench = edge(signer, |_| {});
    let flow = bench.open(number);
    registered(&mut bench, flow, &signer.good("u-alice", 3600));
    (bench, flow)
}

/// The SIP server asks who it is, and hears it in the same request again.
fn proved(bench: &mut Bench, first: &Message, nonce: &str) -> Message {
    bench.challenges(first, 407, &asked(nonce, Hash::Md5, false));
    if first.is(&Method::Invite) {
        let ack = bench.upstream_gets();
        assert_eq!((ack.is(&Method::Ack), number(&ack)), (true, number(first)));
    }
    let second = bench.upstream_gets();
    proof(&second, "Proxy-Authorization", "alice", "secret");
    assert!(number(&second) > number(first), "RFC 3261 section 22.2");
    second
}

/// A call whose INVITE was proved: as it went up, and its 200 as the browser saw it.
fn called(bench: &mut Bench, flow: FlowId) -> (Message, Message) {
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let first = bench.upstream_gets();
    let up = proved(bench, &first, "n1");
    bench.upstream_sends(reply(&up, 200, &[CONTACT], PHONE_SDP));
    let answer = bench.browser_gets(flow);
    assert_eq!((answer.status(), number(&answer)), (Some(200), 1));
    (up, answer)
}

#[test]
fn every_proof_is_counted_to_the_server_and_the_browser_counts_on_as_if_there_were_none() {
    let signer = Signer::new("one");
    let (mut bench, flow) = signed_in(&signer, 1);
    let (up, answer) = called(&mut bench, flow);
    bench.browser_sends(flow, in_dialog("ACK", &answer, 1, "", "ack"));
    let ack = bench.upstream_gets();
    assert_eq!((ack.is(&Method::Ack), number(&ack)), (true, number(&up)));

    let hold = format!("{BROWSER_SDP}a=sendonly\r\n");
    bench.browser_sends(flow, in_dialog("INVITE", &answer, 2, &hold, "hold"));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let first = bench.upstream_gets();
    assert!(number(&first) > number(&up));
    let again = proved(&mut bench, &first, "n2");
    bench.upstream_sends(reply(&again, 200, &[CONTACT], PHONE_SDP));
    let held = bench.browser_gets(flow);
    assert_eq!((held.status(), number(&held)), (Some(200), 2));
    bench.browser_sends(flow, in_dialog("ACK", &answer, 2, "", "ack2"));
    assert_eq!(number(&bench.upstream_gets()), number(&again));

    bench.browser_sends(flow, in_dialog("BYE", &answer, 3, "", "bye"));
    let first = bench.upstream_gets();
    assert!(number(&first) > number(&again));
    let bye = proved(&mut bench, &first, "n3");
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    let over = bench.browser_gets(flow);
    assert_eq!((over.status(), number(&over)), (Some(200), 3));
    bench.assert_no_calls();
}

#[test]
fn what_names_an_invite_names_the_number_that_the_server_knows() {
    let signer = Signer::new("one");
    let (mut bench, flow) = signed_in(&signer, 1);
    let call = invite("c", "alice", "1", "Supported: 100rel", BROWSER_SDP);
    bench.browser_sends(flow, call.clone());
    bench.browser_gets(flow);
    let first = bench.upstream_gets();
    let up = proved(&mut bench, &first, "n1");
    let reliable = [CONTACT, ("Require", "100rel"), ("RSeq", "7")];
    bench.upstream_sends(reply(&up, 183, &reliable, PHONE_SDP));
    let early = bench.browser_gets(flow);
    assert_eq!(number(&early), 1);
    let prack = String::from_utf8(in_dialog("PRACK", &early, 2, "", "prack")).unwrap();
    let prack = prack.replacen("Max-Forwards", "RAck: 7 1 INVITE\r\nMax-Forwards", 1);
    bench.browser_sends(flow, prack);
    let prack = bench.upstream_gets();
    let expected = format!("7 {} INVITE", number(&up));
    assert_eq!(prack.header("RAck").unwrap(), expected);
    assert!(number(&prack) > number(&up));
    bench.upstream_sends(reply(&prack, 200, &[], ""));
    assert_eq!(number(&bench.browser_gets(flow)), 2);

    let cancel = Message::cancel(&Message::parse(call).unwrap()).unwrap();
    bench.browser_sends(flow, cancel.as_bytes());
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    let cancel = bench.upstream_gets();
    assert!(cancel.is(&Method::Cancel));
    assert_eq!(number(&cancel), number(&up));
}

#[test]
fn the_numbers_outlive_a_restart() {
    let signer = Signer::new("one");
    let (mut before, flow) = signed_in(&signer, 1);
    let (up, answer) = called(&mut before, flow);
    // A re-INVITE has been proved as well.
    let hold = format!("{BROWSER_SDP}a=sendonly\r\n");
    before.browser_sends(flow, in_dialog("INVITE", &answer, 2, &hold, "hold"));
    let first = before.upstream_gets();
    let held = proved(&mut before, &first, "n2");

    let (mut bench, flow) = signed_in(&signer, 7);
    bench.browser_sends(flow, in_dialog("ACK", &answer, 1, "", "ack"));
    assert_eq!(number(&bench.upstream_gets()), number(&up));
    bench.browser_sends(flow, in_dialog("BYE", &answer, 3, "", "bye"));
    let bye = bench.upstream_gets();
    assert!(number(&bye) > number(&held));
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(number(&bench.browser_gets(flow)), 3);
}

#[test]
fn a_browser_that_was_called_is_counted_for_too() {
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |_| {});
    let flow = bench.open(1);
    let token = signer.good("u-alice", 3600);
    bench.bears(flow, register("alice", 1), &token);
    let up = bench.upstream_gets();
    let path = up.header("Path").unwrap().into_owned();
    bench.upstream_sends(granted(&up));
    bench.browser_gets(flow);
    let call = bench.call_browser(flow, &path, "c");
    let mut bye = Message::parse(in_dialog("BYE", &call.at_browser, 1, "", "bye")).unwrap();
    let [from, to] = ["To", "From"].map(|name| call.at_browser.header(name).unwrap());
    bye.set("From", format!("{from};tag=alicetag")).unwrap();
    bye.set("To", to.into_owned()).unwrap();
    let routes: Vec<_> = call.at_browser.values("Record-Route").collect();
    bye.remove_all("Route").unwrap();
    for route in routes {
        bye.append("Route", route.into_owned()).unwrap();
    }
    bench.browser_sends(flow, bye.into_bytes());
    let first = bench.upstream_gets();
    let again = proved(&mut bench, &first, "n1");
    bench.upstream_sends(reply(&again, 200, &[], ""));
    assert_eq!(number(&bench.browser_gets(flow)), 1);
}

#[test]
fn the_edges_own_bye_is_proved_for_a_browser_that_is_gone() {
    let signer = Signer::new("one");
    let (mut bench, flow) = signed_in(&signer, 1);
    let (up, answer) = called(&mut bench, flow);
    bench.browser_sends(flow, in_dialog("ACK", &answer, 1, "", "ack"));
    bench.upstream_gets();
    bench.input(Input::FlowClosed { flow });
    bench.wait(Duration::from_secs(20));
    let first = bench.upstream_gets();
    assert_eq!(
        (first.is(&Method::Bye), number(&first) > number(&up)),
        (true, true)
    );
    let bye = proved(&mut bench, &first, "n9");
    assert!(bye.is(&Method::Bye));
    // It goes once more, and no more.
    bench.challenges(&bye, 407, &asked("n10", Hash::Md5, true));
    bench.silence();
}

#[test]
fn who_answers_a_caller_that_is_gone_is_hung_up_on_with_a_proof() {
    let signer = Signer::new("one");
    let (mut bench, flow) = signed_in(&signer, 1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let first = bench.upstream_gets();
    let up = proved(&mut bench, &first, "n1");
    bench.upstream_sends(reply(&up, 180, &[CONTACT], ""));
    bench.close(flow);
    assert!(bench.upstream_gets().is(&Method::Cancel));
    bench.upstream_sends(reply(&up, 200, &[CONTACT], PHONE_SDP));
    let ack = bench.upstream_gets();
    assert_eq!((ack.is(&Method::Ack), number(&ack)), (true, number(&up)));
    let bye = bench.upstream_gets();
    assert!(bye.is(&Method::Bye));
    proved(&mut bench, &bye, "n2");
}

#[test]
fn who_calls_himself_is_known_by_either_number() {
    let signer = Signer::new("one");
    let mut bench = edge(&signer, |_| {});
    let flow = bench.open(1);
    let token = signer.good("u-alice", 3600);
    bench.bears(flow, register("alice", 1), &token);
    let up = bench.upstream_gets();
    let path = up.header("Path").unwrap().into_owned();
    bench.upstream_sends(granted(&up));
    bench.browser_gets(flow);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    let mut round = bench.upstream_gets();
    round.set("Route", path).unwrap();
    let via = format!("SIP/2.0/UDP {UPSTREAM};branch=z9hG4bKround");
    round.prepend("Via", via).unwrap();
    bench.upstream_sends(round.into_bytes());
    assert_eq!(bench.upstream_gets().status(), Some(100));
    assert_eq!(bench.upstream_gets().status(), Some(486));
}
