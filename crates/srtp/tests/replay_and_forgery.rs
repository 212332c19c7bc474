//! Replayed, forged, damaged and cut packets: refused, and nothing in the context moves.

mod common;

use causeway_srtp::{MAX_INBOUND_SOURCES, Refused, Rejected, Suite, WINDOW};
use common::{SSRC, pair, protect, protect_rtcp, rtcp, rtp};
use testkit::Dice;

#[test]
fn each_packet_is_taken_once_however_often_it_comes() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let mut taken = 0;
        for sequence in 0..50 {
            let packet = protect(&mut sender, &rtp(SSRC, sequence));
            let report = protect_rtcp(&mut sender, &rtcp(SSRC, u32::from(sequence)));
            for again in 0..5 {
                let expected = if again == 0 {
                    None
                } else {
                    Some(Rejected::Replayed)
                };
                assert_eq!(receiver.unprotect(&mut packet.clone()).err(), expected);
                assert_eq!(receiver.unprotect_rtcp(&mut report.clone()).err(), expected);
                taken += usize::from(expected.is_none());
            }
        }
        assert_eq!(taken, 50);
    }
}

#[test]
fn a_late_packet_is_taken_within_the_window_and_not_beyond() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let packets: Vec<_> = (0..300)
            .map(|sequence| protect(&mut sender, &rtp(SSRC, sequence)))
            .collect();
        let last = packets.len() - 1;
        receiver.unprotect(&mut packets[last].clone()).unwrap();
        let oldest = packets.len() - WINDOW as usize;
        assert!(receiver.unprotect(&mut packets[oldest].clone()).is_ok());
        assert_eq!(
            receiver.unprotect(&mut packets[oldest - 1].clone()),
            Err(Rejected::Stale)
        );
    }
}

#[test]
fn one_flipped_bit_anywhere_is_refused_and_changes_nothing() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        for sequence in 0..3 {
            let mut packet = protect(&mut sender, &rtp(SSRC, sequence));
            receiver.unprotect(&mut packet).unwrap();
            let mut report = protect_rtcp(&mut sender, &rtcp(SSRC, u32::from(sequence)));
            receiver.unprotect_rtcp(&mut report).unwrap();
        }
        let packet = protect(&mut sender, &rtp(SSRC, 3));
        let report = protect_rtcp(&mut sender, &rtcp(SSRC, 3));
        let before = receiver.export();
        for bit in 0..8 * packet.len() {
            let mut damaged = packet.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(receiver.unprotect(&mut damaged).is_err(), "{suite:?} {bit}");
        }
        for bit in 0..8 * report.len() {
            let mut damaged = report.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(
                receiver.unprotect_rtcp(&mut damaged).is_err(),
                "{suite:?} {bit}"
            );
        }
        assert_eq!(receiver.export(), before);
        assert!(receiver.unprotect(&mut packet.clone()).is_ok());
        assert!(receiver.unprotect_rtcp(&mut report.clone()).is_ok());
    }
}

#[test]
fn junk_of_every_length_is_refused_and_never_panics() {
    let mut dice = Dice::new(3);
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        receiver
            .unprotect(&mut protect(&mut sender, &rtp(SSRC, 9)))
            .unwrap();
        let before = receiver.export();
        for len in 0..1500 {
            for first in [0x80, 0x9f, 0xb3, 0x00] {
                let mut junk: Vec<u8> = dice.bytes(len);
                if let Some(byte) = junk.first_mut() {
                    *byte = first;
                }
                assert!(receiver.unprotect(&mut junk.clone()).is_err());
                assert!(receiver.unprotect_rtcp(&mut junk.clone()).is_err());
                let _ = sender.protect(&mut junk.clone(), len);
                let _ = sender.protect(&mut junk.clone(), len.saturating_sub(20));
                let _ = sender.protect_rtcp(&mut junk.clone(), len.saturating_sub(20));
                let _ = sender.protect_rtcp(&mut junk, len + 1);
            }
        }
        assert_eq!(receiver.export(), before);
    }
}

#[test]
fn every_cut_of_a_good_packet_is_refused() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let packet = protect(&mut sender, &rtp(SSRC, 1));
        let report = protect_rtcp(&mut sender, &rtcp(SSRC, 1));
        for cut in 0..packet.len() {
            assert!(receiver.unprotect(&mut packet[..cut].to_vec()).is_err());
        }
        for cut in 0..report.len() {
            assert!(
                receiver
                    .unprotect_rtcp(&mut report[..cut].to_vec())
                    .is_err()
            );
        }
    }
}

#[test]
fn forged_sources_push_out_nobody() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        for ssrc in 0..4 {
            let mut packet = protect(&mut sender, &rtp(ssrc, 65_535));
            receiver.unprotect(&mut packet).unwrap();
        }
        let before = receiver.export();
        for ssrc in 100..1000 {
            let mut forged = rtp(ssrc, 0);
            forged.extend([0; 16]);
            assert_eq!(receiver.unprotect(&mut forged), Err(Rejected::Unauthentic));
        }
        assert_eq!(receiver.export(), before);
    }
}

#[test]
fn the_source_idle_for_longest_makes_room() {
    let (mut sender, mut receiver) = pair(Suite::AeadAes128Gcm);
    let sources = MAX_INBOUND_SOURCES as u32;
    for ssrc in 0..=sources {
        // Source 0 goes on talking.
        for ssrc in [0, ssrc.max(1)] {
            let sequence = sender.highest(ssrc).map_or(0, |index| index as u16 + 1);
            let mut packet = protect(&mut sender, &rtp(ssrc, sequence));
            receiver.unprotect(&mut packet).unwrap();
        }
    }
    assert!(receiver.highest(0).is_some());
    assert!(receiver.highest(1).is_none());
    assert!(receiver.highest(sources).is_some());
    assert_eq!(receiver.export().rtp.len(), MAX_INBOUND_SOURCES);
}

#[test]
fn no_index_is_protected_twice() {
    for suite in Suite::ALL {
        let (mut sender, _) = pair(suite);
        let mut buffer = rtp(SSRC, 500);
        let len = buffer.len();
        buffer.resize(len + 20, 0);
        let plain = buffer.clone();
        sender.protect(&mut buffer, len).unwrap();
        let mut other = plain.clone();
        other[40] ^= 1;
        let before = other.clone();
        assert_eq!(sender.protect(&mut other, len), Err(Refused::Reused));
        assert_eq!(other, before);
    }
}

#[test]
fn a_buffer_without_room_for_the_tag_is_refused_untouched() {
    for suite in Suite::ALL {
        let (mut sender, _) = pair(suite);
        let plain = rtp(SSRC, 1);
        let mut tight = plain.clone();
        tight.resize(plain.len() + suite.rtp_overhead() - 1, 0);
        let before = tight.clone();
        assert_eq!(
            sender.protect(&mut tight, plain.len()),
            Err(Refused::NoRoom)
        );
        assert_eq!(tight, before);
        assert_eq!(sender.highest(SSRC), None);
    }
}
