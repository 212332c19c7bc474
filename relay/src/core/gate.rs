//! What a command lets through: `block media`, `block DTMF` and `silence media`, for a call, a party or one flow.
//!
//! The commands set a [`Gate`] on each leg, and the packet path reads it in passing.

use sdp::MediaKind;

use super::call::Call;
use super::codecs::{Codecs, Kind};
use super::leg::Leg;
use super::table::Key;
use super::{Drop, Shard};

/// Twenty milliseconds of nothing in Opus: a CELT frame in full band.
const OPUS_SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// What is held back of that which comes from one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Gate {
    /// Media is dropped; telephone events pass.
    pub(super) media: bool,
    /// Telephone events are dropped.
    pub(super) events: bool,
    /// Sound is replaced by silence.
    pub(super) sound: bool,
}

/// What was ordered for a call and for whom in it. Each order is taken back as it was given.
#[derive(Debug, Default)]
pub(super) struct Gates {
    call: Gate,
    /// By the party's number; and of one flow, that of the party it goes to.
    parts: Vec<((usize, Option<usize>), Gate)>,
}

/// Whom an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Call,
    Party(usize),
    /// From the one to the other only.
    Flow(usize, usize),
}

impl Gate {
    pub(super) fn is_open(self) -> bool {
        self == Self::default()
    }

    fn or(self, other: Self) -> Self {
        Self {
            media: self.media || other.media,
            events: self.events || other.events,
            sound: self.sound || other.sound,
        }
    }

    /// Sets, or clears, what is set in `which`.
    fn set(&mut self, which: Self, on: bool) {
        let switch = |mine: &mut bool, which: bool| *mine = if which { on } else { *mine };
        switch(&mut self.media, which.media);
        switch(&mut self.events, which.events);
        switch(&mut self.sound, which.sound);
    }

    /// What becomes of a plain RTP packet from `leg`: its length, perhaps with other contents, or nothing. The packet
    /// that is silenced keeps its header, extensions included.
    pub(super) fn pass(
        self,
        packet: &mut [u8],
        kind: &MediaKind,
        codecs: [&Codecs; 2],
    ) -> Result<usize, Drop> {
        let len = packet.len();
        let read = rtp::Packet::parse(packet).map_err(|_| Drop::Malformed)?;
        let number = read.payload_type();
        let codec = codecs.iter().find_map(|codecs| codecs.get(number));
        let codec = codec.map_or(Kind::Other, |codec| codec.kind);
        if codec == Kind::Event {
            return if self.events {
                Err(Drop::Blocked)
            } else {
                Ok(len)
            };
        }
        if self.media {
            return Err(Drop::Blocked);
        }
        if !self.sound || *kind != MediaKind::Audio {
            return Ok(len);
        }
        let (payload, padding) = (read.payload().len(), read.padding());
        let start = len.saturating_sub(payload).saturating_sub(padding);
        let body = packet.get_mut(start..).ok_or(Drop::Malformed)?;
        let body = body.get_mut(..payload).ok_or(Drop::Malformed)?;
        match codec {
            Kind::Pcmu => body.fill(0xff),
            Kind::Pcma => body.fill(0xd5),
            Kind::G722 => body.fill(0xfa),
            Kind::Opus if padding == 0 => {
                let Some((silence, _)) = body.split_first_chunk_mut() else {
                    return Err(Drop::Blocked);
                };
                *silence = OPUS_SILENCE;
                return Ok(start.saturating_add(OPUS_SILENCE.len()));
            }
            // What cannot be replaced must not be heard either.
            _ => return Err(Drop::Blocked),
        }
        Ok(len)
    }
}

impl Gates {
    /// Carries an order out, or takes it back. Taken back for the whole call, those for single parties stay unless it
    /// is for `all`.
    pub(super) fn set(&mut self, part: Part, which: Gate, on: bool, all: bool) {
        let party = match part {
            Part::Call => {
                self.call.set(which, on);
                if all && !on {
                    self.parts
                        .iter_mut()
                        .for_each(|(_, gate)| gate.set(which, false));
                }
                self.parts.retain(|(_, gate)| !gate.is_open());
                return;
            }
            Part::Party(from) => (from, None),
            Part::Flow(from, to) => (from, Some(to)),
        };
        match self.parts.iter_mut().find(|(known, _)| *known == party) {
            Some((_, gate)) => gate.set(which, on),
            // At most one for each two parties, and the number of those is bounded.
            None if on => self.parts.push((party, which)),
            None => {}
        }
        self.parts.retain(|(_, gate)| !gate.is_open());
    }

    /// What holds for that which goes from one party to another.
    pub(super) fn between(&self, from: usize, to: usize) -> Gate {
        let concerns = |(a, b): (usize, Option<usize>)| a == from && b.is_none_or(|b| b == to);
        self.parts
            .iter()
            .filter(|(part, _)| concerns(*part))
            .fold(self.call, |gate, (_, other)| gate.or(*other))
    }
}

impl Shard {
    /// Brings what was ordered to the legs, those made later included.
    pub(super) fn set_gates(&mut self, key: Key<Call>) {
        let Some(call) = self.calls.get(key) else {
            return;
        };
        for (number, party) in call.parties.iter().enumerate() {
            let gate = call.gates.between(number, party.peer);
            for leg in &party.legs {
                if let Some(leg) = self.legs.get_mut(*leg) {
                    leg.gate = gate;
                    for copy in &mut leg.copies {
                        copy.gate = call.gates.between(number, copy.party);
                    }
                }
            }
        }
    }
}

impl Leg {
    /// Step 6 of the packet path: nearly always there is nothing to do.
    pub(super) fn gated(&self, packet: &mut [u8], other: &Leg) -> Result<usize, Drop> {
        if self.listens {
            return Err(Drop::Blocked);
        }
        if self.gate.is_open() {
            return Ok(packet.len());
        }
        let codecs = [&other.codecs, &self.codecs];
        self.gate.pass(packet, &self.terms.kind, codecs)
    }
}
