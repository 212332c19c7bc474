//! Requests over 1300 octets towards a SIP server that is spoken to by UDP.

use std::time::Duration;

use super::super::*;
use super::bench::*;

fn by_tcp() -> Hop {
    let address = address(UPSTREAM);
    let transport = Transport::Tcp;
    Hop { transport, address }
}

/// A request of that many octets and some more.
fn send(bench: &mut Bench, flow: FlowId, number: u32, size: usize) -> Hop {
    let text = String::from_utf8(register("alice", number)).unwrap();
    let filled = format!("X-Fill: {}\r\nExpires", "x".repeat(size));
    bench.browser_sends(flow, text.replacen("Expires", &filled, 1));
    bench.last_hop.unwrap()
}

#[test]
fn a_large_request_goes_over_tcp_once_the_server_is_known_to_take_it() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    assert_eq!(send(&mut bench, flow, 1, 100), bench.upstream);
    assert!(bench.connects.is_empty(), "a small one asks nothing");
    assert_eq!(send(&mut bench, flow, 2, 1300), bench.upstream);
    assert_eq!(send(&mut bench, flow, 3, 1300), bench.upstream);
    assert_eq!(bench.connects, [by_tcp()], "asked once");
    bench.input(Input::HopOpened { hop: by_tcp() });
    bench.ignore_output();
    assert_eq!(send(&mut bench, flow, 4, 1300), by_tcp());
    let large = bench.upstream_gets();
    let via = large.values("Via").next().unwrap().into_owned();
    assert!(via.starts_with("SIP/2.0/TCP 192.0.2.1:5060;"), "{via}");
    // The way back is as it always was.
    assert!(
        large
            .header("Path")
            .unwrap()
            .ends_with("@192.0.2.1:5060;lr>")
    );
    assert_eq!(send(&mut bench, flow, 5, 100), bench.upstream);
}

#[test]
fn where_no_connection_is_taken_it_goes_by_udp_and_the_operator_is_told_once() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let told = |bench: &Bench| {
        let is = |event: &&Event| matches!(event, Event::TooLarge { size, .. } if *size > 1300);
        bench.events.iter().filter(is).count()
    };
    for number in 1..=3 {
        assert_eq!(send(&mut bench, flow, number, 1300), bench.upstream);
        bench.input(Input::HopUnreachable { hop: by_tcp() });
        assert_eq!(told(&bench), 1);
        let request = bench.upstream_gets();
        bench.upstream_sends(reply(&request, 200, &[], ""));
        assert_eq!(bench.browser_gets(flow).status(), Some(200));
    }
    assert_eq!(bench.connects.len(), 1, "not asked again so soon");
    bench.wait(Duration::from_secs(601));
    send(&mut bench, flow, 4, 1300);
    assert_eq!(bench.connects.len(), 2);
}

#[test]
fn a_server_that_takes_connections_no_more_gets_what_waited_for_one_by_udp() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    send(&mut bench, flow, 1, 1300);
    bench.input(Input::HopOpened { hop: by_tcp() });
    bench.ignore_output();
    assert_eq!(send(&mut bench, flow, 2, 1300), by_tcp());
    bench.ignore_output();
    bench.input(Input::HopUnreachable { hop: by_tcp() });
    let again = bench.upstream_gets();
    assert_eq!(bench.last_hop, Some(bench.upstream));
    let via = again.values("Via").next().unwrap().into_owned();
    assert!(via.starts_with("SIP/2.0/UDP "), "{via}");
    bench.upstream_sends(reply(&again, 200, &[], ""));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    bench.ignore_output();
    bench.assert_drained();
}

#[test]
fn udp_only_means_that() {
    let mut bench = Bench::with(|config| config.udp_only = true);
    let flow = bench.open(1);
    assert_eq!(send(&mut bench, flow, 1, 1300), bench.upstream);
    assert!(bench.connects.is_empty());
}
