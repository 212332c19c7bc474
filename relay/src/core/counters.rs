//! What was counted on a leg, and the names of the reasons for which a packet is dropped.

/// Why a datagram went nowhere. Each is counted on its leg and shown in `query`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Drop {
    /// No leg has this socket (a late event of a closed one).
    NoLeg,
    /// The first byte is none of RFC 7983's ranges, or the datagram is too short for what it claims to be.
    Malformed,
    /// A STUN message on a leg without ICE, or with a foreign ufrag or a wrong MESSAGE-INTEGRITY.
    StunRefused,
    /// A check from about where too many with a wrong password came from within this second.
    StunGuesses,
    /// DTLS from a source that no ICE check has verified (without ICE: that the SDP does not name).
    DtlsUnverified,
    /// DTLS on a leg that does not use it.
    DtlsUnexpected,
    /// A DTLS datagram that the handshake under way has no use for.
    DtlsRefused,
    /// Media from a source that this leg does not listen to.
    WrongSource,
    /// Media before the peer's SDP was known.
    NoRemoteDescription,
    /// SRTP before there were keys for it.
    NoKeys,
    /// The SRTP or SRTCP tag does not hold: forged, damaged or of another key.
    Unauthentic,
    /// An index that was seen before, or is older than the replay window.
    Replayed,
    /// RTCP on the RTP port of a leg that does not multiplex.
    NotMultiplexed,
    /// Feedback (RFC 4585) for a side that speaks no AVPF.
    FeedbackToAvp,
    /// A report for a side that is sent the relay's own (`generate RTCP`), or a subscriber's.
    ReportReplaced,
    /// Held back by a command: `block media`, `block DTMF`, `silence media`; or from a subscriber.
    Blocked,
    /// Speech while a telephone event is played in its place (`play DTMF`).
    EventPlayed,
    /// On a port of several media, of none of them: RFC 8843's header extension names another.
    UnknownMid,
    /// More than the medium can need: see [`PacketRates`](super::PacketRates).
    TooMany,
    /// The other side has no address yet.
    PeerUnknown,
    /// The other side is on hold by the zero address: it wants nothing.
    PeerOnHold,
    /// The other side is secure and has no keys yet: nothing leaves in the clear.
    PeerKeysMissing,
    /// The packet would not fit its buffer once protected.
    TooLarge,
    /// The outgoing SRTP index is used up, or the cipher failed.
    ProtectFailed,
    /// The core was full, and it had waited for so long that nobody has any use for it.
    TooLate,
}

impl From<ice::Reason> for Drop {
    /// Those of ICE are one for an operator, but for what is a flood.
    fn from(reason: ice::Reason) -> Self {
        match reason {
            ice::Reason::TooManyGuesses => Self::StunGuesses,
            _ => Self::StunRefused,
        }
    }
}

impl Drop {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 25] = [
        Self::NoLeg,
        Self::Malformed,
        Self::StunRefused,
        Self::StunGuesses,
        Self::DtlsUnverified,
        Self::DtlsUnexpected,
        Self::DtlsRefused,
        Self::WrongSource,
        Self::NoRemoteDescription,
        Self::NoKeys,
        Self::Unauthentic,
        Self::Replayed,
        Self::NotMultiplexed,
        Self::FeedbackToAvp,
        Self::ReportReplaced,
        Self::Blocked,
        Self::EventPlayed,
        Self::UnknownMid,
        Self::TooMany,
        Self::PeerUnknown,
        Self::PeerOnHold,
        Self::PeerKeysMissing,
        Self::TooLarge,
        Self::ProtectFailed,
        Self::TooLate,
    ];

    /// The name in `query` and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoLeg => "no leg",
            Self::Malformed => "malformed",
            Self::StunRefused => "STUN refused",
            Self::StunGuesses => "too many STUN guesses",
            Self::DtlsUnverified => "DTLS from unverified source",
            Self::DtlsUnexpected => "DTLS unexpected",
            Self::DtlsRefused => "DTLS refused",
            Self::WrongSource => "wrong source",
            Self::NoRemoteDescription => "no remote description",
            Self::NoKeys => "no keys",
            Self::Unauthentic => "authentication failed",
            Self::Replayed => "replayed",
            Self::NotMultiplexed => "RTCP not multiplexed",
            Self::FeedbackToAvp => "feedback to AVP",
            Self::ReportReplaced => "report replaced",
            Self::Blocked => "blocked by command",
            Self::EventPlayed => "telephone event played",
            Self::UnknownMid => "unknown mid",
            Self::TooMany => "too many packets",
            Self::PeerUnknown => "peer address unknown",
            Self::PeerOnHold => "peer on hold",
            Self::PeerKeysMissing => "peer keys missing",
            Self::TooLarge => "too large",
            Self::ProtectFailed => "protect failed",
            Self::TooLate => "waited too long",
        }
    }
}

/// Packets and bytes of one direction, and what was dropped, by reason.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    /// Accepted packets.
    pub packets: u64,
    /// Their bytes, as received or sent.
    pub bytes: u64,
    /// Beside, since a good packet does not touch it.
    dropped: Box<[u64; Drop::ALL.len()]>,
}

impl Counters {
    /// Counts one packet of `bytes` bytes.
    pub fn count(&mut self, bytes: usize) {
        // At a packet each nanosecond 64 bits last five centuries.
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes as u64);
    }

    /// Counts one packet dropped for `reason`.
    pub fn drop(&mut self, reason: Drop) {
        if let Some(n) = self.dropped.get_mut(reason as usize) {
            *n = n.wrapping_add(1);
        }
    }

    /// How many were dropped for `reason`.
    #[must_use]
    pub fn dropped(&self, reason: Drop) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or(0)
    }

    /// How many were dropped for any reason.
    #[must_use]
    pub fn all_dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }

    /// Adds another's counts.
    pub(super) fn add(&mut self, other: &Self) {
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.dropped
            .iter_mut()
            .zip(other.dropped.iter())
            .for_each(|(mine, theirs)| *mine = mine.wrapping_add(*theirs));
    }
}
