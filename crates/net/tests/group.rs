//! Several sockets at one address: what comes to which.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // a test may stop on the first surprise

use std::net::{SocketAddr, UdpSocket as StdSocket};

use causeway_net::udp::{Options, UdpSocket, bind_group, steer_checks};

const MARKS: &[u8] = b"ABCxyz01";

fn group(address: &str) -> Vec<UdpSocket> {
    let group = bind_group(address.parse().unwrap(), MARKS.len(), Options::default()).unwrap();
    steer_checks(&group[0], MARKS).unwrap();
    group
}

/// Which of them a datagram comes to. On loopback it is there when the call that sends it returns.
fn whose(group: &[UdpSocket], from: &StdSocket, datagram: &[u8]) -> usize {
    from.send_to(datagram, group[0].local_addr()).unwrap();
    let mut buffer = [0; 2000];
    let got: Vec<usize> = (0..group.len())
        .filter(|number| group[*number].receive(&mut buffer).unwrap().is_some())
        .collect();
    assert_eq!(got.len(), 1, "{got:?}");
    got[0]
}

/// An attribute with its padding.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = [kind.to_be_bytes(), (value.len() as u16).to_be_bytes()].concat();
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn stun(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    let attributes = attributes.concat();
    let mut out = [kind.to_be_bytes(), (attributes.len() as u16).to_be_bytes()].concat();
    out.extend([0x21, 0x12, 0xa4, 0x42]);
    out.extend([7; 12]);
    out.extend(attributes);
    out
}

fn check(before: &[Vec<u8>], name: &str) -> Vec<u8> {
    stun(1, &[before, &[attribute(6, name.as_bytes())]].concat())
}

#[test]
fn a_check_comes_to_the_socket_that_its_user_name_begins_with() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let group = group(address);
        let mut ip: SocketAddr = address.parse().unwrap();
        ip.set_port(0);
        // Several, so that none is right by chance.
        for peer in [(); 4].map(|()| StdSocket::bind(ip).unwrap()) {
            for (number, mark) in MARKS.iter().enumerate() {
                let name = format!("{}2345678:theirs", char::from(*mark));
                assert_eq!(whose(&group, &peer, &check(&[], &name)), number);
                // USE-CANDIDATE, PRIORITY, a tie-breaker and something of an odd length come first.
                let before = [
                    attribute(0x25, &[]),
                    attribute(0x24, &[1; 4]),
                    attribute(0x802a, &[2; 8]),
                    attribute(0xc057, &[3; 5]),
                ];
                assert_eq!(whose(&group, &peer, &check(&before, &name)), number);
                let before: Vec<_> = (0..7).map(|at| attribute(0x8000 + at, &[4; 3])).collect();
                assert_eq!(whose(&group, &peer, &check(&before, &name)), number);
            }
        }
    }
}

#[test]
fn everything_else_of_a_sender_comes_to_one_socket_and_of_many_to_all() {
    let group = group("127.0.0.1:0");
    let mut used = [false; MARKS.len()];
    let far: Vec<_> = (0..8).map(|at| attribute(0x8000 + at, &[])).collect();
    let whole = check(&[], "B2345678:theirs");
    let mut others = vec![
        vec![],
        vec![0],
        b"\x80\0 no check B".to_vec(),
        stun(0x0101, &[attribute(6, b"B2345678:theirs")]),
        stun(0x0011, &[attribute(6, b"B2345678:theirs")]),
        check(&[], "?2345678:theirs"),
        check(&[], ""),
        check(&far, "B2345678:theirs"),
        [&whole[..4], b"1234", &whole[8..]].concat(),
        [&stun(1, &[])[..], &[0x80, 0x22, 0xff, 0xff], &[0; 40]].concat(),
    ];
    others.extend((0..=24).map(|len| whole[..len].to_vec()));
    for peer in (0..64).map(|_| StdSocket::bind("127.0.0.1:0").unwrap()) {
        let home = whose(&group, &peer, b"media");
        used[home] = true;
        for other in &others {
            assert_eq!(whose(&group, &peer, other), home, "{other:?}");
        }
    }
    assert_eq!(used, [true; MARKS.len()]);
}

#[test]
fn a_port_that_somebody_has_is_refused_and_ours_is_nobodys_but_ours() {
    let group = group("127.0.0.1:0");
    let at = group[0].local_addr();
    assert!(group.iter().all(|socket| socket.local_addr() == at));
    assert!(bind_group(at, 2, Options::default()).is_err());
    assert!(bind_group(at, 1, Options::default()).is_err());
    assert!(UdpSocket::bind(at, Options::default()).is_err());
    drop(group);
    UdpSocket::bind(at, Options::default()).unwrap();
}
