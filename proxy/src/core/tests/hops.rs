//! The SIP server's side over TCP and TLS: what Via, Path and Record-Route say, and what is not repeated.

use std::time::Duration;

use super::super::*;
use super::bench::*;

fn hop(transport: Transport, address: &str) -> Hop {
    let address = self::address(address);
    Hop { transport, address }
}

/// An edge whose upstream is spoken to over this transport.
fn bench(transport: Transport) -> Bench {
    let mut bench = Bench::with(|config| {
        let port = transport.default_port();
        config
            .advertised
            .push(hop(transport, &format!("192.0.2.1:{port}")));
    });
    bench.upstreams(&[Target::new(hop(transport, UPSTREAM))]);
    bench
}

#[test]
fn a_register_over_a_stream_is_led_back_over_it_and_never_repeated() {
    for (transport, via, edge) in [
        (
            Transport::Tcp,
            "SIP/2.0/TCP 192.0.2.1:5060;",
            "@192.0.2.1:5060;transport=tcp",
        ),
        (
            Transport::Tls,
            "SIP/2.0/TLS 192.0.2.1:5061;",
            "@192.0.2.1:5061;transport=tls",
        ),
    ] {
        let mut bench = bench(transport);
        let flow = bench.open(1);
        bench.browser_sends(flow, register("alice", 1));
        let up = bench.upstream_gets();
        assert_eq!(bench.last_hop, Some(hop(transport, UPSTREAM)));
        assert!(up.values("Via").next().unwrap().starts_with(via));
        let path = up.header("Path").unwrap();
        assert!(path.ends_with(&format!("{edge};lr>")), "{path}");
        let contact = up.header("Contact").unwrap();
        assert!(contact.contains(&format!("{edge}>;")), "{contact}");
        bench.wait(Duration::from_secs(31));
        bench.silence();
        bench.wait(Duration::from_secs(2));
        assert_eq!(bench.browser_gets(flow).status(), Some(408));
    }
}

#[test]
fn a_calls_route_back_has_the_transport_that_the_call_took() {
    let mut bench = bench(Transport::Tcp);
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let call = bench.call_phone(flow, "up");
    let facing = call.at_phone.values("Record-Route").next().unwrap();
    assert!(
        facing.ends_with("@192.0.2.1:5060;transport=tcp;lr>"),
        "{facing}"
    );
    // The same server, calling by UDP.
    bench.upstream.transport = Transport::Udp;
    let call = bench.call_browser(flow, &path, "down");
    let routes: Vec<_> = call.at_browser.values("Record-Route").collect();
    assert!(routes[0].contains(";transport=ws"), "{routes:?}");
    assert!(routes[1].ends_with("@192.0.2.1:5060;lr>"), "{routes:?}");
}

#[test]
fn a_request_from_a_connection_is_answered_on_it_whatever_its_via_says() {
    let mut bench = bench(Transport::Tcp);
    let source = hop(Transport::Tcp, "192.0.2.5:41234");
    let request = message(
        "OPTIONS sip:192.0.2.1 SIP/2.0
         Via: SIP/2.0/TCP 192.0.2.5:5060;branch=z9hG4bK1
         Max-Forwards: 70
         To: <sip:192.0.2.1>
         From: <sip:x@example.com>;tag=1
         Call-ID: o
         CSeq: 1 OPTIONS",
        "",
    );
    bench.input(Input::Message {
        from: Source::Upstream(source),
        bytes: request,
    });
    assert_eq!(bench.upstream_gets().status(), Some(200));
    assert_eq!(bench.last_hop, Some(source));
}

#[test]
fn an_upstream_is_told_our_address_of_its_own_transport_and_family() {
    let mut config = Config::new("example.com", vec![Hop::udp(address(EDGE))]);
    let others = [
        hop(Transport::Udp, "[2001:db8::1]:5060"),
        hop(Transport::Tcp, "192.0.2.1:5070"),
    ];
    config.advertised.extend(others);
    let own = |transport, to| config.own(hop(transport, to));
    assert_eq!(own(Transport::Udp, UPSTREAM), Hop::udp(address(EDGE)));
    assert_eq!(own(Transport::Udp, "[2001:db8::5]:5060"), others[0]);
    assert_eq!(own(Transport::Tcp, "[2001:db8::5]:5060"), others[1]);
    assert_eq!(own(Transport::Tls, "[2001:db8::5]:5060"), others[0]);
}

#[test]
fn a_connection_that_closes_under_an_unanswered_request_makes_it_go_out_once_more() {
    let mut bench = bench(Transport::Tcp);
    let (flow, hop) = (bench.open(1), bench.upstream);
    bench.browser_sends(flow, register("alice", 1));
    let first = bench.upstream_gets();
    bench.input(Input::HopClosed { hop });
    assert_eq!(text(&bench.upstream_gets()), text(&first));
    bench.input(Input::HopClosed { hop });
    assert_eq!(bench.browser_gets(flow).status(), Some(503));
    bench.silence();
    bench.assert_drained();
}

#[test]
fn a_call_that_rings_outlives_its_connection_and_what_waits_for_one_is_told() {
    let mut bench = bench(Transport::Tcp);
    let (flow, hop) = (bench.open(1), bench.upstream);
    bench.browser_sends(flow, invite("rings", "alice", "1", "", BROWSER_SDP));
    let rings = bench.upstream_gets();
    bench.upstream_sends(reply(&rings, 180, &[], ""));
    bench.browser_sends(flow, invite("waits", "alice", "2", "", BROWSER_SDP));
    let waits = bench.upstream_gets();
    assert_eq!(waits.call_id(), Some("waits"));
    bench.browser_has(flow);
    bench.input(Input::HopUnreachable { hop });
    let told = bench.browser_gets(flow);
    assert_eq!((told.status(), told.call_id()), (Some(503), Some("waits")));
    let answered = reply(&rings, 200, &[("Contact", "<sip:bob@10.0.0.9>")], PHONE_SDP);
    bench.upstream_sends(answered);
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
}

#[test]
fn who_asked_on_a_connection_that_closed_is_answered_where_its_via_says() {
    let mut bench = bench(Transport::Tcp);
    let flow = bench.open(1);
    let path = bench.register(flow, "alice");
    let source = hop(Transport::Tcp, "192.0.2.5:41234");
    bench.upstream = source;
    bench.upstream_sends(incoming("c", "alice", &path, PHONE_SDP));
    let ringing = bench.browser_gets(flow);
    bench.input(Input::HopClosed { hop: source });
    bench.browser_sends(flow, reply(&ringing, 486, &[], ""));
    assert_eq!(bench.upstream_has().pop().unwrap().status(), Some(486));
    assert_eq!(bench.last_hop, Some(hop(Transport::Tcp, UPSTREAM)));
}

#[test]
fn a_message_of_a_stream_says_how_long_it_is_or_is_refused() {
    let mut bench = bench(Transport::Tcp);
    let from = Source::Upstream(bench.upstream);
    let text = "OPTIONS sip:192.0.2.1 SIP/2.0\r\n\
        Via: SIP/2.0/TCP 192.0.2.5:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
        To: <sip:192.0.2.1>\r\nFrom: <sip:x@example.com>;tag=1\r\nCall-ID: o\r\n\
        CSeq: 1 OPTIONS\r\n\r\n";
    let bytes = text.as_bytes().to_vec();
    bench.input(Input::Message { from, bytes });
    assert_eq!(bench.upstream_gets().status(), Some(400));
}
