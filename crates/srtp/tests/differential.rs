//! Against another implementation: webrtc-srtp opens what we protect and we open what it protects, byte for byte.

#![allow(
    clippy::unwrap_used,
    reason = "tests may stop on what is not as it should be"
)]

mod common;

use causeway_srtp::{Inbound, Outbound, Suite};
use common::{SSRC, key, pair, protect, protect_rtcp, rtcp, rtp};
use testkit::Dice;
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

fn theirs(suite: Suite) -> Context {
    let profile = match suite {
        Suite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AesCm256HmacSha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Suite::AesCm256HmacSha1_32 => ProtectionProfile::Aes256CmHmacSha1_32,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    };
    let key = key(suite);
    Context::new(key.key(), key.salt(), profile, None, None).unwrap()
}

/// Sequence numbers from 65,500 across the wrap, a fifth lost, the rest shuffled within reach of each other.
fn rough_sequence(dice: &mut Dice) -> Vec<u16> {
    let mut sequence: Vec<u16> = (0..600_u16)
        .map(|n| 65_500_u16.wrapping_add(n))
        .filter(|_| !dice.chance(20))
        .collect();
    // The first and one near the wrap stay, so that both sides see the wrap.
    sequence[0] = 65_500;
    for at in 1..sequence.len() - 8 {
        if dice.chance(30) {
            sequence.swap(at, at + dice.roll() as usize % 8);
        }
    }
    sequence
}

/// A packet with CSRCs, extension and padding.
fn laden(sequence: u16) -> Vec<u8> {
    let mut packet = rtp(SSRC, sequence);
    packet[0] = 0xb2;
    let rest = packet.split_off(12);
    packet.extend([0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 0x10, 3, 0, 0]);
    packet.extend(rest);
    packet.extend([0, 0, 0, 4]);
    packet
}

#[test]
fn they_open_what_we_protect_across_a_wrap() {
    for suite in Suite::ALL {
        let (mut ours, mut theirs) = (Outbound::new(&key(suite)), theirs(suite));
        for sequence in rough_sequence(&mut Dice::new(7)) {
            let plain = rtp(SSRC, sequence);
            let protected = protect(&mut ours, &plain);
            assert_eq!(protected.len(), plain.len() + suite.rtp_overhead());
            let opened = theirs.decrypt_rtp(&protected);
            assert_eq!(opened.unwrap()[..], plain, "{suite:?} {sequence}");
        }
    }
}

#[test]
fn we_open_what_they_protect_across_a_wrap() {
    for suite in Suite::ALL {
        let (mut ours, mut theirs) = (Inbound::new(&key(suite)), theirs(suite));
        for sequence in rough_sequence(&mut Dice::new(11)) {
            let plain = rtp(SSRC, sequence);
            let mut packet = theirs.encrypt_rtp(&plain).unwrap().to_vec();
            let len = ours.unprotect(&mut packet).unwrap();
            assert_eq!(packet[..len], plain, "{suite:?} {sequence}");
        }
        assert_eq!(ours.highest(SSRC).unwrap() >> 16, 1, "{suite:?}");
    }
}

#[test]
fn both_make_the_same_bytes() {
    for suite in Suite::ALL {
        let (mut ours, mut theirs) = (Outbound::new(&key(suite)), theirs(suite));
        for sequence in 1000..1100 {
            let plain = laden(sequence);
            let protected = protect(&mut ours, &plain);
            assert_eq!(protected, theirs.encrypt_rtp(&plain).unwrap(), "{suite:?}");
        }
    }
}

#[test]
fn rtcp_goes_both_ways() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let mut theirs = theirs(suite);
        for number in 0..300 {
            for ssrc in [SSRC, 1] {
                let plain = rtcp(ssrc, number);
                let protected = protect_rtcp(&mut sender, &plain);
                assert_eq!(protected.len(), plain.len() + suite.rtcp_overhead());
                let opened = theirs.decrypt_rtcp(&protected).unwrap();
                assert_eq!(opened[..], plain, "{suite:?}");

                let mut packet = theirs.encrypt_rtcp(&plain).unwrap().to_vec();
                let len = receiver.unprotect_rtcp(&mut packet).unwrap();
                assert_eq!(packet[..len], plain, "{suite:?}");
            }
        }
    }
}
