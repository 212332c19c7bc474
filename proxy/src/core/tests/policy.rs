//! What a browser may ask for before it has registered and after, with which methods, in whose name, and with which headers.

use sip::Method;

use super::super::*;
use super::bench::*;

/// A request outside of any dialog; alice's, unless `from` says otherwise.
fn request(method: &str, uri: &str, from: &str, more: &str) -> Vec<u8> {
    message(
        &format!(
            "{method} {uri} SIP/2.0
             Via: SIP/2.0/WSS alice.invalid;branch=z9hG4bK{method}{}
             Max-Forwards: 69
             To: <sip:bob@example.com>
             From: <sip:{from}>;tag=1
             Call-ID: {method}
             CSeq: 1 {method}
             Contact: {}
             {more}",
            from.len() + uri.len() + more.len(),
            contact("alice"),
        ),
        "",
    )
}

const BOB: &str = "sip:bob@example.com";
const ALICE: &str = "alice@example.com";

/// The final status that comes back, if one does.
fn refused(bench: &mut Bench, flow: FlowId, bytes: Vec<u8>) -> Option<u16> {
    bench.browser_sends(flow, bytes);
    let statuses = bench.browser_has(flow);
    let mut statuses = statuses.iter().filter_map(sip::Message::status);
    statuses.rfind(|status| *status >= 200)
}

#[test]
fn who_has_not_registered_may_register_and_ask_the_edge_whether_it_lives() {
    let mut bench = Bench::guarded(|_| {});
    let flow = bench.open(1);
    for method in [
        "INVITE",
        "OPTIONS",
        "MESSAGE",
        "SUBSCRIBE",
        "PUBLISH",
        "REFER",
        "NOTIFY",
        "INFO",
    ] {
        let status = refused(&mut bench, flow, request(method, BOB, ALICE, ""));
        assert_eq!(status, Some(403), "{method}");
        let within = request(method, BOB, ALICE, "").to_vec();
        let within = String::from_utf8(within).unwrap();
        let within = within.replace(
            "<sip:bob@example.com>\r\n",
            "<sip:bob@example.com>;tag=x\r\n",
        );
        let within = within.replace("z9hG4bK", "z9hG4bKin").into_bytes();
        assert_eq!(refused(&mut bench, flow, within), Some(481), "{method}");
    }
    let own = request("OPTIONS", "sip:example.com", ALICE, "");
    assert_eq!(refused(&mut bench, flow, own), Some(200));
    assert!(bench.asked.is_empty());
    bench.silence();
    bench.register(flow, "alice");
    for method in ["OPTIONS", "MESSAGE", "SUBSCRIBE", "PUBLISH"] {
        let again = request(method, BOB, ALICE, "Subject: again");
        assert_eq!(refused(&mut bench, flow, again), None, "{method}");
        assert!(bench.upstream_gets().uri_text() == Some(BOB), "{method}");
    }
}

#[test]
fn nobody_calls_or_registers_in_anothers_name() {
    let mut bench = Bench::guarded(|_| {});
    let flow = bench.open(1);
    bench.register(flow, "alice");
    for (from, status) in [
        ("carol@example.com", Some(403)),
        ("alice@example.net", Some(403)),
        ("+4930123456@example.com", Some(403)),
        ("anonymous@anonymous.invalid", None),
        ("alice@EXAMPLE.com", None),
        ("%61lice@example.com", None),
    ] {
        let seen = refused(&mut bench, flow, request("MESSAGE", BOB, from, ""));
        assert_eq!(seen, status, "{from}");
        assert_eq!(bench.upstream_has().len(), usize::from(status.is_none()));
    }
    let register = String::from_utf8(register("carol", 2)).unwrap();
    let foreign = register.replace("From: \"carol\" <sip:carol@", "From: <sip:alice@");
    assert_ne!(register, foreign);
    assert_eq!(refused(&mut bench, flow, foreign.into()), Some(403));
    bench.silence();
}

#[test]
fn an_operator_may_let_registered_users_call_in_any_name_and_visitors_without_one() {
    for (callers, before, after) in [
        (Callers::Own, Some(403), Some(403)),
        (Callers::Registered, Some(403), None),
        (Callers::Anyone, None, None),
    ] {
        let mut bench = Bench::guarded(|config| config.policy.callers = callers);
        let flow = bench.open(1);
        let call = |number: &str| request("MESSAGE", BOB, "+4930@example.com", number);
        assert_eq!(refused(&mut bench, flow, call("Subject: 1")), before);
        bench.ignore_output();
        bench.register(flow, "alice");
        assert_eq!(refused(&mut bench, flow, call("Subject: 22")), after);
    }
}

#[test]
fn only_the_methods_of_the_list_pass_from_browsers() {
    let mut bench =
        Bench::guarded(|config| config.policy.methods.retain(|m| *m != Method::Publish));
    let flow = bench.open(1);
    bench.register(flow, "alice");
    for method in ["PUBLISH", "FROBNICATE", "invite"] {
        bench.browser_sends(flow, request(method, BOB, ALICE, ""));
        let answer = bench.browser_gets(flow);
        assert_eq!(answer.status(), Some(405), "{method}");
        assert!(answer.lists("Allow", "INVITE") && !answer.lists("Allow", "PUBLISH"));
    }
    bench.silence();
}

#[test]
fn no_header_that_vouches_for_a_caller_or_steers_passes_from_a_browser() {
    let mut bench = Bench::guarded(|config| {
        config.policy.strip = vec!["X-*".to_owned(), "Subject".to_owned()];
    });
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let worthless = [
        "P-Asserted-Identity: <sip:boss@example.com>",
        "p-asserted-identity: <tel:+1>",
        "Remote-Party-ID: <sip:boss@example.com>;party=calling;screen=yes",
        "Diversion: <sip:boss@example.com>;reason=unconditional",
        "History-Info: <sip:boss@example.com>;index=1",
        "P-Served-User: <sip:boss@example.com>",
        "P-Charging-Vector: icid-value=1",
        "Service-Route: <sip:evil.example;lr>",
        "Path: <sip:evil.example;lr>",
        "Record-Route: <sip:evil.example;lr>",
        "X-Account: 1",
        "x-bypass : yes",
        "X-FOLDED: a\r\n b",
        "s: compact",
    ];
    let wanted = ["Privacy: id", "Reply-To: <sip:alice@example.com>"];
    let lines = [&worthless[..], &wanted[..]].concat().join("\r\n");
    let typed = String::from_utf8(request("MESSAGE", BOB, ALICE, "Priority: urgent")).unwrap();
    let typed = typed.replace("Priority: urgent", &lines);
    bench.browser_sends(flow, typed);
    let up = bench.upstream_gets();
    for name in worthless.map(|line| line.split(':').next().unwrap().trim()) {
        // What stands in these is ours.
        assert!(
            !up.has(name) || !text_of(&up, name).contains("evil"),
            "{name}"
        );
        let ours = ["Record-Route", "Path"].contains(&name);
        assert!(ours || !up.has(name), "{name}");
    }
    assert!(!text(&up).contains("evil") && !text(&up).contains("boss"));
    assert!(up.has("Privacy") && up.has("Reply-To"));
}

fn text_of(message: &sip::Message, name: &str) -> String {
    message.header(name).unwrap_or_default().into_owned()
}

#[test]
fn a_browsers_answer_neither_vouches_for_it_nor_leads_elsewhere() {
    let mut bench = Bench::guarded(|_| {});
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
    bench.upstream_gets();
    let down = bench.browser_gets(flow);
    let recorded: Vec<_> = down
        .values("Record-Route")
        .map(|v| v.into_owned())
        .collect();
    let answer = reply(
        &down,
        200,
        &[
            ("Contact", &contact("alice")),
            ("P-Asserted-Identity", "<sip:boss@example.com>"),
            ("Record-Route", "<sip:evil.example;lr>"),
        ],
        BROWSER_SDP,
    );
    bench.browser_sends(flow, answer);
    let up = bench.upstream_gets();
    assert_eq!(up.status(), Some(200));
    let seen: Vec<_> = up.values("Record-Route").map(|v| v.into_owned()).collect();
    assert_eq!(seen, recorded);
    assert!(!up.has("P-Asserted-Identity"));
}
