//! `list` and `statistics`, over all shards.

use std::net::UdpSocket;

use control_proto::{Command, Dictionary, Format, Request, Response, Value};

use super::clients::{Door, Tcp, Udp};
use super::{Relay, answer, ask, offer, phone};

fn limited(command: Command, limit: Option<Value>) -> Request {
    let mut request = Request::new(command);
    if let Some(limit) = limit {
        request.other.push("limit", limit);
    }
    request
}

fn calls(response: &Response) -> Vec<String> {
    let calls = response
        .other
        .get("calls")
        .and_then(Value::as_list)
        .unwrap();
    let mut calls: Vec<String> = calls
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    calls.sort();
    calls
}

fn statistics(door: &mut dyn Door) -> Dictionary {
    let response = ask(door, &Request::new(Command::Statistics), Format::Json);
    response
        .other
        .get("statistics")
        .and_then(Value::as_dictionary)
        .unwrap()
        .clone()
}

fn number(statistics: &Dictionary, group: &str, key: &str) -> i64 {
    let group = statistics
        .get(group)
        .and_then(Value::as_dictionary)
        .unwrap();
    match group.get(key) {
        Some(Value::Integer(number)) => *number,
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn list_names_the_calls_of_every_shard_up_to_its_limit() {
    let relay = Relay::start();
    let mut door = Tcp::connect(relay.tcp);
    let list = |door: &mut dyn Door, limit| {
        calls(&ask(door, &limited(Command::List, limit), Format::Bencode))
    };
    assert!(list(&mut door, None).is_empty());
    let mut made: Vec<String> = (0..50)
        .map(|number| format!("listed {number:02}"))
        .collect();
    for call in &made {
        assert!(ask(&mut door, &offer(call), Format::Bencode).is_ok());
    }
    made.sort();
    assert_eq!(list(&mut door, Some(100.into())), made);
    assert_eq!(list(&mut door, Some("100".into())), made);
    let some = list(&mut door, None);
    assert_eq!(some.len(), 32);
    assert!(some.iter().all(|call| made.contains(call)));
    assert_eq!(list(&mut door, Some(3.into())).len(), 3);
    assert_eq!(list(&mut door, Some(0.into())).len(), 0);
    assert_eq!(list(&mut door, Some((-5).into())).len(), 32);
}

#[test]
fn statistics_count_calls_and_packets_and_commands() {
    let relay = Relay::start();
    let mut door = Udp::connect(relay.udp);
    let none = statistics(&mut door);
    assert_eq!(number(&none, "currentstatistics", "sessionstotal"), 0);
    assert_eq!(number(&none, "totalstatistics", "managedsessions"), 0);

    let (caller, callee) = (phone("127.0.0.3"), phone("127.0.0.4"));
    for call in ["heard", "unheard", "kept"] {
        let to_callee = offer_from(&caller, call, &mut door);
        let to_caller = answer(call, &callee, &mut door);
        assert_ne!(to_callee, to_caller);
        if call == "heard" {
            for number in 0..10_u8 {
                let packet = [
                    &[0x80, 0, 0, number, 0, 0, number, 0, 0, 0, 0, 1][..],
                    &[7; 160],
                ]
                .concat();
                caller.send_to(&packet, to_caller).unwrap();
                callee.recv(&mut [0; 200]).unwrap();
            }
        }
    }
    for call in ["heard", "unheard"] {
        let mut delete = Request::new(Command::Delete);
        delete.call_id = Some(call.to_owned());
        delete.delete_delay = Some(std::time::Duration::ZERO);
        assert!(ask(&mut door, &delete, Format::Bencode).is_ok());
    }
    assert_eq!(door.exchange(b"bad nonsense").first(), Some(&b'b'));

    let told = statistics(&mut door);
    for (group, key, expected) in [
        ("currentstatistics", "sessionsown", 1),
        ("currentstatistics", "sessionstotal", 1),
        ("currentstatistics", "media_userspace", 2),
        ("totalstatistics", "managedsessions", 2),
        ("totalstatistics", "regularterminatedsessions", 2),
        ("totalstatistics", "offertimeoutsessions", 0),
        ("totalstatistics", "rejectedsessions", 0),
        ("totalstatistics", "relayedpackets", 10),
        ("totalstatistics", "relayedbytes", 1720),
        ("totalstatistics", "relayedpacketerrors", 0),
        ("totalstatistics", "onewaystreams", 1),
        ("totalstatistics", "zerowaystreams", 1),
        ("controlstatistics", "totaloffercount", 3),
        ("controlstatistics", "totalanswercount", 3),
        ("controlstatistics", "totaldeletecount", 2),
        ("controlstatistics", "totalstatscount", 1),
    ] {
        assert_eq!(number(&told, group, key), expected, "{group} {key}");
    }
    let group = |name: &str| told.get(name).and_then(Value::as_dictionary).unwrap();
    let text =
        |group: &Dictionary, key: &str| group.get(key).and_then(Value::as_str).unwrap().to_owned();
    let took = text(group("totalstatistics"), "totalcallsduration");
    assert!(took.parse::<f64>().unwrap() > 0.0);
    assert_eq!(took.split_once('.').unwrap().1.len(), 6, "{took}");
    assert!(
        group("totalstatistics")
            .get("uptime")
            .unwrap()
            .as_str()
            .is_some()
    );
    assert_eq!(
        text(group("intervalstatistics"), "maxofferdelay"),
        "0.000000",
        "no interval is over"
    );
    assert_eq!(text(group("mos"), "mos_total"), "0.000000");
    let proxies = group("controlstatistics")
        .get("proxies")
        .and_then(Value::as_list)
        .unwrap();
    let [proxy] = proxies else {
        panic!("{proxies:?}")
    };
    let proxy = proxy.as_dictionary().unwrap();
    assert_eq!(text(proxy, "proxy"), "127.0.0.1");
    let interfaces = told.get("interfaces").and_then(Value::as_list).unwrap();
    let [interface] = interfaces else {
        panic!("{interfaces:?}")
    };
    let interface = interface.as_dictionary().unwrap();
    assert_eq!(text(interface, "name"), "public");
    assert_eq!(text(interface, "address"), "127.0.0.1");
    let ports = interface.get("ports").and_then(Value::as_dictionary);
    let port = |key: &str| ports.unwrap().get(key).and_then(Value::as_integer).unwrap();
    // Four for each call; those of the deleted ones rest.
    assert!((4..=12).contains(&port("used")), "{ports:?}");
    assert_eq!(port("used") + port("free"), port("totals"));
    assert_eq!(port("max") - port("min") + 1, port("totals"));
    assert_eq!(proxy.get("errorcount"), Some(&Value::Integer(1)));
    assert!(text(proxy, "offerduration").parse::<f64>().unwrap() > 0.0);
}

fn offer_from(phone: &UdpSocket, call: &str, door: &mut dyn Door) -> std::net::SocketAddr {
    let mut request = offer(call);
    request.sdp = Some(super::sdp(phone));
    super::media_address(&ask(door, &request, Format::Bencode))
}
