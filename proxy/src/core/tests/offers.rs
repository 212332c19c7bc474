//! Offers and answers wherever they may stand: re-INVITE, UPDATE, PRACK, the ACK of a late offer.

use control_proto::{Command as Ng, Dtls, Ice, Request, TransportProtocol, Value};
use sip::Method;

use super::bench::*;

const HEADERS: [(&str, &str); 1] = [("Contact", "<sip:bob@10.0.0.9>")];

#[test]
fn what_the_relay_is_told_follows_from_who_will_read_the_body() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.call_phone(flow, "up");
    bench.call_browser(flow, &path, "down");
    let [offer, answer, offer_down, answer_down] = &bench.asked[..] else {
        panic!("{:?}", bench.asked)
    };

    assert_eq!((offer.command, answer.command), (Ng::Offer, Ng::Answer));
    assert_eq!(offer.transport_protocol, Some(TransportProtocol::RtpAvp));
    assert_eq!(
        (offer.ice, offer.rtcp_mux.demux, offer.replace.origin),
        (Some(Ice::Remove), true, true)
    );
    assert_eq!(
        offer.direction,
        Some(["public".to_owned(), "private".to_owned()])
    );
    assert_eq!(
        (offer.from_tag.as_deref(), offer.to_tag.as_deref()),
        (Some("alicetag"), None)
    );
    assert_eq!(
        (answer.from_tag.as_deref(), answer.to_tag.as_deref()),
        (Some("alicetag"), Some("bobtag"))
    );
    assert_eq!(answer.dtls, Some(Dtls::Passive));
    assert_eq!(
        offer.other.get("DTLS-reverse"),
        Some(&"passive".into()),
        "the browser speaks first also before the answer"
    );
    assert!(offer_down.other.get("DTLS-reverse").is_none());
    let bundle = |offer: &Request| {
        let words = offer.other.get("bundle").and_then(Value::as_list);
        words.map(<[Value]>::to_vec)
    };
    assert_eq!(bundle(offer), Some(vec!["accept".into()]));
    assert_eq!(bundle(offer_down), Some(vec!["offer".into()]));
    assert_eq!(offer.call_id, answer.call_id);

    assert_eq!(
        offer_down.transport_protocol,
        Some(TransportProtocol::UdpTlsRtpSavpf)
    );
    assert_eq!(
        (
            offer_down.ice,
            offer_down.rtcp_mux.require,
            offer_down.sdes.off
        ),
        (Some(Ice::Force), true, true)
    );
    assert_eq!(
        offer_down.direction,
        Some(["private".to_owned(), "public".to_owned()])
    );
    assert_eq!(
        (answer_down.from_tag.as_deref(), answer_down.dtls),
        (Some("bobtag"), None)
    );
    assert!(answer_down.replace.origin);
}

#[test]
fn hold_and_resume_by_reinvite_from_either_side_stay_in_the_calls_session() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    let session = bench.calls_at_relay();
    for (cseq, sdp) in [
        (2, browser_sdp("hold") + "a=sendonly\r\n"),
        (3, browser_sdp("resume")),
    ] {
        let branch = format!("re{cseq}");
        bench.browser_sends(
            flow,
            in_dialog("INVITE", &call.at_browser, cseq, &sdp, &branch),
        );
        assert_eq!(bench.browser_gets(flow).status(), Some(100));
        let up = bench.upstream_gets();
        assert!(up.is(&Method::Invite) && !up.has("Record-Route"));
        bench.upstream_sends(reply(&up, 200, &HEADERS, PHONE_SDP));
        assert!(body(&bench.browser_gets(flow)).contains("Answer of phone"));
        bench.browser_sends(
            flow,
            in_dialog("ACK", &call.at_browser, cseq, "", &format!("ack{cseq}")),
        );
        assert!(bench.upstream_gets().is(&Method::Ack));
    }
    bench.upstream_sends(from_callee(
        "INVITE",
        &call.at_phone,
        1,
        "v=0\r\ns=phonehold\r\n",
        "phone1",
    ));
    assert_eq!(bench.upstream_gets().status(), Some(100));
    let down = bench.browser_gets(flow);
    assert!(body(&down).contains("Offer of phonehold"));
    bench.browser_sends(
        flow,
        reply(&down, 200, &[("Contact", &contact("alice"))], BROWSER_SDP),
    );
    assert_eq!(bench.upstream_gets().status(), Some(200));
    let last_offer = bench
        .asked
        .iter()
        .rfind(|request| request.command == Ng::Offer)
        .unwrap();
    assert_eq!(
        last_offer.from_tag.as_deref(),
        Some("bobtag"),
        "the phone is the offerer now"
    );
    assert_eq!(last_offer.to_tag.as_deref(), Some("alicetag"));
    assert_eq!(bench.calls_at_relay(), session);
    bench.silence();
}

#[test]
fn a_refused_reinvite_leaves_the_call_alone() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    bench.browser_sends(
        flow,
        in_dialog("INVITE", &call.at_browser, 2, BROWSER_SDP, "re"),
    );
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    bench.upstream_sends(reply(&up, 491, &[], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(491));
    bench.ignore_output();
    bench.assert_drained();
    assert_eq!(bench.calls_at_relay().len(), 1, "only a BYE ends it");
}

#[test]
fn update_carries_an_offer_and_its_200_the_answer() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    bench.browser_sends(
        flow,
        in_dialog("UPDATE", &call.at_browser, 2, BROWSER_SDP, "up"),
    );
    let up = bench.upstream_gets();
    assert!(body(&up).contains("Offer of browser"));
    bench.upstream_sends(reply(&up, 200, &[], PHONE_SDP));
    assert!(body(&bench.browser_gets(flow)).contains("Answer of phone"));
    // A session refresh has no body, and the relay no part in it.
    let before = bench.asked.len();
    bench.browser_sends(
        flow,
        in_dialog("UPDATE", &call.at_browser, 3, "", "refresh"),
    );
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    assert_eq!(bench.asked.len(), before);
}

#[test]
fn a_reliable_18x_may_offer_and_its_prack_answer() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.upstream_sends(incoming("c", "alice", &path, ""));
    bench.upstream_gets();
    let down = bench.browser_gets(flow);
    let reliable = [
        ("Require", "100rel"),
        ("RSeq", "1"),
        ("Contact", "<sip:a@b.invalid>"),
    ];
    bench.browser_sends(flow, reply(&down, 183, &reliable, BROWSER_SDP));
    let early = bench.upstream_gets();
    assert!(body(&early).contains("Offer of browser"));
    bench.upstream_sends(to_browser("PRACK", &early, 2, PHONE_SDP, "prack"));
    let prack = bench.browser_gets(flow);
    assert!(body(&prack).contains("Answer of phone"), "{}", body(&prack));
    let answer = bench.asked.last().unwrap();
    assert_eq!(
        (answer.from_tag.as_deref(), answer.to_tag.as_deref()),
        (Some("alicetag"), Some("bobtag"))
    );
    bench.browser_sends(flow, reply(&prack, 200, &[], ""));
    assert_eq!(bench.upstream_gets().status(), Some(200));
}

#[test]
fn a_body_that_answers_nothing_is_not_shown() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    // An ACK with a body although the INVITE had made the offer: it would show the phone the browser's own SDP.
    bench.browser_sends(
        flow,
        in_dialog("ACK", &call.at_browser, 1, BROWSER_SDP, "odd"),
    );
    assert_eq!(body(&bench.upstream_gets()), "");
    // A failure that describes what would have been possible.
    bench.upstream_sends(from_callee("INVITE", &call.at_phone, 1, PHONE_SDP, "p"));
    bench.upstream_gets();
    let down = bench.browser_gets(flow);
    bench.browser_sends(flow, reply(&down, 488, &[], BROWSER_SDP));
    let refused = bench.upstream_gets();
    assert_eq!((refused.status(), body(&refused).as_str()), (Some(488), ""));
}

#[test]
fn two_answers_of_a_forked_call_are_two_dialogs_of_one_session() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    bench.browser_sends(flow, invite("c", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    let fork = |tag: &str| {
        String::from_utf8(reply(&up, 200, &HEADERS, PHONE_SDP))
            .unwrap()
            .replace("tag=bobtag", &format!("tag={tag}"))
    };
    bench.upstream_sends(fork("one"));
    let one = bench.browser_gets(flow);
    bench.upstream_sends(fork("two"));
    let two = bench.browser_gets(flow);
    assert_eq!((one.to_tag(), two.to_tag()), (Some("one"), Some("two")));

    // The browser keeps the first and hangs up on the second (RFC 3261 section 13.2.2.4): the call goes on.
    bench.browser_sends(flow, in_dialog("BYE", &two, 2, "", "bye2"));
    let bye = bench.upstream_gets();
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(bench.calls_at_relay().len(), 1);
    bench.browser_sends(flow, in_dialog("BYE", &one, 2, "", "bye1"));
    let bye = bench.upstream_gets();
    bench.upstream_sends(reply(&bye, 200, &[], ""));
    assert_eq!(bench.calls_at_relay(), [""; 0]);
}

#[test]
fn sdp_among_other_parts_of_a_body_is_found_and_goes_on_alone() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let parts = format!(
        "--x\r\nContent-Type: application/isup\r\n\r\n\u{1}\r\n--x\r\nContent-Type: application/sdp\r\n\r\n{PHONE_SDP}--x--\r\n"
    );
    let mut request = sip::Message::parse(incoming("c", "alice", &path, "")).unwrap();
    request
        .set_body("multipart/mixed;boundary=x", parts.as_bytes())
        .unwrap();
    bench.upstream_sends(request.into_bytes());
    let down = bench.browser_gets(flow);
    assert!(down.is_content_type("application/sdp") && body(&down).contains("Offer of phone"));
}
