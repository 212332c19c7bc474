//! What of a context must outlive the process: plain data, for whoever stores it. Holds secrets; prints none.

use crate::MasterKey;
use crate::sources::Sources;
use crate::window::{LAST_RTP_INDEX, Window};

/// The furthest that [`OutboundState::reserve`] goes ahead: receivers guess the roll-over counter right up to half a
/// cycle of sequence numbers.
pub const MAX_RESERVE: u16 = 30_000;

/// How far one source has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The source.
    pub ssrc: u32,
    /// RTP: the highest index, roll-over counter and sequence number, 48 bits. RTCP: the highest index, 31 bits.
    pub highest: u64,
}

/// An [`crate::Inbound`] context as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundState {
    /// The peer's master key.
    pub key: MasterKey,
    /// Sources of RTP.
    pub rtp: Vec<Source>,
    /// Sources of RTCP.
    pub rtcp: Vec<Source>,
}

/// An [`crate::Outbound`] context as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundState {
    /// Our master key.
    pub key: MasterKey,
    /// Sources of RTP.
    pub rtp: Vec<Source>,
    /// Sources of RTCP.
    pub rtcp: Vec<Source>,
}

impl OutboundState {
    /// Moves every source ahead by `packets` (at most [`MAX_RESERVE`]). Saved before those packets are sent, such a
    /// state stays good while they are: a process that starts from it uses no index twice, however stale it is.
    #[must_use]
    pub fn reserve(mut self, packets: u16) -> Self {
        let packets = u64::from(packets.min(MAX_RESERVE));
        for source in self.rtp.iter_mut().chain(&mut self.rtcp) {
            source.highest = source.highest.saturating_add(packets).min(LAST_RTP_INDEX);
        }
        self
    }
}

pub(crate) fn windows(sources: &Sources<Window>) -> Vec<Source> {
    sources
        .iter()
        .map(|(ssrc, window)| Source {
            ssrc,
            highest: window.highest(),
        })
        .collect()
}

pub(crate) fn indices(sources: &Sources<u32>) -> Vec<Source> {
    sources
        .iter()
        .map(|(ssrc, index)| Source {
            ssrc,
            highest: u64::from(*index),
        })
        .collect()
}
