//! One port of a leg with all that is keyed to it.

use std::net::SocketAddr;
use std::time::Instant;

use srtp::{Inbound, MasterKey, Outbound};

use crate::core::Counters;
use crate::core::address::PeerAddress;
use crate::core::ports::Bound;

/// One port of a leg: its socket, its peer, and what runs between them.
pub(crate) struct Transport {
    pub(crate) bound: Bound,
    pub(crate) peer: PeerAddress,
    /// ICE, where it is used: then it alone decides who is heard and where to send.
    pub(crate) agent: Option<ice::Agent>,
    pub(crate) dtls: Option<dtls::Endpoint>,
    /// Who spoke DTLS last, of those that ICE has verified.
    pub(crate) dtls_peer: Option<SocketAddr>,
    /// Keys of this port alone: those of a DTLS association for RTCP without multiplexing (RFC 5764 section 3).
    /// All others are the leg's.
    pub(crate) keys: Option<Keys>,
    pub(crate) received: Counters,
    pub(crate) sent: Counters,
    /// When something valid last came in: media, a STUN check.
    pub(crate) last_heard: Option<Instant>,
    /// The SSRC heard last.
    pub(crate) ssrc: Option<u32>,
}

/// The two SRTP contexts of one association. Kept as long as the keys are the same, since the roll-over counters and
/// SRTCP indices in them may not start anew.
pub(crate) struct Keys {
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound,
    ours: MasterKey,
    theirs: MasterKey,
}

impl Transport {
    pub(crate) fn new(bound: Bound) -> Self {
        Self {
            bound,
            peer: PeerAddress::default(),
            agent: None,
            dtls: None,
            dtls_peer: None,
            keys: None,
            received: Counters::default(),
            sent: Counters::default(),
            last_heard: None,
            ssrc: None,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let agent = self.agent.as_ref().and_then(ice::Agent::deadline);
        let dtls = self.dtls.as_ref().and_then(dtls::Endpoint::deadline);
        agent.into_iter().chain(dtls).min()
    }
}

impl Keys {
    pub(crate) fn new(ours: MasterKey, theirs: MasterKey) -> Self {
        Self {
            inbound: Inbound::new(&theirs),
            outbound: Outbound::new(&ours),
            ours,
            theirs,
        }
    }

    /// Puts these keys in place of what was there; the same keys again change nothing.
    pub(crate) fn install(place: &mut Option<Self>, ours: MasterKey, theirs: MasterKey) {
        let same = place
            .as_ref()
            .is_some_and(|keys| keys.ours == ours && keys.theirs == theirs);
        if !same {
            *place = Some(Self::new(ours, theirs));
        }
    }

    pub(crate) fn suite(&self) -> srtp::Suite {
        self.ours.suite()
    }
}
