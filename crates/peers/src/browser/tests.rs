//! Two browsers that call each other.

use super::*;
use crate::sdp::{self, Terms};

const AT: [SocketAddrV4; 2] = [
    SocketAddrV4::new(std::net::Ipv4Addr::new(127, 1, 0, 1), 1),
    SocketAddrV4::new(std::net::Ipv4Addr::new(127, 1, 0, 2), 2),
];

fn meet(told: &str) -> [Browser; 2] {
    let identity = Identity::generate().unwrap();
    let mut pair = [Browser::new(0), Browser::new(1)];
    for k in [0, 1] {
        let terms = Terms {
            ufrag: &pair[1 - k].ufrag,
            password: &pair[1 - k].password,
            fingerprint: if told.is_empty() {
                identity.fingerprint()
            } else {
                told
            },
            setup: "actpass",
        };
        let mut media = Media::parse(&sdp::browser(AT[1 - k], &terms));
        media.ice_lite = k == 0; // one of them is to control
        pair[k].take(&media, k == 0);
    }
    let mut now = SECOND;
    pair.iter_mut().for_each(|b| b.start(&identity, now));
    let mut out = Vec::new();
    while pair.iter().any(|browser| !browser.is_done()) && now < 30 * SECOND {
        pair.iter_mut().for_each(|b| b.tick(now, &mut out));
        for signal in std::mem::take(&mut out) {
            let to = 1 - signal.leg;
            assert_eq!(signal.to, AT[to]);
            pair[to].receive(&signal.bytes, AT[signal.leg], now, &mut out);
        }
        now += SECOND / 1000;
    }
    pair
}

#[test]
fn two_browsers_have_the_same_keys() {
    let mut pair = meet("");
    let [a, b] = pair.each_mut().map(|browser| browser.take_keys());
    let (mut a, mut b) = (a.unwrap(), b.unwrap());
    for (from, to) in [
        (&mut a.outbound, &mut b.inbound),
        (&mut b.outbound, &mut a.inbound),
    ] {
        let mut packet = [0x80; 100];
        let len = from.protect(&mut packet, 60).unwrap();
        assert_eq!(to.unprotect(&mut packet[..len]), Some(60));
    }
    assert_eq!(pair[0].bad_stun + pair[1].bad_stun, 0);
}

#[test]
fn another_certificate_than_the_one_announced_gives_no_keys() {
    let mut pair = meet("00:11");
    assert!(pair.iter_mut().all(|browser| browser.take_keys().is_none()));
    assert!(
        pair.iter()
            .any(|b| b.failed.as_ref().is_some_and(|f| f.contains("certificate")))
    );
}
