//! A leg: one medium as one side of the call sees it.
//!
//! Everything agreed with that side, and nothing of the other side, stands here: so one side's fork, hold or
//! re-INVITE never shows on the other. Ports, ICE credentials, the DTLS role and the keys are taken once and kept
//! until that side itself asks for new ones.

mod addresses;
mod dtls;
mod handshake;
mod ice;
mod mki;
mod mux;
mod negotiate;
mod numbering;
mod osrtp;
mod passing;
mod sdes;
mod transport;

use std::net::IpAddr;

use ::dtls::Identity;
use ::sdp::{Direction, Media, MediaKind, Protocol, Token};
use std::time::{Duration, Instant};

pub(super) use dtls::DtlsTerms;
pub(super) use handshake::DtlsStage;
pub(super) use mux::Mux;
pub(super) use osrtp::Osrtp;
pub(super) use passing::Passing;
pub(super) use sdes::SdesTerms;
pub(super) use transport::{Beside, Keys, Transport};

use super::bundle::Bundle;
use super::call::Call;
use super::codecs::Codecs;
use super::dtmf::Injection;
use super::extensions::Extensions;
use super::gate::Gate;
use super::learning::Learning;
use super::rate::Pace;
use super::recording::Tap;
use super::reports::Reports;
use super::sources::Sources;
use super::subscription::Listener;
use super::table::Key;
use super::{Among, HandshakeId, IceRole, Random};

/// What a leg needs from the outside while it negotiates.
pub(super) struct Tools<'a> {
    pub(super) identity: &'a Identity,
    pub(super) random: &'a mut Random,
    pub(super) ice: IceRole,
    pub(super) among: Among,
    /// The name of the next DTLS endpoint.
    pub(super) handshake: &'a mut u64,
    pub(super) now: Instant,
}

impl Tools<'_> {
    /// A name that no endpoint had yet.
    fn handshake_id(&mut self) -> HandshakeId {
        *self.handshake = self.handshake.wrapping_add(1);
        HandshakeId(*self.handshake)
    }
}

/// One medium of one side.
pub(super) struct Leg {
    pub(super) call: Key<Call>,
    /// The leg of the other side: where packets from here go.
    pub(super) peer: Option<Key<Leg>>,
    pub(super) terms: Terms,
    /// What its payload types are.
    pub(super) codecs: Codecs,
    /// What is held back of that which comes from this side.
    pub(super) gate: Gate,
    /// Events that are played to this side by command.
    pub(super) injection: Option<Box<Injection>>,
    /// The streams heard from this side.
    pub(super) sources: Sources,
    /// How fast this side sends.
    pub(super) pace: Pace,
    /// What it shares with other media of its side.
    pub(super) bundle: Bundle,
    /// Its ICE is its own, and what comes from it passes as it is.
    pub(super) passing: Option<Box<Passing>>,
    /// An offer ends it, and has no answer yet.
    pub(super) leaving: bool,
    /// What becomes of the header extensions of this side's packets, where the two sides do not agree.
    pub(super) renumbering: Option<Box<rtp::Renumbering>>,
    /// Who else hears what comes from this side.
    pub(super) copies: Vec<Listener>,
    /// This side only listens, to its peer; and what it was offered.
    pub(super) listens: bool,
    pub(super) offered: Box<Codecs>,
    /// What comes from this side is recorded.
    pub(super) tap: Option<Box<Tap>>,
    /// Reports to this side are made here and not passed on.
    pub(super) reports: Option<Box<Reports>>,
    /// From us to this side and back, as its last report told.
    pub(super) round_trip: Option<Duration>,
    /// The SRTP contexts of both ports (or of the only one).
    pub(super) keys: Option<Keys>,
    /// RTP, and RTCP when it is multiplexed.
    pub(super) rtp: Option<Transport>,
    /// RTCP on a port of its own.
    pub(super) rtcp: Option<Box<Transport>>,
}

/// A packet reads its leg and that of the other side: with a thousand calls each line of the cache that it touches is
/// fetched from far. What a packet does not need stands in a box.
const _: () = assert!(size_of::<Leg>() <= 18 * 64);

/// What was agreed with this side: plain data. Together with the exported state of the agents, the contexts and the
/// peer addresses it is all that another process would need to carry the leg on.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    /// Which of the configured addresses it faces.
    pub(super) interface: usize,
    /// The address this side is told.
    pub(super) shown: IpAddr,
    pub(super) kind: MediaKind,
    /// What is spoken with this side.
    pub(super) protocol: Protocol,
    /// The mid that this side knows the medium by.
    pub(super) mid: Option<Token>,
    /// By which numbers it knows header extensions.
    pub(super) extensions: Box<Extensions>,
    /// What this side said last: which way media flows, as it sees it.
    pub(super) direction: Direction,
    /// The port that it named last.
    pub(super) port: Option<u16>,
    /// Our ICE role towards it, where a command has named one.
    pub(super) role: Option<IceRole>,
    /// It gave the zero address: nothing is sent to it.
    pub(super) held: bool,
    /// No address is learned from packets.
    pub(super) strict: bool,
    pub(super) learning: Learning,
    pub(super) mux: Mux,
    pub(super) sdes: Box<SdesTerms>,
    pub(super) dtls: Box<DtlsTerms>,
    pub(super) osrtp: Osrtp,
}

/// Which of a leg's two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Component {
    Rtp,
    Rtcp,
}

impl Leg {
    /// A leg for a side that nothing was said to yet. `media` is how the medium was first offered.
    pub(super) fn new(call: Key<Call>, media: &Media) -> Self {
        Self {
            call,
            peer: None,
            terms: Terms {
                interface: 0,
                shown: IpAddr::from([0, 0, 0, 0]),
                kind: media.kind.clone(),
                protocol: media.protocol.clone(),
                mid: None,
                extensions: Box::default(),
                direction: Direction::SendRecv,
                port: None,
                role: None,
                held: false,
                strict: false,
                learning: Learning::default(),
                mux: Mux::default(),
                sdes: Box::default(),
                dtls: Box::default(),
                osrtp: Osrtp::default(),
            },
            codecs: Codecs::default(),
            gate: Gate::default(),
            injection: None,
            sources: Sources::default(),
            pace: Pace::default(),
            bundle: Bundle::default(),
            passing: None,
            leaving: false,
            renumbering: None,
            copies: Vec::new(),
            listens: false,
            offered: Box::default(),
            tap: None,
            reports: None,
            round_trip: None,
            keys: None,
            rtp: None,
            rtcp: None,
        }
    }

    pub(super) fn transports(&self) -> impl Iterator<Item = (Component, &Transport)> {
        let rtp = self
            .rtp
            .as_ref()
            .map(|transport| (Component::Rtp, transport));
        let rtcp = self
            .rtcp
            .as_deref()
            .map(|transport| (Component::Rtcp, transport));
        rtp.into_iter().chain(rtcp)
    }

    pub(super) fn transports_mut(&mut self) -> impl Iterator<Item = (Component, &mut Transport)> {
        let rtp = self
            .rtp
            .as_mut()
            .map(|transport| (Component::Rtp, transport));
        let rtcp = self
            .rtcp
            .as_deref_mut()
            .map(|transport| (Component::Rtcp, transport));
        rtp.into_iter().chain(rtcp)
    }

    pub(super) fn transport_mut(&mut self, component: Component) -> Option<&mut Transport> {
        match component {
            Component::Rtp => self.rtp.as_mut(),
            Component::Rtcp => self.rtcp.as_deref_mut(),
        }
    }

    /// When the ICE agents and DTLS endpoints want their time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.transports()
            .filter_map(|(_, transport)| transport.deadline())
            .chain(self.reports.as_deref().map(Reports::next))
            .chain(
                self.injection
                    .as_ref()
                    .and_then(|injection| injection.next()),
            )
            .min()
    }

    /// When something valid last came from this side.
    pub(super) fn last_heard(&self) -> Option<Instant> {
        self.transports()
            .filter_map(|(_, transport)| transport.last_heard)
            .max()
    }
}
