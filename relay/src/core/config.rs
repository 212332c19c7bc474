//! What a shard is told once, at its start. It holds no policy about single calls: that comes with each ng
//! command.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::{Among, PacketRates, Seats};

/// Fills a buffer with cryptographically secure random bytes. The core has no other source of randomness for
/// what it makes itself: ICE credentials, SDES keys, port numbers, tls-ids.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// The address a socket is bound to: one of this machine's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bind(pub IpAddr);

/// The address written into SDP and ICE candidates: what the peer can reach. It differs from [`Bind`] behind a
/// one-to-one NAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Advertise(pub IpAddr);

/// One address of a named interface. Several with one name make one logical interface with several addresses;
/// the first interface of the list is the default one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The name that ng's `direction` uses; the proxy says `public` and `private`.
    pub name: String,
    /// Where sockets are bound.
    pub bind: Bind,
    /// What peers are told.
    pub advertise: Advertise,
}

/// Which ICE role the relay's own agents take (RFC 8445 section 2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IceRole {
    /// Answers checks and sends none: nothing leaves for an address nobody verified. The default.
    #[default]
    Lite,
    /// Sends checks of its own; for a relay that is itself behind a NAT without a fixed mapping.
    Full,
}

/// An [`Instant`] and the wall-clock time it stands for, so that the core can print dates without a clock.
#[derive(Debug, Clone, Copy)]
pub struct Anchor {
    /// A reading of the monotonic clock.
    pub instant: Instant,
    /// The time since the Unix epoch at that reading.
    pub unix: Duration,
}

impl Anchor {
    /// The time since the Unix epoch at a moment.
    pub(super) fn unix_at(&self, at: Instant) -> Duration {
        match at.checked_duration_since(self.instant) {
            Some(later) => self.unix.saturating_add(later),
            None => self.unix.saturating_sub(self.instant.duration_since(at)),
        }
    }
}

/// What one shard is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// At least one. The first one serves commands that name none.
    pub interfaces: Vec<Interface>,
    /// Other names that commands may use for interfaces: the alias, then the interface's own name.
    pub aliases: Vec<(String, String)>,
    /// The TOS byte (traffic class, RFC 2474) of packets that leave, where a command names no other.
    pub tos: u8,
    /// UDP ports for media, both ends included. Shards may share a range: a port that another holds is skipped.
    pub ports: RangeInclusive<u16>,
    /// The one port, on each address of each interface, for all legs that speak ICE and DTLS and multiplex RTCP: their
    /// packets are told apart by ICE user name fragment and source. Other legs have ports of their own, and all have
    /// without it. It need not be one of [`Config::ports`].
    pub shared_port: Option<u16>,
    /// Who else shares it.
    pub among: Among,
    /// Calls at most, of all shards that have a copy of this; a further one is refused with
    /// `Parallel session limit reached`.
    pub seats: Seats,
    /// An offer without an answer is freed after this long (60 s; rtpengine holds it for an hour).
    pub answer_timeout: Duration,
    /// An answered call is freed when nothing valid came from any side for this long. RTCP and ICE consent checks
    /// count as well as media.
    pub silence_timeout: Duration,
    /// The same for a call on hold: phones may then be silent altogether.
    pub hold_timeout: Duration,
    /// A call is freed this long after its beginning, whatever goes on in it. `None`: never for its age.
    pub final_timeout: Option<Duration>,
    /// How long a call goes on after `delete` when the command names no delay.
    pub delete_delay: Duration,
    /// How long a freed port stays unused, so that late packets of the old call reach nobody.
    pub quarantine: Duration,
    /// Our role where ICE is used.
    pub ice: IceRole,
    /// `true`: a plain-RTP peer is only ever heard from, and sent to, at the address its SDP names. `false`: a phone
    /// behind NAT may be learned once from its first packets.
    pub strict_source: bool,
    /// What a peer may send at most.
    pub packet_rates: PacketRates,
    /// Whether calls can be recorded: whoever drives the core writes down what [`Record`](super::Record) says.
    pub recording: bool,
    /// How dates are printed.
    pub anchor: Anchor,
}

impl Config {
    /// A configuration with the usual limits for these interfaces.
    #[must_use]
    pub fn new(interfaces: Vec<Interface>, anchor: Anchor) -> Self {
        Self {
            interfaces,
            aliases: Vec::new(),
            tos: 0,
            ports: 30_000..=39_999,
            shared_port: None,
            among: Among::ALONE,
            seats: Seats::new(40_000),
            answer_timeout: Duration::from_secs(60),
            silence_timeout: Duration::from_secs(60),
            hold_timeout: Duration::from_secs(3600),
            final_timeout: None,
            delete_delay: Duration::from_secs(30),
            quarantine: Duration::from_secs(5),
            ice: IceRole::Lite,
            strict_source: false,
            packet_rates: PacketRates::default(),
            recording: false,
            anchor,
        }
    }
}
