//! Who begins something, as the edge says to a SIP server that trusts it (RFC 3325).

use sip::Message;

use super::super::*;
use super::bench::*;

const ASSERTED: &str = "P-Asserted-Identity";

fn asserting(change: impl FnOnce(&mut Config)) -> Bench {
    Bench::guarded(|config| {
        config.policy.assert_identity = true;
        change(config);
    })
}

/// What the server hears of a call with these headers; `name` is what From says.
fn asserted(bench: &mut Bench, flow: FlowId, call: &str, name: &str, headers: &str) -> Message {
    let invite = invite(call, "alice", call, headers, BROWSER_SDP);
    let invite = String::from_utf8(invite).unwrap();
    let from = "\"alice\" <sip:alice@example.com>;tag";
    assert!(invite.contains(from), "{invite}");
    bench.browser_sends(flow, invite.replacen(from, &format!("{name};tag"), 1));
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    bench.upstream_gets()
}

fn all(message: &Message) -> Vec<String> {
    message
        .values(ASSERTED)
        .map(|value| value.into_owned())
        .collect()
}

#[test]
fn the_server_is_told_who_has_registered_whatever_the_browser_says_of_itself() {
    let mut bench = asserting(|config| config.policy.callers = Callers::Registered);
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let forged = "P-Asserted-Identity: <sip:boss@example.com>\r\nP-Preferred-Identity: <sip:boss@example.com>";
    let hidden = "Privacy: id";
    let nobody = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    for (call, name, headers) in [
        ("a", "<sip:alice@example.com>", ""),
        ("b", "<sip:alice@example.com>", forged),
        ("c", "<sip:boss@example.com>", ""),
        ("d", nobody, hidden),
    ] {
        let up = asserted(&mut bench, flow, call, name, headers);
        assert_eq!(all(&up), ["<sip:alice@example.com>"], "{call}");
        assert!(!up.has("P-Preferred-Identity"));
        assert_eq!(up.has("Privacy"), !headers.is_empty() && call == "d");
    }
}

#[test]
fn of_several_addresses_the_caller_may_choose() {
    let mut bench = asserting(|_| {});
    let flow = bench.open(1);
    bench.register(flow, "alice");
    bench.register(flow, "carol");
    let nobody = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    let wish = "P-Preferred-Identity: <sip:carol@example.com>";
    let up = asserted(&mut bench, flow, "a", nobody, wish);
    assert_eq!(all(&up), ["<sip:carol@example.com>"]);
}

#[test]
fn it_is_said_where_something_begins_and_where_the_operator_wants_it() {
    let mut bench = asserting(|_| {});
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let call = bench.call_phone(flow, "c");
    assert_eq!(all(&call.at_phone).len(), 1);
    bench.browser_sends(flow, in_dialog("INFO", &call.at_browser, 2, "", "info"));
    assert!(all(&bench.upstream_gets()).is_empty());

    let mut bench = asserting(|config| config.policy.callers = Callers::Anyone);
    let flow = bench.open(1);
    bench.browser_sends(flow, register("alice", 1));
    assert!(
        all(&bench.upstream_gets()).is_empty(),
        "nobody is known yet"
    );
    let up = asserted(&mut bench, flow, "a", "<sip:alice@example.com>", "");
    assert!(all(&up).is_empty(), "nobody has registered");

    let mut bench = Bench::guarded(|_| {});
    let flow = bench.open(1);
    bench.register(flow, "alice");
    let forged = "P-Asserted-Identity: <sip:boss@example.com>";
    let up = asserted(&mut bench, flow, "a", "<sip:alice@example.com>", forged);
    assert!(all(&up).is_empty());
}

#[test]
fn a_browser_is_not_shown_the_name_of_who_wants_none_shown() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let said = "P-Asserted-Identity: <sip:bob@example.com>";
    for (call, privacy) in [
        ("a", ""),
        ("b", "Privacy: user;ID\r\n"),
        ("c", "Privacy: none\r\n"),
    ] {
        let invite = String::from_utf8(incoming(call, "alice", &path, PHONE_SDP)).unwrap();
        let headers = format!("{privacy}{said}\r\nMax-Forwards");
        bench.upstream_sends(invite.replacen("Max-Forwards", &headers, 1));
        bench.upstream_gets();
        let down = bench.browser_gets(flow);
        assert_eq!(down.has(ASSERTED), call != "b", "{call}");
        assert_eq!(down.has("Privacy"), call != "a");
    }
    bench.browser_sends(flow, invite("d", "alice", "1", "", BROWSER_SDP));
    bench.browser_gets(flow);
    let up = bench.upstream_gets();
    let headers = [(ASSERTED, "<sip:bob@example.com>"), ("Privacy", "id")];
    bench.upstream_sends(reply(&up, 180, &headers, ""));
    assert!(!bench.browser_gets(flow).has(ASSERTED));
}
