//! What the payload types of one medium are: just enough for what is done to packets without a decoder.

use sdp::{Encoding, Formats, Media, Payload};

/// The payload types that one side has named, by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Codecs {
    known: Vec<Codec>,
    payloads: Vec<Payload>,
}

/// One payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Codec {
    pub(super) number: u8,
    pub(super) kind: Kind,
    /// In Hz.
    pub(super) clock_rate: u32,
}

/// The codecs that the relay treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pcmu,
    Pcma,
    G722,
    Opus,
    /// Named telephone events (RFC 4733).
    Event,
    Other,
}

impl Codecs {
    /// Those of a body; none of a medium that is not RTP.
    pub(super) fn of(media: &Media) -> Self {
        let Formats::Rtp(payloads) = &media.formats else {
            return Self::default();
        };
        let codec = |payload: &Payload| {
            let encoding = payload.encoding.as_ref()?;
            Some(Codec {
                number: payload.number,
                kind: Kind::of(encoding),
                clock_rate: encoding.clock_rate,
            })
        };
        Self {
            known: payloads.iter().filter_map(codec).collect(),
            payloads: payloads.clone(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Codec> {
        self.known.iter().copied()
    }

    /// As they stood in the body.
    pub(super) fn payloads(&self) -> &[Payload] {
        &self.payloads
    }

    /// The main one's name: `opus/48000/2`.
    pub(super) fn name(&self) -> Option<String> {
        let main = self.main()?;
        let payload = self
            .payloads
            .iter()
            .find(|payload| payload.number == main.number);
        Some(payload?.encoding.as_ref()?.to_string())
    }

    pub(super) fn get(&self, number: u8) -> Option<Codec> {
        self.known
            .iter()
            .copied()
            .find(|codec| codec.number == number)
    }

    /// The payload type of telephone events that goes with audio of this clock rate, or else any.
    pub(super) fn event(&self, clock_rate: Option<u32>) -> Option<Codec> {
        let events = || self.known.iter().filter(|codec| codec.kind == Kind::Event);
        let same_clock = events().find(|codec| Some(codec.clock_rate) == clock_rate);
        same_clock.or_else(|| events().next()).copied()
    }

    /// Whether a payload type carries what repairs others: retransmissions (RFC 4588), error correction.
    pub(super) fn repairs(&self, number: u8) -> bool {
        let mut named = self
            .payloads
            .iter()
            .filter(|payload| payload.number == number);
        let encoding = named.find_map(|payload| payload.encoding.as_ref());
        encoding.is_some_and(|encoding| {
            let name = encoding.name.as_str().to_ascii_lowercase();
            name == "rtx" || name.contains("fec")
        })
    }

    /// The first that carries sound or pictures.
    pub(super) fn main(&self) -> Option<Codec> {
        self.known
            .iter()
            .copied()
            .find(|codec| codec.kind != Kind::Event)
    }
}

impl Kind {
    fn of(encoding: &Encoding) -> Self {
        let is = |name: &str| encoding.name.eq_ignore_ascii_case(name);
        match encoding.clock_rate {
            _ if is("telephone-event") => Self::Event,
            8000 if is("PCMU") => Self::Pcmu,
            8000 if is("PCMA") => Self::Pcma,
            8000 if is("G722") => Self::G722,
            48000 if is("opus") => Self::Opus,
            _ => Self::Other,
        }
    }
}
