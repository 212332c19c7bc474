//! The roll-over counter: through wraps with loss and reordering, from a lost beginning, and across a restart.

mod common;

use std::collections::HashSet;

use causeway_srtp::{Inbound, MAX_RESERVE, Outbound, OutboundState, Refused, Suite};
use common::{SSRC, pair, protect, protect_rtcp, rtcp, rtp};
use testkit::Dice;

#[test]
fn every_packet_that_arrives_is_heard_through_three_wraps_at_20_percent_loss() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let mut dice = Dice::new(42);
        let mut held: Vec<(u16, Vec<u8>)> = Vec::new();
        for n in 0..(3 * 65_536_u32 + 100) / 64 {
            // Sixty-four at a time arrive in any order; whole blocks are skipped so that three wraps stay quick.
            for at in 0..8 {
                let sequence = 65_500_u16.wrapping_add((n * 64 + at) as u16);
                let packet = protect(&mut sender, &rtp(SSRC, sequence));
                if n == 0 || !dice.chance(20) {
                    held.push((sequence, packet));
                }
            }
            while let Some(at) = (dice.roll() as usize).checked_rem(held.len()) {
                let (sequence, mut packet) = held.swap_remove(at);
                let len = receiver.unprotect(&mut packet).unwrap();
                assert_eq!(packet[..len], rtp(SSRC, sequence), "{suite:?}");
            }
        }
        assert_eq!(receiver.highest(SSRC).unwrap() >> 16, 3);
    }
}

#[test]
fn a_source_whose_packets_before_the_first_wrap_were_lost_is_heard() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        for sequence in 65_500..=65_535 {
            protect(&mut sender, &rtp(SSRC, sequence));
        }
        for sequence in 3..20 {
            let mut packet = protect(&mut sender, &rtp(SSRC, sequence));
            receiver.unprotect(&mut packet).unwrap();
        }
        assert_eq!(receiver.highest(SSRC), Some(0x1_0013));
    }
}

#[test]
fn packets_reordered_around_a_start_just_before_the_wrap_are_heard() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        let mut before = protect(&mut sender, &rtp(SSRC, 65_535));
        let mut after = protect(&mut sender, &rtp(SSRC, 0));
        receiver.unprotect(&mut after).unwrap();
        receiver.unprotect(&mut before).unwrap();
    }
}

#[test]
fn a_late_packet_from_before_the_first_one_is_not_taken_for_one_far_ahead() {
    let (mut sender, mut receiver) = pair(Suite::AesCm128HmacSha1_80);
    receiver
        .unprotect(&mut protect(&mut sender, &rtp(SSRC, 0)))
        .unwrap();
    let mut late = rtp(SSRC, 65_535);
    late.resize(200, 0);
    assert_eq!(sender.protect(&mut late, 172), Err(Refused::Stale));
    receiver
        .unprotect(&mut protect(&mut sender, &rtp(SSRC, 1)))
        .unwrap();
}

#[test]
fn a_saved_call_goes_on_in_another_process_after_the_wrap() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = pair(suite);
        for n in 0..100_u16 {
            let sequence = 65_500_u16.wrapping_add(n);
            let mut packet = protect(&mut sender, &rtp(SSRC, sequence));
            receiver.unprotect(&mut packet).unwrap();
            receiver
                .unprotect_rtcp(&mut protect_rtcp(&mut sender, &rtcp(SSRC, 1)))
                .unwrap();
        }
        let mut sender = Outbound::import(&sender.export());
        let mut receiver = Inbound::import(&receiver.export());
        for n in 100..200_u16 {
            let sequence = 65_500_u16.wrapping_add(n);
            let mut packet = protect(&mut sender, &rtp(SSRC, sequence));
            let mut again = packet.clone();
            receiver.unprotect(&mut packet).unwrap();
            assert!(receiver.unprotect(&mut again).is_err());
            receiver
                .unprotect_rtcp(&mut protect_rtcp(&mut sender, &rtcp(SSRC, 1)))
                .unwrap();
        }
        assert_eq!(receiver.highest(SSRC).unwrap() >> 16, 1);
    }
}

/// Crashes at random moments; the state on disk is a reservation, renewed only when it is used up.
#[test]
fn no_index_is_used_twice_over_many_crashes_with_reservations() {
    const RESERVED: u16 = 50;
    let (mut sender, mut receiver) = pair(Suite::AeadAes128Gcm);
    let mut dice = Dice::new(5);
    let mut used = HashSet::new();
    let mut next = 65_000_u64;
    protect(&mut sender, &rtp(SSRC, next as u16));
    let mut disk: OutboundState = sender.export().reserve(RESERVED);
    for _ in 0..10_000 {
        if dice.chance(10) {
            // The crash: what ran is gone, the disk remains. Forwarding numbers on above what was reserved.
            sender = Outbound::import(&disk);
            next = sender.highest(SSRC).unwrap();
            disk = sender.export().reserve(RESERVED);
        }
        next += 1;
        let mut packet = protect(&mut sender, &rtp(SSRC, next as u16));
        assert!(used.insert(sender.highest(SSRC).unwrap()));
        receiver.unprotect(&mut packet).unwrap();
        let ceiling = disk.rtp.first().unwrap().highest;
        if sender.highest(SSRC).unwrap() >= ceiling {
            disk = sender.export().reserve(RESERVED);
        }
    }
    assert!(receiver.highest(SSRC).unwrap() >> 16 >= 1);
}

#[test]
fn a_reservation_stays_where_receivers_guess_right() {
    let (mut sender, mut receiver) = pair(Suite::AeadAes256Gcm);
    for sequence in [65_000, 65_001] {
        let mut packet = protect(&mut sender, &rtp(SSRC, sequence));
        receiver.unprotect(&mut packet).unwrap();
    }
    let mut sender = Outbound::import(&sender.export().reserve(u16::MAX));
    let highest = sender.highest(SSRC).unwrap();
    assert_eq!(highest, 65_001 + u64::from(MAX_RESERVE));
    let mut packet = protect(&mut sender, &rtp(SSRC, highest as u16 + 1));
    receiver.unprotect(&mut packet).unwrap();
}
