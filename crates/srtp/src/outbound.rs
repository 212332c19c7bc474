//! What we protect for the peer, in place. Never encrypts two packets under one index: that would give both away
//! (RFC 3711 section 9.1).

use std::fmt;

use crate::derive::Protocol;
use crate::packet::{self, Unreadable};
use crate::session::{ENCRYPTED, Session};
use crate::sources::Sources;
use crate::window::{LAST_RTP_INDEX, Verdict, WINDOW, Window};
use crate::{MasterKey, OutboundState, Suite, state};

/// How many SSRCs one outbound context takes per protocol. None is ever forgotten, since its indices would be used
/// twice if it came back; so a phone that changes its SSRC with every packet is refused beyond this. Hold music and
/// transfers in one long call stay far below.
pub const MAX_OUTBOUND_SOURCES: usize = 512;

/// The last index that SRTCP has (RFC 3711 section 9.2).
const LAST_RTCP_INDEX: u32 = ENCRYPTED - 1;

/// Protects what we send to one peer under one master key.
pub struct Outbound {
    suite: Suite,
    /// Only for [`export`](Self::export): no packet asks for it.
    key: Box<MasterKey>,
    rtp: Session,
    rtcp: Session,
    rtp_sources: Sources<Window>,
    /// The index used last.
    rtcp_sources: Sources<u32>,
}

/// Why a packet was not protected. The first two come from the packet's sender, the others from this key's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Shorter than a header.
    TooShort,
    /// Not version 2, or its header claims more bytes than there are.
    Malformed,
    /// The buffer ends before the packet and its tag would ([`crate::MAX_OVERHEAD`] is always enough).
    NoRoom,
    /// A packet with this sequence number was protected already: the network or the sender doubled it.
    Reused,
    /// More than [`WINDOW`] behind what was protected last. One packet: it is late. Many: the source began its
    /// numbering again, and whoever forwards it has to number on by itself.
    Stale,
    /// More than [`MAX_OUTBOUND_SOURCES`] sources.
    TooManySources,
    /// The last index is used up; the leg needs new keys.
    Exhausted,
}

impl Outbound {
    /// A context that has sent nothing yet.
    #[must_use]
    pub fn new(key: &MasterKey) -> Self {
        Self {
            suite: key.suite(),
            key: Box::new(key.clone()),
            rtp: Session::new(key, Protocol::Rtp),
            rtcp: Session::new(key, Protocol::Rtcp),
            rtp_sources: Sources::new(),
            rtcp_sources: Sources::new(),
        }
    }

    /// Protects the RTP packet in the first `len` bytes of `buffer`; the length of the protected packet.
    ///
    /// # Errors
    /// [`Refused`]: buffer and context are as they were.
    pub fn protect(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        let end = len.saturating_add(self.suite.rtp_overhead());
        let buffer = buffer.get_mut(..end).ok_or(Refused::NoRoom)?;
        let header = packet::rtp_header(buffer.get(..len).ok_or(Refused::NoRoom)?)?;
        let index = if let Some(window) = self.rtp_sources.find(header.ssrc) {
            let index = next(window, header.sequence)?;
            window.commit(index);
            index
        } else {
            let index = u64::from(header.sequence);
            let window = Window::starting_at(index);
            admit(&mut self.rtp_sources, header.ssrc, window)?;
            index
        };
        self.rtp.seal_rtp(buffer, len, header, index);
        Ok(end)
    }

    /// Protects the compound RTCP packet in the first `len` bytes of `buffer`; the length of the protected packet.
    ///
    /// # Errors
    /// [`Refused`]: buffer and context are as they were.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Refused> {
        let end = len.saturating_add(self.suite.rtcp_overhead());
        let buffer = buffer.get_mut(..end).ok_or(Refused::NoRoom)?;
        let ssrc = packet::rtcp_ssrc(buffer.get(..len).ok_or(Refused::NoRoom)?)?;
        let index = if let Some(last) = self.rtcp_sources.find(ssrc) {
            if *last >= LAST_RTCP_INDEX {
                return Err(Refused::Exhausted);
            }
            *last = last.saturating_add(1);
            *last
        } else {
            admit(&mut self.rtcp_sources, ssrc, 0)?;
            0
        };
        self.rtcp.seal_rtcp(buffer, len, ssrc, index);
        Ok(end)
    }

    /// The highest RTP index protected for a source: roll-over counter in the upper 32 of 48 bits, sequence number in
    /// the lower 16. After [`Outbound::import`], whoever forwards must number on above it.
    #[must_use]
    pub fn highest(&self, ssrc: u32) -> Option<u64> {
        self.rtp_sources.get(ssrc).map(Window::highest)
    }

    /// All that another process needs to go on where this one is.
    #[must_use]
    pub fn export(&self) -> OutboundState {
        OutboundState {
            key: MasterKey::clone(&self.key),
            rtp: state::windows(&self.rtp_sources),
            rtcp: state::indices(&self.rtcp_sources),
        }
    }

    /// A context that goes on above a saved state, using none of its indices again. See [`OutboundState::reserve`] for
    /// states that are saved seldom.
    #[must_use]
    pub fn import(state: &OutboundState) -> Self {
        let mut context = Self::new(&state.key);
        for source in state.rtp.iter().take(MAX_OUTBOUND_SOURCES) {
            let window = Window::closed_up_to(source.highest.min(LAST_RTP_INDEX));
            context
                .rtp_sources
                .admit(source.ssrc, window, MAX_OUTBOUND_SOURCES);
        }
        for source in state.rtcp.iter().take(MAX_OUTBOUND_SOURCES) {
            let last = u32::try_from(source.highest).unwrap_or(LAST_RTCP_INDEX);
            context.rtcp_sources.admit(
                source.ssrc,
                last.min(LAST_RTCP_INDEX),
                MAX_OUTBOUND_SOURCES,
            );
        }
        context
    }
}

/// The index to protect under, if it is free.
#[inline]
fn next(window: &Window, sequence: u16) -> Result<u64, Refused> {
    let index = window.nearest(sequence);
    if index > LAST_RTP_INDEX {
        return Err(Refused::Exhausted);
    }
    // A packet from just before the source's first one, sent across index zero, is late and not one far ahead.
    let before_zero = (1_u64 << 16)
        .saturating_sub(u64::from(sequence))
        .wrapping_add(window.highest());
    if index > window.highest() && index < 1 << 16 && before_zero < WINDOW {
        return Err(Refused::Stale);
    }
    match window.verdict(index) {
        Verdict::Fresh => Ok(index),
        Verdict::Seen => Err(Refused::Reused),
        Verdict::Stale => Err(Refused::Stale),
    }
}

fn admit<T>(sources: &mut Sources<T>, ssrc: u32, value: T) -> Result<(), Refused> {
    if sources.len() >= MAX_OUTBOUND_SOURCES {
        return Err(Refused::TooManySources);
    }
    sources.admit(ssrc, value, MAX_OUTBOUND_SOURCES);
    Ok(())
}

impl From<Unreadable> for Refused {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::TooShort => Self::TooShort,
            Unreadable::Malformed => Self::Malformed,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "too short",
            Self::Malformed => "malformed header",
            Self::NoRoom => "no room for the tag",
            Self::Reused => "sequence number already used",
            Self::Stale => "far behind what was sent last",
            Self::TooManySources => "too many sources",
            Self::Exhausted => "all indices of the key are used",
        })
    }
}

impl std::error::Error for Refused {}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("key", &self.key)
            .field("rtp_sources", &self.rtp_sources.len())
            .field("rtcp_sources", &self.rtcp_sources.len())
            .finish()
    }
}
