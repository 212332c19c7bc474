//! Media that a re-offer ends, with port 0. Their ports stay until the answer: if the far side refuses the re-offer, the
//! call goes on as it was, with the ports that everybody knows.

use std::time::Instant;

use super::call::Call;
use super::leg::Leg;
use super::table::Key;
use super::{Ports, Shard};

impl Shard {
    /// An offer ends a medium of these legs.
    pub(super) fn leave(
        &mut self,
        call: Key<Call>,
        legs: [Key<Leg>; 2],
        now: Instant,
        ports: &mut dyn Ports,
    ) {
        let may_be_refused = self
            .calls
            .get(call)
            .is_some_and(|call| call.answered.is_some());
        for key in legs {
            match self.legs.get_mut(key) {
                Some(leg) if may_be_refused && leg.rtp.is_some() => leg.leaving = true,
                _ => self.close_ports(key, now, ports),
            }
        }
    }

    /// An offer wants this medium: it was not to end, after all.
    pub(super) fn stay(&mut self, legs: [Key<Leg>; 2]) {
        for key in legs {
            if let Some(leg) = self.legs.get_mut(key) {
                leg.leaving = false;
            }
        }
    }

    /// An answer has come, and it is certain what ends.
    pub(super) fn close_left(
        &mut self,
        call: Key<Call>,
        parties: [usize; 2],
        now: Instant,
        ports: &mut dyn Ports,
    ) {
        for key in self.legs_of_parties(call, parties, 0) {
            if self.legs.get(key).is_some_and(|leg| leg.leaving) {
                self.stay([key; 2]);
                self.close_ports(key, now, ports);
            }
        }
    }

    /// An offer has only so many media. A body never loses media lines (RFC 3264 section 8): those beyond were added by an
    /// offer that was refused.
    pub(super) fn close_beyond(
        &mut self,
        call: Key<Call>,
        parties: [usize; 2],
        media: usize,
        now: Instant,
        ports: &mut dyn Ports,
    ) {
        for key in self.legs_of_parties(call, parties, media) {
            self.close_ports(key, now, ports);
        }
    }

    /// The legs of two parties, without the first ones of each.
    fn legs_of_parties(
        &self,
        call: Key<Call>,
        parties: [usize; 2],
        without: usize,
    ) -> Vec<Key<Leg>> {
        let call = self.calls.get(call);
        let parties = parties.iter().filter_map(|party| call?.party(*party));
        parties
            .flat_map(|party| party.legs.iter().skip(without).copied())
            .collect()
    }
}
