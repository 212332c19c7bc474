//! Re-offers that change nothing for the other side are answered at the edge.

use std::time::Duration;

use control_proto::{Command as Ng, Request};
use sip::{Message, Method};

use super::super::FlowId;
use super::bench::*;

const BROWSER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=browser\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:old1\r\na=ice-pwd:oldpasswordoldpasswordo1\r\na=fingerprint:sha-256 6B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\na=setup:actpass\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n";
const OFFERS: [&str; 2] = ["o=- 1 1", "o=- 1 2"];

fn from(text: &str) -> String {
    format!("Contact: {text}")
}

/// With headers more.
fn with(message: Vec<u8>, headers: &str) -> String {
    let text = String::from_utf8(message).unwrap();
    text.replacen("Max-Forwards", &format!("{headers}\r\nMax-Forwards"), 1)
}

fn moved(sdp: &str) -> String {
    sdp.replace(OFFERS[0], OFFERS[1])
        .replace("10.0.0.9", "10.0.0.77")
        .replace("4000", "6000")
}

fn restarted(sdp: &str) -> String {
    sdp.replace(OFFERS[0], OFFERS[1]).replace("old", "new")
}

/// A browser that is registered, in a call that it or the phone has begun.
pub(super) fn talking(bench: &mut Bench, browser_calls: bool) -> (FlowId, Call) {
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = match browser_calls {
        true => {
            bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER));
            bench.browser_gets(flow);
            let at_phone = bench.upstream_gets();
            let contact = [("Contact", "<sip:bob@10.0.0.9>")];
            bench.upstream_sends(reply(&at_phone, 200, &contact, PHONE_SDP));
            let at_browser = bench.browser_gets(flow);
            bench.browser_sends(flow, in_dialog("ACK", &at_browser, 1, "", "ack"));
            bench.upstream_gets();
            Call {
                at_phone,
                at_browser,
            }
        }
        false => {
            bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
            bench.upstream_gets();
            let at_browser = bench.browser_gets(flow);
            let contact = [("Contact", &*contact("alice"))];
            let answer = BROWSER.replace("111 0", "0").replace("actpass", "active");
            bench.browser_sends(flow, reply(&at_browser, 200, &contact, &answer));
            let at_phone = bench.upstream_gets();
            bench.upstream_sends(to_browser("ACK", &at_phone, 1, "", "ack"));
            bench.browser_gets(flow);
            Call {
                at_phone,
                at_browser,
            }
        }
    };
    (flow, call)
}

/// A request of the phone's within the call.
pub(super) fn from_phone(call: &Call, method: &str, cseq: u32, sdp: &str) -> String {
    let branch = format!("phone{cseq}{method}");
    let request = match call.at_phone.status() {
        None => from_callee(method, &call.at_phone, cseq, sdp, &branch),
        Some(_) => to_browser(method, &call.at_phone, cseq, sdp, &branch),
    };
    with(request, &from("<sip:bob@10.0.0.9>"))
}

/// A re-INVITE of the browser that was called.
fn as_callee(invite: &Message, cseq: u32, sdp: &str) -> Vec<u8> {
    let routes = invite.values("Record-Route");
    let routes: String = routes.map(|value| format!("Route: {value}\n")).collect();
    let contact = contact("alice");
    message(
        &format!(
            "INVITE sip:bob@10.0.0.9 SIP/2.0
             Via: SIP/2.0/WSS alice.invalid;branch=z9hG4bKre{cseq}
             {routes}
             Max-Forwards: 69
             From: {};tag=alicetag
             To: {}
             Call-ID: c
             CSeq: {cseq} INVITE
             Contact: {contact}",
            invite.header("To").expect("To"),
            invite.header("From").expect("From"),
        ),
        sdp,
    )
}

fn told(request: &Request) -> (Ng, &str, &str) {
    let tag = |tag: &'static str, known: &Option<String>| match known.as_deref() {
        Some(known) if known == tag => tag,
        _ => "",
    };
    let from = tag("bobtag", &request.from_tag);
    let to = tag("bobtag", &request.to_tag);
    (request.command, from, to)
}

#[test]
fn a_phones_media_may_move_and_the_browser_hears_nothing() {
    for browser_calls in [true, false] {
        let mut bench = Bench::new();
        let (flow, call) = talking(&mut bench, browser_calls);
        for cseq in 5..8 {
            let before = bench.asked.len();
            let offer = moved(PHONE_SDP).replace("o=- 1 2", &format!("o=- 1 {cseq}"));
            bench.upstream_sends(from_phone(&call, "INVITE", cseq, &offer));
            assert_eq!(bench.upstream_gets().status(), Some(100));
            let answer = bench.upstream_gets();
            assert_eq!(answer.status(), Some(200));
            assert_eq!(answer.cseq().unwrap().number, cseq);
            assert_eq!(
                answer.header("To").unwrap(),
                if browser_calls {
                    call.at_phone.header("From").unwrap()
                } else {
                    call.at_phone.header("To").unwrap()
                }
            );
            assert!(
                body(&answer).contains("Answer of browser"),
                "{}",
                body(&answer)
            );
            let contact = answer.contacts().next().unwrap().unwrap();
            assert!(contact.uri_text().ends_with(EDGE), "{}", contact.uri_text());
            let [offer, said] = &bench.asked[before..] else {
                panic!("two questions")
            };
            assert_eq!(told(offer), (Ng::Offer, "bobtag", ""));
            assert_eq!(told(said), (Ng::Answer, "bobtag", ""));
            let said = String::from_utf8(said.sdp.clone().unwrap()).unwrap();
            for kept in ["SAVPF 0\r\n", "a=ice-ufrag:old1", "a=setup:active"] {
                assert!(said.contains(kept), "{kept} in {said}");
            }
            bench.upstream_sends(from_phone(&call, "ACK", cseq, ""));
            bench.silence();
        }
        bench.wait(Duration::from_secs(60));
        bench.silence();
        // The call goes on, and its next request reaches the browser.
        bench.upstream_sends(from_phone(&call, "BYE", 9, ""));
        assert!(bench.browser_gets(flow).is(&Method::Bye));
    }
}

#[test]
fn a_browsers_ice_restart_is_between_it_and_the_relay() {
    for browser_calls in [true, false] {
        let mut bench = Bench::new();
        let (flow, call) = talking(&mut bench, browser_calls);
        let before = bench.asked.len();
        let offer = match browser_calls {
            true => restarted(BROWSER),
            // It offers again what it could do beside.
            false => restarted(BROWSER).replace("111 0", "0 111"),
        };
        let request = match browser_calls {
            true => in_dialog("INVITE", &call.at_browser, 2, &offer, "re"),
            false => as_callee(&call.at_browser, 2, &offer),
        };
        bench.browser_sends(flow, request);
        assert_eq!(bench.browser_gets(flow).status(), Some(100));
        let answer = bench.browser_gets(flow);
        assert_eq!(answer.status(), Some(200), "{}", text(&answer));
        assert_eq!(answer.header("Contact").unwrap(), "<sip:bob@10.0.0.9>");
        assert!(body(&answer).contains("Answer of phone"));
        let [asked, said] = &bench.asked[before..] else {
            panic!("two questions")
        };
        assert!(String::from_utf8_lossy(asked.sdp.as_ref().unwrap()).contains("ufrag:new1"));
        assert_eq!(told(said), (Ng::Answer, "", "bobtag"));
        bench.silence();
    }
}

#[test]
fn a_200_of_the_edges_own_comes_again_until_its_ack_which_ends_here() {
    let mut bench = Bench::new();
    let (flow, call) = talking(&mut bench, true);
    bench.upstream_sends(from_phone(&call, "INVITE", 5, &moved(PHONE_SDP)));
    bench.upstream_gets();
    let answer = bench.upstream_gets();
    bench.wait(Duration::from_millis(3_600));
    let again = bench.upstream_has();
    assert_eq!(again.len(), 3, "after 0.5, 1.5 and 3.5 s");
    assert!(
        again
            .iter()
            .all(|sent| sent.as_bytes() == answer.as_bytes())
    );
    for _ in 0..2 {
        bench.upstream_sends(from_phone(&call, "ACK", 5, ""));
    }
    bench.wait(Duration::from_secs(10));
    bench.silence();
    // The ACK to one that the browser has answered goes to it.
    let hold = format!("{PHONE_SDP}a=sendonly\r\n");
    bench.upstream_sends(from_phone(&call, "INVITE", 6, &hold));
    let down = bench.browser_gets(flow);
    bench.browser_sends(flow, reply(&down, 488, &[], ""));
    assert!(bench.browser_gets(flow).is(&Method::Ack));
    bench.upstream_sends(from_phone(&call, "ACK", 7, ""));
    assert!(bench.browser_gets(flow).is(&Method::Ack));
    bench.upstream_has();
    // One that is never acknowledged ends, too.
    bench.upstream_sends(from_phone(&call, "INVITE", 8, PHONE_SDP));
    bench.wait(Duration::from_secs(60));
    let sent = bench.upstream_has();
    let ours = |sent: &&Message| sent.status() == Some(200);
    assert_eq!(sent.iter().filter(ours).count(), 11);
    bench.wait(Duration::from_secs(60));
    bench.silence();
}

#[test]
fn an_update_with_the_same_sdp_is_answered_here() {
    let mut bench = Bench::new();
    let (_, call) = talking(&mut bench, true);
    bench.upstream_sends(from_phone(&call, "UPDATE", 5, &moved(PHONE_SDP)));
    let answer = bench.upstream_gets();
    assert_eq!(
        (answer.status(), body(&answer).is_empty()),
        (Some(200), false)
    );
    bench.wait(Duration::from_secs(60));
    bench.silence();
}

/// Which of these reach the browser.
#[test]
fn what_the_browser_must_see_reaches_it() {
    let held = format!("{}a=sendonly\r\n", moved(PHONE_SDP));
    let contact = "Contact: <sip:bob@10.0.0.9>";
    let identity = format!("{contact}\r\nP-Asserted-Identity: <sip:carol@example.com>");
    for (sdp, headers) in [
        (&*held, contact),
        ("", contact),
        (PHONE_SDP, "Contact: <sip:bob@10.0.0.10>"),
        (PHONE_SDP, &identity),
        (PHONE_SDP, "Contact: <sip:bob@10.0.0.9>\r\nRequire: 100rel"),
    ] {
        let mut bench = Bench::new();
        let (flow, call) = talking(&mut bench, true);
        let request = from_callee("INVITE", &call.at_phone, 5, sdp, "re");
        bench.upstream_sends(with(request, headers));
        bench.upstream_gets();
        assert!(
            bench.browser_gets(flow).is(&Method::Invite),
            "{sdp} {headers}"
        );
    }
    let mut bench = Bench::new();
    let (flow, call) = talking(&mut bench, true);
    let hold = format!("{}a=sendonly\r\n", restarted(BROWSER));
    bench.browser_sends(
        flow,
        in_dialog("INVITE", &call.at_browser, 2, &hold, "hold"),
    );
    assert!(
        bench.upstream_gets().is(&Method::Invite),
        "JsSIP's and sip.js's hold"
    );
}

#[test]
fn while_the_browser_negotiates_the_phones_offer_is_the_browsers_to_refuse() {
    let mut bench = Bench::new();
    let (flow, call) = talking(&mut bench, true);
    let hold = format!("{BROWSER}a=sendonly\r\n");
    bench.browser_sends(
        flow,
        in_dialog("INVITE", &call.at_browser, 2, &hold, "hold"),
    );
    bench.browser_gets(flow);
    bench.upstream_gets();
    bench.upstream_sends(from_phone(&call, "INVITE", 5, PHONE_SDP));
    assert!(bench.browser_gets(flow).is(&Method::Invite));
}

#[test]
fn while_the_edge_answers_an_offer_it_refuses_others_as_the_parties_would() {
    let mut bench = Bench::new();
    let (flow, call) = talking(&mut bench, true);
    bench.relay_answers = false;
    bench.upstream_sends(from_phone(&call, "INVITE", 5, PHONE_SDP));
    bench.upstream_gets();
    let hold = format!("{BROWSER}a=sendonly\r\n");
    bench.browser_sends(
        flow,
        in_dialog("INVITE", &call.at_browser, 2, &hold, "hold"),
    );
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    assert_eq!(bench.browser_gets(flow).status(), Some(491));
    bench.browser_sends(flow, in_dialog("ACK", &call.at_browser, 2, "", "hold"));
    bench.upstream_sends(from_phone(&call, "INVITE", 6, PHONE_SDP));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    let refused = bench.upstream_gets();
    assert_eq!(refused.status(), Some(500));
    let seconds: u32 = refused.header("Retry-After").unwrap().parse().unwrap();
    assert!(seconds <= 10);
    for _ in 0..2 {
        bench.relay_replies();
    }
    let answered: Vec<Message> = bench.upstream_has();
    assert!(answered.iter().any(|answer| answer.status() == Some(200)));
}

#[test]
fn a_relay_that_refuses_leaves_the_call_as_it_was() {
    // It refuses the offer, or the answer.
    for taken in [0, 1] {
        let mut bench = Bench::new();
        let (flow, call) = talking(&mut bench, true);
        bench.relay_answers = false;
        bench.upstream_sends(from_phone(&call, "INVITE", 5, &moved(PHONE_SDP)));
        bench.upstream_gets();
        for _ in 0..taken {
            bench.relay_replies();
        }
        let (id, _) = bench.open_asks.pop_front().unwrap();
        let reply = Ok(control_proto::Response::error("Unknown call-id"));
        bench.relay_answers = true;
        let before = bench.asked.len();
        bench.input(super::super::Input::Relayed { id, reply });
        assert_eq!(bench.upstream_gets().status(), Some(503));
        let asked: Vec<_> = bench.asked[before..]
            .iter()
            .map(|asked| asked.command)
            .collect();
        assert_eq!(asked, [Ng::Offer, Ng::Answer], "what was agreed on before");
        bench.silence();
        bench.upstream_sends(from_phone(&call, "BYE", 9, ""));
        assert!(bench.browser_gets(flow).is(&Method::Bye));
        bench.ignore_output();
    }
}

#[test]
fn a_refresh_that_is_taken_back_is_forgotten() {
    let mut bench = Bench::new();
    let (_, call) = talking(&mut bench, true);
    bench.relay_answers = false;
    let request = from_phone(&call, "INVITE", 5, PHONE_SDP);
    bench.upstream_sends(request.clone());
    bench.upstream_gets();
    let cancel = request
        .replacen("INVITE", "CANCEL", 1)
        .replace("5 INVITE", "5 CANCEL");
    let (head, _) = cancel.split_once("\r\n\r\n").unwrap();
    let head = head.replace("Content-Type: application/sdp\r\n", "");
    let length = head.rfind("Content-Length").unwrap();
    bench.upstream_sends(format!("{}Content-Length: 0\r\n\r\n", &head[..length]));
    let answers: Vec<_> = bench.upstream_has().iter().map(Message::status).collect();
    assert_eq!(answers, [Some(200), Some(487)]);
    bench.relay_answers = true;
    bench.relay_replies();
    let answers: Vec<_> = bench.upstream_has().iter().map(Message::status).collect();
    assert!(!answers.contains(&Some(200)), "{answers:?}");
}
