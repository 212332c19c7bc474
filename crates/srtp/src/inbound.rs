//! What the peer protected: verified, decrypted in place, each index taken once. Never changes its state for a packet
//! whose tag does not hold, and never lets such a packet push a source out.

use std::fmt;

use crate::cm::put;
use crate::derive::Protocol;
use crate::packet::{self, RtpHeader, Unreadable};
use crate::session::{ENCRYPTED, INDEX_LEN, Session};
use crate::sources::Sources;
use crate::window::{LAST_RTP_INDEX, Verdict, Window};
use crate::{InboundState, MasterKey, Suite, state};

/// How many SSRCs one inbound context remembers per protocol. A leg has one to four; each change of media source may
/// bring another. Beyond it the one idle for longest is forgotten, and with it what replays of it are.
pub const MAX_INBOUND_SOURCES: usize = 64;

/// A new source whose first packet is numbered below this may have lost those before a wrap, so that its roll-over
/// counter is already one: both are tried.
const EARLY: u16 = 4096;

/// How often in a context's life a second try may fail. Beyond it forged packets of new sources cost one MAC.
const SECOND_TRIES: u16 = 256;

/// The longest packet for which a second try is kept: more than any datagram that is not a jumbo frame.
const MAX_COPY: usize = 2048;

/// Takes protection off what one peer sends under one master key.
pub struct Inbound {
    suite: Suite,
    /// Only for [`export`](Self::export): no packet asks for it.
    key: Box<MasterKey>,
    rtp: Session,
    rtcp: Session,
    rtp_sources: Sources<Window>,
    rtcp_sources: Sources<Window>,
    second_tries: u16,
}

/// Why a packet was not taken. All of them are the peer's or the network's doing: count and drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rejected {
    /// Shorter than a header and a tag.
    TooShort,
    /// Not version 2, or its header claims more bytes than there are.
    Malformed,
    /// This index was already taken.
    Replayed,
    /// So far behind the highest index that nobody knows whether it was taken.
    Stale,
    /// The tag does not hold: forged, damaged, under another key, or under a roll-over counter that we do not expect.
    Unauthentic,
}

impl Inbound {
    /// A context that has seen nothing yet.
    #[must_use]
    pub fn new(key: &MasterKey) -> Self {
        Self {
            suite: key.suite(),
            key: Box::new(key.clone()),
            rtp: Session::new(key, Protocol::Rtp),
            rtcp: Session::new(key, Protocol::Rtcp),
            rtp_sources: Sources::new(),
            rtcp_sources: Sources::new(),
            second_tries: SECOND_TRIES,
        }
    }

    /// Verifies and decrypts one RTP packet; the length of the plain packet at the start of `packet`.
    ///
    /// # Errors
    /// [`Rejected`]: the context is as it was; what `packet` holds then is unspecified.
    pub fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let header = packet::rtp_header(packet)?;
        let overhead = self.suite.rtp_overhead();
        if packet.len() < header.len.saturating_add(overhead) {
            return Err(Rejected::TooShort);
        }
        let Some(window) = self.rtp_sources.find(header.ssrc) else {
            return self.unprotect_first(packet, header);
        };
        let index = window.nearest(header.sequence);
        if index > LAST_RTP_INDEX {
            return Err(Rejected::Stale);
        }
        admit(window.verdict(index))?;
        let len = self.rtp.open_rtp(packet, header, index)?;
        window.commit(index);
        self.rtp_sources.used_first();
        Ok(len)
    }

    /// Verifies and decrypts one compound RTCP packet; the length of the plain packet at the start of `packet`.
    ///
    /// # Errors
    /// [`Rejected`]: the context is as it was; what `packet` holds then is unspecified.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let suite = self.suite;
        let ssrc = packet::rtcp_ssrc(packet)?;
        if packet.len() < packet::RTCP_CLEAR.saturating_add(suite.rtcp_overhead()) {
            return Err(Rejected::TooShort);
        }
        // The index word ends the packet under GCM and stands before the tag otherwise.
        let after_word = if suite.is_aead() {
            0
        } else {
            suite.rtcp_overhead().saturating_sub(INDEX_LEN)
        };
        let word = packet
            .len()
            .checked_sub(after_word)
            .and_then(|end| packet.get(..end))
            .and_then(<[u8]>::last_chunk)
            .map(|word| u32::from_be_bytes(*word))
            .ok_or(Rejected::TooShort)?;
        let index = u64::from(word & !ENCRYPTED);

        if let Some(window) = self.rtcp_sources.find(ssrc) {
            admit(window.verdict(index))?;
            let len = self.rtcp.open_rtcp(packet, ssrc, word)?;
            window.commit(index);
            self.rtcp_sources.used_first();
            Ok(len)
        } else {
            let len = self.rtcp.open_rtcp(packet, ssrc, word)?;
            let window = Window::starting_at(index);
            self.rtcp_sources.admit(ssrc, window, MAX_INBOUND_SOURCES);
            Ok(len)
        }
    }

    /// The highest RTP index taken from a source: roll-over counter in the upper 32 of 48 bits, sequence number in the
    /// lower 16. `None` for a source that was never heard.
    #[must_use]
    pub fn highest(&self, ssrc: u32) -> Option<u64> {
        self.rtp_sources.get(ssrc).map(Window::highest)
    }

    /// All that another process needs to go on where this one is.
    #[must_use]
    pub fn export(&self) -> InboundState {
        InboundState {
            key: MasterKey::clone(&self.key),
            rtp: state::windows(&self.rtp_sources),
            rtcp: state::windows(&self.rtcp_sources),
        }
    }

    /// A context that goes on from a saved state. Takes nothing up to the highest index saved: what of it had been
    /// taken is not known any more.
    #[must_use]
    pub fn import(state: &InboundState) -> Self {
        let mut context = Self::new(&state.key);
        for source in state.rtp.iter().take(MAX_INBOUND_SOURCES) {
            let window = Window::closed_up_to(source.highest.min(LAST_RTP_INDEX));
            context
                .rtp_sources
                .admit(source.ssrc, window, MAX_INBOUND_SOURCES);
        }
        for source in state.rtcp.iter().take(MAX_INBOUND_SOURCES) {
            let window = Window::closed_up_to(source.highest);
            context
                .rtcp_sources
                .admit(source.ssrc, window, MAX_INBOUND_SOURCES);
        }
        context
    }

    /// The first packet of a source. Its roll-over counter is zero; but if the packets before the first wrap were lost,
    /// it is one, and the source would stay unheard for good if that were not tried.
    #[cold]
    fn unprotect_first(&mut self, packet: &mut [u8], header: RtpHeader) -> Result<usize, Rejected> {
        let mut copy = [0; MAX_COPY];
        let again = copy
            .get_mut(..packet.len())
            .filter(|_| header.sequence < EARLY && self.second_tries > 0)
            .map(|copy| -> &[u8] {
                put(copy, &*packet);
                copy
            });

        let first = u64::from(header.sequence);
        let second = first | 1 << 16;
        let (index, len) = match (self.rtp.open_rtp(packet, header, first), again) {
            (Ok(len), _) => (first, len),
            (Err(forged), None) => return Err(forged.into()),
            (Err(_), Some(copy)) => {
                put(packet, copy);
                let opened = self.rtp.open_rtp(packet, header, second);
                let len = opened.inspect_err(|_| {
                    self.second_tries = self.second_tries.saturating_sub(1);
                })?;
                (second, len)
            }
        };
        let window = Window::starting_at(index);
        self.rtp_sources
            .admit(header.ssrc, window, MAX_INBOUND_SOURCES);
        Ok(len)
    }
}

#[inline]
const fn admit(verdict: Verdict) -> Result<(), Rejected> {
    match verdict {
        Verdict::Fresh => Ok(()),
        Verdict::Seen => Err(Rejected::Replayed),
        Verdict::Stale => Err(Rejected::Stale),
    }
}

impl From<Unreadable> for Rejected {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::TooShort => Self::TooShort,
            Unreadable::Malformed => Self::Malformed,
        }
    }
}

impl From<crate::session::Forged> for Rejected {
    fn from(_: crate::session::Forged) -> Self {
        Self::Unauthentic
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "too short",
            Self::Malformed => "malformed header",
            Self::Replayed => "replayed",
            Self::Stale => "older than the replay window",
            Self::Unauthentic => "authentication failed",
        })
    }
}

impl std::error::Error for Rejected {}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("key", &self.key)
            .field("rtp_sources", &self.rtp_sources.len())
            .field("rtcp_sources", &self.rtcp_sources.len())
            .finish()
    }
}
