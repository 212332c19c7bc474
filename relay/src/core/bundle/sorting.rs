//! Which medium of a bundle a packet is of (RFC 8843 section 9.2): what its header extension says, or else what is
//! known of its source, or else what its payload type is; a report is of the medium of the source that it is about.

use rtp::Packet;
use rtp::rtcp::Compound;

use super::Bundle;
use crate::core::leg::Leg;
use crate::core::shard::Place;
use crate::core::table::Key;
use crate::core::{Drop, Shard};

impl Shard {
    /// The medium that a packet on a carrier's port belongs to, and where it goes. `packet` is plain.
    pub(in crate::core) fn ridden(
        &mut self,
        place: Place,
        peer: Key<Leg>,
        is_rtcp: bool,
        packet: &[u8],
    ) -> Result<(Place, Key<Leg>), Drop> {
        let Some(carrier) = self.legs.get(place.leg) else {
            return Ok((place, peer));
        };
        if carrier.bundle.riders.is_empty() {
            return Ok((place, peer));
        }
        let medium = if is_rtcp {
            carrier.bundle.of_report(packet)
        } else {
            self.medium_of(place.leg, packet)?
        };
        let Some(rider) = medium.filter(|medium| *medium != place.leg) else {
            return Ok((place, peer));
        };
        let peer = self.legs.get(rider).and_then(|leg| leg.peer);
        let place = Place {
            leg: rider,
            ..place
        };
        Ok((place, peer.ok_or(Drop::PeerUnknown)?))
    }

    fn medium_of(&mut self, carrier: Key<Leg>, packet: &[u8]) -> Result<Option<Key<Leg>>, Drop> {
        let Some(leg) = self.legs.get(carrier) else {
            return Ok(None);
        };
        let packet = Packet::parse(packet).map_err(|_| Drop::Malformed)?;
        let media = || std::iter::once(carrier).chain(leg.bundle.riders.iter().copied());
        let mid = leg.terms.extensions.mid();
        if let Some(mid) = mid.and_then(|number| packet.element(number)) {
            let is_it = |key: &Key<Leg>| {
                let known = self.legs.get(*key).and_then(|leg| leg.terms.mid.as_ref());
                known.is_some_and(|known| known.as_str().as_bytes() == mid)
            };
            let medium = media().find(is_it).ok_or(Drop::UnknownMid)?;
            self.note_sent(carrier, packet.ssrc(), medium);
            return Ok(Some(medium));
        }
        let names = |key: &Key<Leg>| {
            let leg = self.legs.get(*key);
            leg.is_some_and(|leg| leg.codecs.get(packet.payload_type()).is_some())
        };
        let by_source = leg.bundle.sends.get(packet.ssrc());
        if by_source.filter(names).is_some() {
            return Ok(by_source);
        }
        let by_payload_type = media().find(names);
        if let (None, Some(medium)) = (by_source, by_payload_type) {
            self.note_sent(carrier, packet.ssrc(), medium);
        }
        Ok(by_payload_type.or(by_source))
    }

    fn note_sent(&mut self, carrier: Key<Leg>, source: u32, medium: Key<Leg>) {
        if let Some(carrier) = self.legs.get_mut(carrier) {
            carrier.bundle.sends.note(source, medium);
        }
    }

    /// Remembers that reports of the carrier's side about this source are about `medium`.
    pub(in crate::core) fn note_heard(&mut self, carrier: Key<Leg>, source: u32, medium: Key<Leg>) {
        if let Some(carrier) = self.legs.get_mut(carrier) {
            carrier.bundle.hears.note(source, medium);
        }
    }
}

impl Bundle {
    /// A compound packet goes where it asks for something, be it a picture or a packet; or else to the source that it
    /// reports on, or to the one that sends it.
    fn of_report(&self, packet: &[u8]) -> Option<Key<Leg>> {
        let about = |at: usize| self.hears.get(word(packet, at)?);
        let mut packets = Compound::parse(packet).into_iter().flatten();
        let asked = packets.find_map(|packet| self.hears.get(packet.feedback()?.media));
        let by = || self.sends.get(word(packet, 4)?);
        // In a sender report the sender's figures stand between the two.
        let is_sender_report = packet.get(1) == Some(&200);
        let reported = || about(if is_sender_report { 28 } else { 8 });
        asked.or_else(reported).or_else(by)
    }
}

fn word(packet: &[u8], at: usize) -> Option<u32> {
    let bytes = packet.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*bytes))
}
