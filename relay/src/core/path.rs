//! The walk of one packet, from top to bottom. It takes no lock, writes no log line, reads no clock, and allocates nothing
//! but the copies that are named here; the packet is decrypted, rewritten and encrypted where it lies.
//!
//! 1. the socket names the leg ([`Shard::receive`]); where two may be meant a copy is tried on both (`contested.rs`)
//! 2. the first bytes name the protocol (RFC 7983); STUN and DTLS leave here
//! 3. is this source heard on this leg?
//! 4. SRTP: replay window, tag, decryption; a copy of what is here before its keys waits for them (`early.rs`)
//! 5. learn where the peer is: only from what step 4 has proved, or from what the SDP said; count (`sources.rs`),
//!    and drop what is more than the medium can need (`rate.rs`)
//! 6. what a command holds back is dropped or silenced (`leg.gate`), what the other side does not understand is taken
//!    out: feedback, header extensions (`leg.renumbering`); the numbers make room for events that are played (`leg.injection`)
//!    and a copy is made where the call is recorded (`leg.tap`) or has subscribers (`leg.copies`)
//! 7. protect for the other side; one datagram goes out
//!
//! Every step that says no names its [`Drop`].

use std::net::SocketAddr;
use std::time::Instant;

use rtp::Kind;

use super::address::StreamPosition;
use super::authentic;
use super::leg::{Component, Keys, Leg, Transport};
use super::reports;
use super::shard::Place;
use super::shared::Owners;
use super::table::Key;
use super::{Drop, HEADROOM, Output, Received, Send, Shard, Shards, SocketId};

/// What a datagram on a media port is, once the first bytes have been looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Rtp,
    Rtcp,
    /// Plain UDP by agreement (T.38): passed on as it is, and not looked into.
    Other,
}

/// A datagram in its buffer.
pub(super) struct Datagram<'a> {
    pub(super) buffer: &'a mut [u8],
    pub(super) len: usize,
    pub(super) from: SocketAddr,
}

impl Datagram<'_> {
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        let len = self.len.min(self.buffer.len());
        self.buffer.get_mut(..len).unwrap_or_default()
    }
}

impl Shard {
    /// Takes the datagram in `buffer[..len]` that came to `socket` from `from`. What it becomes, if it is sent on at
    /// once, stands in the same buffer afterwards: leave at least [`HEADROOM`](super::HEADROOM) bytes behind `len`.
    pub fn receive(
        &mut self,
        socket: SocketId,
        from: SocketAddr,
        buffer: &mut [u8],
        len: usize,
        now: Instant,
    ) -> Received {
        let mut datagram = Datagram { buffer, len, from };
        // 1. socket to leg; where many share one, source to leg
        let place = match self.place(socket) {
            Some(place) => place,
            None => match self.shared.find(socket, from, datagram.bytes()) {
                Some(Owners {
                    first,
                    rivals: None,
                }) => Place::of(first),
                owners => return self.disputed(owners, socket, datagram, Shards::default(), now),
            },
        };
        let done = self.walk(place, socket, &mut datagram, now);
        self.or_count(place, done)
    }

    /// From the leg's port on.
    #[inline]
    pub(super) fn walk(
        &mut self,
        place: Place,
        socket: SocketId,
        datagram: &mut Datagram<'_>,
        now: Instant,
    ) -> Result<Received, Drop> {
        let from = datagram.from;
        // 2. which protocol
        match self.legs.get(place.leg) {
            Some(leg) if leg.passing.is_some() => {
                let done = self.pass_through((place, socket), from, datagram.bytes(), now);
                return done.map(Received::Send);
            }
            Some(leg) if !leg.terms.protocol.is_rtp() => {
                return self.forward(place, Media::Other, datagram, now);
            }
            _ => {}
        }
        let done = match rtp::demux(datagram.bytes()) {
            Kind::Rtp => self.forward(place, Media::Rtp, datagram, now),
            Kind::Rtcp => self.forward(place, Media::Rtcp, datagram, now),
            Kind::Stun => {
                let done = self.stun((place, socket), from, datagram.bytes(), now);
                done.map(|()| Received::Nothing)
            }
            Kind::Dtls => {
                let done = self.dtls((place, socket), from, datagram.bytes(), now);
                done.map(|()| Received::Nothing)
            }
            Kind::Zrtp | Kind::TurnChannel | Kind::Unknown => Err(Drop::Malformed),
        };
        match done {
            // It may be right behind the handshake's last word.
            Err(Drop::NoKeys) => self.hold((place, socket), from, datagram.bytes(), now),
            done => done,
        }
    }

    /// Counts a datagram that came to `socket` from `from` and is dropped unseen, since it has waited for too long.
    pub fn too_late(&mut self, socket: SocketId, from: SocketAddr, datagram: &[u8]) {
        let place = self.place(socket).or_else(|| {
            let owners = self.shared.find(socket, from, datagram)?;
            Some(Place::of(owners.first))
        });
        match place {
            Some(place) => self.count_drop(place, Drop::TooLate),
            None => self.strays = self.strays.wrapping_add(1),
        }
    }

    pub(super) fn or_count(&mut self, place: Place, done: Result<Received, Drop>) -> Received {
        done.unwrap_or_else(|reason| {
            self.count_drop(place, reason);
            Received::Nothing
        })
    }

    fn forward(
        &mut self,
        place: Place,
        kind: Media,
        datagram: &mut Datagram<'_>,
        now: Instant,
    ) -> Result<Received, Drop> {
        let peer = self
            .legs
            .get(place.leg)
            .and_then(|leg| leg.peer)
            .ok_or(Drop::PeerUnknown)?;
        let leg = self.legs.get_mut(place.leg).ok_or(Drop::NoLeg)?;
        let kind = kind.on(place.component, leg)?;
        let wire_len = datagram.len;
        take_in(leg, place.component, kind, datagram, now)?;
        if let Some(transport) = leg.transport_mut(place.component) {
            transport.received.count(wire_len);
            transport.last_heard = Some(now);
        }
        let is_rtcp = kind == Media::Rtcp;
        let (place, peer) = self.ridden(place, peer, is_rtcp, datagram.bytes())?;
        let leg = self.legs.get_mut(place.leg).ok_or(Drop::NoLeg)?;
        let rate = self.config.packet_rates.of(&leg.terms.kind);
        leg.pace.admit(rate, now)?;
        let plain = (!leg.copies.is_empty()).then(|| datagram.bytes().to_vec());
        let sent = self.pass_on(place, peer, kind, datagram, now);
        if let Some(plain) = plain {
            self.send_copies(place.leg, kind, &plain);
        }
        sent
    }

    /// Steps 6 and 7.
    fn pass_on(
        &mut self,
        place: Place,
        peer: Key<Leg>,
        kind: Media,
        datagram: &mut Datagram<'_>,
        now: Instant,
    ) -> Result<Received, Drop> {
        let (leg, other) = self
            .legs
            .pair_mut(place.leg, peer)
            .ok_or(Drop::PeerUnknown)?;
        let mut lost_picture = None;
        match kind {
            Media::Rtp => {
                // 6. what commands hold back; every packet is counted
                let passed = leg.gated(datagram.bytes(), other);
                if leg.note_rtp(datagram.bytes(), passed.is_ok(), now) {
                    other.was_unheard();
                }
                datagram.len = passed?;
                lost_picture = leg.lost_picture(datagram.bytes(), other, now);
                if let Some(renumbering) = &leg.renumbering {
                    let done = renumbering.apply(datagram.buffer, datagram.len);
                    datagram.len = done.map_err(|_| Drop::TooLarge)?;
                }
                if let Some(injection) = &mut other.injection {
                    injection.number(datagram.bytes())?;
                }
            }
            Media::Rtcp => {
                leg.note_rtcp(datagram.bytes(), other, now);
                leg.restore_numbers(datagram.bytes());
                datagram.len = what_passes(datagram.bytes(), leg, other)?;
            }
            Media::Other => {}
        }
        if leg.tap.is_some() {
            let (from, at) = (datagram.from, (self.config.anchor, now));
            let copy = leg.recorded(place.component, from, datagram.bytes(), at);
            self.outputs.extend(copy);
        }
        if let Some(media) = lost_picture {
            self.request_key_frame(place.leg, media);
        }
        let other = self.legs.get_mut(peer).ok_or(Drop::PeerUnknown)?;
        let Some(carrier) = other.bundle.carrier else {
            return send_out(other, kind, datagram).map(Received::Send);
        };
        if let (Media::Rtp, Ok(packet)) = (kind, rtp::Packet::parse(datagram.bytes())) {
            self.note_heard(carrier, packet.ssrc(), peer);
        }
        let carrier = self.legs.get_mut(carrier).ok_or(Drop::PeerUnknown)?;
        send_out(carrier, kind, datagram).map(Received::Send)
    }
}

impl Media {
    /// On the RTCP port everything is RTCP; on the RTP port only with multiplexing.
    fn on(self, component: Component, leg: &Leg) -> Result<Self, Drop> {
        match (self, component) {
            (Media::Rtp | Media::Other, Component::Rtp) => Ok(self),
            (Media::Rtcp, Component::Rtp) if leg.terms.mux.agreed => Ok(Media::Rtcp),
            (Media::Rtcp, Component::Rtp) => Err(Drop::NotMultiplexed),
            (Media::Rtcp, Component::Rtcp) => Ok(Media::Rtcp),
            (Media::Rtp | Media::Other, Component::Rtcp) => Err(Drop::Malformed),
        }
    }
}

/// Steps 3 to 5: the packet is the peer's own, and plain afterwards.
fn take_in(
    leg: &mut Leg,
    component: Component,
    kind: Media,
    datagram: &mut Datagram<'_>,
    now: Instant,
) -> Result<(), Drop> {
    let (secure, strict) = (leg.is_secure(), leg.terms.strict);
    let Leg {
        keys: shared,
        rtp,
        rtcp,
        ..
    } = leg;
    let (transport, beside) = match component {
        Component::Rtp => (rtp.as_mut(), None),
        Component::Rtcp => (rtcp.as_deref_mut(), rtp.as_ref()),
    };
    let transport = transport.ok_or(Drop::NoLeg)?;
    let from = datagram.from;

    // 3. the source
    if let Some(agent) = &transport.agent
        && !agent.validated(from)
    {
        return Err(Drop::WrongSource);
    }
    if secure {
        // 4. SRTP
        let Transport {
            keys,
            peer,
            agent,
            ssrc,
            ..
        } = transport;
        let keys = keys
            .as_deref_mut()
            .or(shared.as_mut())
            .ok_or(Drop::NoKeys)?;
        let proof = match kind {
            Media::Rtp => authentic::srtp(keys, datagram.bytes())?,
            Media::Rtcp => authentic::srtcp(keys, datagram.bytes())?,
            Media::Other => return Err(Drop::Malformed),
        };
        // 5. learn
        if agent.is_none() {
            peer.learn(from, &proof);
        }
        datagram.len = *proof.get();
        *ssrc = well_formed(kind, datagram.bytes())?
            .map(|position| position.ssrc)
            .or(*ssrc);
        return Ok(());
    }
    let position = well_formed(kind, datagram.bytes())?;
    if transport.agent.is_none() {
        // 3 and 5 at once: a plain packet proves nothing but where it came from
        match (position, beside) {
            (Some(position), _) => transport.peer.admit(from, position, strict, now)?,
            (None, Some(beside)) => transport.peer.admit_rtcp(from, &beside.peer, strict)?,
            (None, None) if transport.peer.is_expected(from) => {}
            (None, None) => return Err(Drop::WrongSource),
        }
    }
    transport.ssrc = position.map(|position| position.ssrc).or(transport.ssrc);
    Ok(())
}

/// Step 7: from the port that this side was told, in the way that was agreed with it, or not at all.
fn send_out(leg: &mut Leg, kind: Media, datagram: &mut Datagram<'_>) -> Result<Send, Drop> {
    if leg.terms.held {
        return Err(Drop::PeerOnHold);
    }
    let secure = leg.is_secure();
    let Leg {
        keys: shared,
        rtp,
        rtcp,
        terms,
        ..
    } = leg;
    let transport = match kind {
        Media::Rtcp if !terms.mux.agreed => rtcp.as_deref_mut(),
        _ => rtp.as_mut(),
    };
    let transport = transport.ok_or(Drop::PeerUnknown)?;
    let to = match &transport.agent {
        Some(agent) => agent.selected().map(|pair| pair.remote),
        None => transport.peer.destination(),
    };
    let to = to.ok_or(Drop::PeerUnknown)?;
    if secure {
        let keys = transport
            .keys
            .as_deref_mut()
            .or(shared.as_mut())
            .ok_or(Drop::PeerKeysMissing)?;
        datagram.len = protect(keys, kind, datagram)?;
    }
    transport.sent.count(datagram.len);
    Ok(Send {
        socket: transport.out,
        to,
        len: datagram.len,
    })
}

fn protect(keys: &mut Keys, kind: Media, datagram: &mut Datagram<'_>) -> Result<usize, Drop> {
    let done = match kind {
        Media::Rtp => keys.protect(datagram.buffer, datagram.len),
        Media::Rtcp => keys.protect_rtcp(datagram.buffer, datagram.len),
        Media::Other => return Err(Drop::Malformed),
    };
    done.map_err(|refused| match refused {
        srtp::Refused::TooShort | srtp::Refused::Malformed => Drop::Malformed,
        srtp::Refused::NoRoom => Drop::TooLarge,
        srtp::Refused::Reused => Drop::Replayed,
        srtp::Refused::Stale | srtp::Refused::TooManySources | srtp::Refused::Exhausted => {
            Drop::ProtectFailed
        }
    })
}

/// Checks the lengths of a plain packet; of RTP also its source and sequence number.
fn well_formed(kind: Media, packet: &[u8]) -> Result<Option<StreamPosition>, Drop> {
    match kind {
        Media::Rtp => {
            let packet = rtp::Packet::parse(packet).map_err(|_| Drop::Malformed)?;
            Ok(Some(StreamPosition {
                ssrc: packet.ssrc(),
                sequence: packet.sequence(),
            }))
        }
        Media::Rtcp => rtp::rtcp::Compound::parse(packet)
            .map(|_| None)
            .map_err(|_| Drop::Malformed),
        Media::Other => Ok(None),
    }
}

/// Moves the packets of a compound together that the other side is to have; the reason when none is left.
fn what_passes(compound: &mut [u8], leg: &Leg, other: &Leg) -> Result<usize, Drop> {
    let (mut read, mut written) = (0, 0_usize);
    let mut reason = Drop::Malformed;
    while let Some([_, kind, a, b]) = compound
        .get(read..)
        .and_then(|rest| rest.first_chunk::<4>())
        .copied()
    {
        let words = usize::from(u16::from_be_bytes([a, b]));
        let len = words.saturating_add(1).saturating_mul(4);
        let end = read
            .checked_add(len)
            .filter(|end| *end <= compound.len())
            .ok_or(Drop::Malformed)?;
        match reports::passes(kind, leg, other) {
            Ok(()) => {
                compound.copy_within(read..end, written);
                written = written.saturating_add(len);
            }
            Err(held_back) => reason = held_back,
        }
        read = end;
    }
    if written == 0 {
        Err(reason)
    } else {
        Ok(written)
    }
}

/// A packet that the relay makes itself, on its way to this side.
pub(super) fn made(leg: &mut Leg, kind: Media, packet: &[u8]) -> Result<Output, Drop> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len().saturating_add(HEADROOM), 0);
    let mut datagram = Datagram {
        len: packet.len(),
        buffer: &mut buffer,
        from: SocketAddr::from(([0, 0, 0, 0], 0)),
    };
    let Send { socket, to, len } = send_out(leg, kind, &mut datagram)?;
    buffer.truncate(len);
    Ok(Output::Datagram {
        socket,
        to,
        bytes: buffer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rtcp(kind: u8, words: u8) -> Vec<u8> {
        let mut packet = vec![0x80, kind, 0, words];
        packet.resize(4 * (usize::from(words) + 1), kind);
        packet
    }

    fn leg(protocol: sdp::Protocol) -> Leg {
        let body = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
        let mut body = sdp::Session::parse(body).unwrap();
        let mut media = body.media.remove(0);
        media.protocol = protocol;
        let seat = crate::core::Seats::new(1).take().unwrap();
        let call = crate::core::call::Call::new("c".into(), seat, Instant::now());
        Leg::new(crate::core::table::Table::new().insert(call), &media)
    }

    #[test]
    fn feedback_is_cut_out_of_a_compound_for_a_side_without_it() {
        let compound = [rtcp(201, 1), rtcp(206, 2), rtcp(202, 3), rtcp(205, 3)].concat();
        let (plain, feedback) = (leg(sdp::Protocol::RtpAvp), leg(sdp::Protocol::RtpAvpf));
        let mut cut = compound.clone();
        let len = what_passes(&mut cut, &plain, &plain).unwrap();
        assert_eq!(cut[..len], [rtcp(201, 1), rtcp(202, 3)].concat());
        let mut whole = compound.clone();
        assert_eq!(
            what_passes(&mut whole, &plain, &feedback),
            Ok(compound.len())
        );
        assert_eq!(whole, compound);
        assert_eq!(
            what_passes(&mut rtcp(206, 2), &plain, &plain),
            Err(Drop::FeedbackToAvp)
        );
        assert_eq!(what_passes(&mut rtcp(201, 1), &plain, &plain), Ok(8));
    }

    #[test]
    fn a_compound_whose_lengths_lie_is_dropped() {
        let plain = leg(sdp::Protocol::RtpAvp);
        for words in 2..=255 {
            let mut packet = rtcp(201, 1);
            packet[3] = words;
            assert_eq!(
                what_passes(&mut packet, &plain, &plain),
                Err(Drop::Malformed)
            );
        }
        assert_eq!(what_passes(&mut [], &plain, &plain), Err(Drop::Malformed));
        assert_eq!(
            what_passes(&mut [0x80, 201, 0], &plain, &plain),
            Err(Drop::Malformed)
        );
    }
}
