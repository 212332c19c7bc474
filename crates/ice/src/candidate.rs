//! Candidates as data: the value of `a=candidate` (RFC 8839 section 5.1), read and written, nothing looked up.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::Forbidden;

/// One UDP candidate, ours or the peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Groups candidates that share a fate; ours are 16 alphanumeric characters, one per interface.
    pub foundation: String,
    /// 1 for RTP (and all of rtcp-mux), 2 for RTCP.
    pub component: u8,
    /// Higher is better (RFC 8445 section 5.1.2).
    pub priority: u32,
    /// Where it is reached.
    pub address: SocketAddr,
    /// How it was found.
    pub kind: Kind,
}

/// The candidate types of RFC 8445 section 5.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An address of a local interface.
    Host,
    /// Seen by a STUN server.
    ServerReflexive,
    /// Seen by the peer.
    PeerReflexive,
    /// Lent by a relay.
    Relay,
}

/// Why a line was not taken as a candidate. None of these is an error of the call: the peer may have others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skipped {
    /// Not in the form of RFC 8839 section 5.1.
    #[error("it is not a candidate attribute")]
    Malformed,
    /// TCP or another transport.
    #[error("its transport is not UDP")]
    NotUdp,
    /// A name instead of an address. Names (mDNS `.local` ones too) are never looked up: the peer's own check tells.
    #[error("it names a host instead of an address")]
    Name,
    /// Of another component than the agent's.
    #[error("it belongs to another component")]
    OtherComponent,
    /// Its address may not be sent to.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// It is one of our own addresses.
    #[error("it is an address of our own")]
    Ours,
    /// More candidates than anybody needs.
    #[error("there are too many candidates")]
    TooMany,
}

/// A candidate attribute is short; RFC 8839 bounds only its parts.
const MAX_LENGTH: usize = 512;

impl Candidate {
    /// Reads the value of an `a=candidate` attribute, with or without the leading `candidate:`.
    ///
    /// # Errors
    /// With what keeps it from being used.
    pub fn parse(value: &str) -> Result<Self, Skipped> {
        if value.len() > MAX_LENGTH {
            return Err(Skipped::Malformed);
        }
        let value = value.trim();
        let mut fields = value
            .strip_prefix("candidate:")
            .unwrap_or(value)
            .split_ascii_whitespace();
        let mut next = || fields.next().ok_or(Skipped::Malformed);
        let foundation = next()?;
        let component: u16 = next()?.parse().map_err(|_| Skipped::Malformed)?;
        let transport = next()?;
        let priority: u32 = next()?.parse().map_err(|_| Skipped::Malformed)?;
        let host = next()?;
        let port: u16 = next()?.parse().map_err(|_| Skipped::Malformed)?;
        let (typ, kind) = (next()?, next()?);
        if foundation.len() > 32 || !typ.eq_ignore_ascii_case("typ") {
            return Err(Skipped::Malformed);
        }
        if !transport.eq_ignore_ascii_case("udp") {
            return Err(Skipped::NotUdp);
        }
        let kind = Kind::parse(kind).ok_or(Skipped::Malformed)?;
        let ip: IpAddr = host.parse().map_err(|_| Skipped::Name)?;
        let component = u8::try_from(component).map_err(|_| Skipped::OtherComponent)?;
        Ok(Candidate {
            foundation: foundation.to_owned(),
            component,
            priority,
            address: SocketAddr::new(ip, port),
            kind,
        })
    }

    /// A candidate of our own: `index` counts the addresses of one component from 0.
    pub fn local(kind: Kind, component: u8, index: usize, address: SocketAddr) -> Self {
        Candidate {
            foundation: foundation(kind, address.ip()),
            component,
            priority: priority(kind, component, index),
            address,
            kind,
        }
    }
}

/// The value of the attribute, without `candidate:`. The transport is upper-case as rtpengine writes it.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ip, port) = (self.address.ip(), self.address.port());
        write!(
            f,
            "{} {} UDP {} {ip} {port} typ {}",
            self.foundation,
            self.component,
            self.priority,
            self.kind.name()
        )?;
        if self.kind == Kind::Host {
            return Ok(());
        }
        // RFC 8839 wants the related address; what lies behind is nobody's business, so it is the zero one.
        let zero = if ip.is_ipv4() { "0.0.0.0" } else { "::" };
        write!(f, " raddr {zero} rport 0")
    }
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        [
            Kind::Host,
            Kind::ServerReflexive,
            Kind::PeerReflexive,
            Kind::Relay,
        ]
        .into_iter()
        .find(|kind| text.eq_ignore_ascii_case(kind.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Host => "host",
            Kind::ServerReflexive => "srflx",
            Kind::PeerReflexive => "prflx",
            Kind::Relay => "relay",
        }
    }

    /// RFC 8445 section 5.1.2.2.
    fn preference(self) -> u32 {
        match self {
            Kind::Host => 126,
            Kind::PeerReflexive => 110,
            Kind::ServerReflexive => 100,
            Kind::Relay => 0,
        }
    }
}

/// RFC 8445 section 5.1.2.1, the local preference falling by one for each further address.
fn priority(kind: Kind, component: u8, index: usize) -> u32 {
    let local = 65_535_u16.saturating_sub(u16::try_from(index).unwrap_or(u16::MAX));
    (kind.preference() << 24)
        .saturating_add(u32::from(local) << 8)
        .saturating_add(256_u32.saturating_sub(u32::from(component)))
}

/// The same for the same type and address, for ever and in every process: a peer may tell a restart by a change.
/// The address is the advertised one, so nothing is said that the candidate does not say anyway.
fn foundation(kind: Kind, ip: IpAddr) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut hash = [0xcbf2_9ce4_8422_2325_u64, 0x6c62_272e_07bb_0142];
    for byte in format!("{}/{ip}/udp", kind.name()).bytes() {
        for (lane, value) in (0_u64..).zip(hash.iter_mut()) {
            *value =
                (*value ^ u64::from(byte).wrapping_add(lane)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    let digits = hash
        .into_iter()
        .flat_map(|value| (17..57).step_by(5).map(move |at| (value >> at & 31) as u8));
    digits
        .filter_map(|digit| ALPHABET.get(usize::from(digit)))
        .map(|c| char::from(*c))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_those_of_rtpengine() {
        assert_eq!(priority(Kind::Host, 1, 0), 2_130_706_431);
        assert_eq!(priority(Kind::Host, 1, 1), 2_130_706_175);
        assert_eq!(priority(Kind::Host, 2, 0), 2_130_706_430);
        assert_eq!(priority(Kind::Relay, 1, 0), 16_777_215);
    }

    #[test]
    fn foundations_are_stable_and_tell_interfaces_apart() {
        let one = foundation(Kind::Host, "203.0.113.1".parse().unwrap());
        assert_eq!(one.len(), 16);
        assert!(one.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(one, foundation(Kind::Host, "203.0.113.1".parse().unwrap()));
        assert_ne!(one, foundation(Kind::Host, "203.0.113.2".parse().unwrap()));
        assert_ne!(one, foundation(Kind::Relay, "203.0.113.1".parse().unwrap()));
    }

    #[test]
    fn ours_are_written_as_rtpengine_writes_them_and_read_back() {
        let ours = Candidate::local(Kind::Host, 1, 0, "203.0.113.1:30000".parse().unwrap());
        let text = ours.to_string();
        assert!(
            text.ends_with(" 1 UDP 2130706431 203.0.113.1 30000 typ host"),
            "{text}"
        );
        assert_eq!(Candidate::parse(&text), Ok(ours));
        let relay = Candidate::local(Kind::Relay, 1, 0, "[2001:db8::1]:30000".parse().unwrap());
        assert!(relay.to_string().ends_with("typ relay raddr :: rport 0"));
        assert_eq!(Candidate::parse(&relay.to_string()), Ok(relay));
    }

    #[test]
    fn browsers_candidates_are_read() {
        let chrome = "candidate:842163049 1 udp 1677729535 198.51.100.7 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999";
        let read = Candidate::parse(chrome).unwrap();
        assert_eq!(
            (read.kind, read.address.port(), read.priority),
            (Kind::ServerReflexive, 46154, 1_677_729_535)
        );
        let firefox =
            "0 1 UDP 2122252543 5b1c2f0e-9f4b-4d5e-9a6f-aaaaaaaaaaaa.local 52525 typ host";
        assert_eq!(Candidate::parse(firefox), Err(Skipped::Name));
        let tcp = "2 1 TCP 2105524479 198.51.100.7 9 typ host tcptype active";
        assert_eq!(Candidate::parse(tcp), Err(Skipped::NotUdp));
    }

    #[test]
    fn nonsense_is_skipped_with_its_reason() {
        for (text, reason) in [
            ("", Skipped::Malformed),
            ("1 1 udp", Skipped::Malformed),
            (
                "1 65535 udp 1 198.51.100.7 4000 typ host",
                Skipped::OtherComponent,
            ),
            (
                "1 1 udp 99999999999 198.51.100.7 4000 typ host",
                Skipped::Malformed,
            ),
            ("1 1 udp 1 198.51.100.7 70000 typ host", Skipped::Malformed),
            ("1 1 udp 1 198.51.100.7 4000 typ warp", Skipped::Malformed),
            ("1 1 udp 1 example.com 4000 typ host", Skipped::Name),
        ] {
            assert_eq!(Candidate::parse(text), Err(reason), "{text}");
        }
        assert_eq!(
            Candidate::parse(&"x".repeat(100_000)),
            Err(Skipped::Malformed)
        );
    }
}
