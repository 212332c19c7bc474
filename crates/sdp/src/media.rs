//! One medium of a body: an m-line and all that stands below it.

use std::fmt;
use std::net::IpAddr;

use crate::{
    Attribute, Bandwidth, Candidate, Connection, Crypto, ExtMap, Fingerprint, Payload, Protocol,
    RemoteCandidate, Text, Token,
};

/// An m-line with its attributes. See [`crate::Session`] for what it takes over from the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// audio, video...
    pub kind: MediaKind,
    /// Where the sender of the body receives; 0 rejects the medium. A browser that
    /// hides its addresses, or trickles, writes 9. A port count is not kept.
    pub port: u16,
    /// RTP/AVP...
    pub protocol: Protocol,
    /// Payload types, or the format list of a medium that is not RTP.
    pub formats: Formats,
    /// i=
    pub information: Option<Text>,
    /// c= of the medium, or else of the session.
    pub connection: Option<Connection>,
    /// b= of the medium.
    pub bandwidths: Vec<Bandwidth>,
    /// a=mid
    pub mid: Option<Token>,
    /// a=label
    pub label: Option<Token>,
    /// a=bundle-only: port 0 here does not reject the medium (RFC 8843 6).
    pub bundle_only: bool,
    /// a=rtcp-fb:* , what follows the star.
    pub rtcp_fb_all: Vec<Text>,
    /// a=extmap
    pub extmaps: Vec<ExtMap>,
    /// Attributes that this crate does not know, in input order.
    pub attributes: Vec<Attribute>,
    /// a=sendrecv...; `SendRecv` when the body says nothing.
    pub direction: Direction,
    /// a=rtcp
    pub rtcp: Option<RtcpAddress>,
    /// a=rtcp-mux
    pub rtcp_mux: bool,
    /// a=rtcp-mux-only (RFC 8858)
    pub rtcp_mux_only: bool,
    /// a=crypto. Lines that are not complete are ignored.
    pub cryptos: Vec<Crypto>,
    /// a=setup
    pub setup: Option<Setup>,
    /// a=fingerprint
    pub fingerprints: Vec<Fingerprint>,
    /// a=tls-id
    pub tls_id: Option<Token>,
    /// a=ptime, ms
    pub ptime: Option<u32>,
    /// a=maxptime, ms
    pub maxptime: Option<u32>,
    /// ICE.
    pub ice: Ice,
}

/// The ICE attributes of a medium (RFC 8839).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ice {
    /// a=ice-ufrag
    pub ufrag: Option<Token>,
    /// a=ice-pwd
    pub pwd: Option<Token>,
    /// a=ice-options
    pub options: Vec<Token>,
    /// a=candidate, at most [`crate::MAX_CANDIDATES`].
    pub candidates: Vec<Candidate>,
    /// a=remote-candidates
    pub remote_candidates: Vec<RemoteCandidate>,
    /// a=end-of-candidates
    pub end_of_candidates: bool,
}

/// What a medium carries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// audio
    Audio,
    /// video
    Video,
    /// Anything else: application, image, text, message...
    Other(Token),
}

/// The end of an m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Formats {
    /// Payload types of an RTP medium, in order of preference, none twice.
    Rtp(Vec<Payload>),
    /// The format list of any other medium, as it stands.
    Other(Text),
}

/// Which way media flows, as seen by the sender of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From the sender of the body only.
    SendOnly,
    /// To the sender of the body only.
    RecvOnly,
    /// Neither way.
    Inactive,
}

/// a=setup (RFC 4145, RFC 8842): who begins the DTLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The sender of the body begins.
    Active,
    /// The sender of the body waits.
    Passive,
    /// The answerer chooses.
    ActPass,
    /// The connection is not to be made yet (RFC 4145 section 4).
    HoldConn,
}

/// a=rtcp (RFC 3605): where RTCP goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtcpAddress {
    /// The port.
    pub port: u16,
    /// The address, when it is not that of c=.
    pub connection: Option<Connection>,
}

impl Media {
    /// A medium with nothing but its m-line and, for RTP, the payload types.
    pub fn new(kind: MediaKind, port: u16, protocol: Protocol, formats: Formats) -> Self {
        Self {
            kind,
            port,
            protocol,
            formats,
            information: None,
            connection: None,
            bandwidths: Vec::new(),
            mid: None,
            label: None,
            bundle_only: false,
            rtcp_fb_all: Vec::new(),
            extmaps: Vec::new(),
            attributes: Vec::new(),
            direction: Direction::SendRecv,
            rtcp: None,
            rtcp_mux: false,
            rtcp_mux_only: false,
            cryptos: Vec::new(),
            setup: None,
            fingerprints: Vec::new(),
            tls_id: None,
            ptime: None,
            maxptime: None,
            ice: Ice::default(),
        }
    }

    /// Port 0 without bundle-only: this medium is refused or ended (RFC 3264 6).
    pub fn is_rejected(&self) -> bool {
        self.port == 0 && !self.bundle_only
    }

    /// Payload types of an RTP medium; empty for any other.
    pub fn payloads(&self) -> &[Payload] {
        match &self.formats {
            Formats::Rtp(payloads) => payloads,
            Formats::Other(_) => &[],
        }
    }

    /// The payload type of that number.
    pub fn payload(&self, number: u8) -> Option<&Payload> {
        self.payloads().iter().find(|p| p.number == number)
    }

    /// The address that media is to be sent to: of c= with the port of the m-line.
    /// `None` for a name, for the zero address and for a rejected medium.
    pub fn rtp_address(&self) -> Option<std::net::SocketAddr> {
        let ip = self.connection.as_ref()?.ip()?;
        sendable(ip, self.port)
    }

    /// Where RTCP goes: by a=rtcp, else with rtcp-mux the RTP port, else the next port.
    pub fn rtcp_address(&self) -> Option<std::net::SocketAddr> {
        let rtp = self.rtp_address();
        if self.rtcp_mux {
            return rtp;
        }
        match &self.rtcp {
            Some(rtcp) => {
                let connection = rtcp.connection.as_ref().or(self.connection.as_ref())?;
                sendable(connection.ip()?, rtcp.port)
            }
            None => {
                let rtp = rtp?;
                sendable(rtp.ip(), rtp.port().checked_add(1)?)
            }
        }
    }
}

fn sendable(ip: IpAddr, port: u16) -> Option<std::net::SocketAddr> {
    (port != 0 && !ip.is_unspecified()).then(|| (ip, port).into())
}

impl MediaKind {
    /// The kind that this word names.
    pub fn from_token(token: Token) -> Self {
        match token.as_str() {
            "audio" => Self::Audio,
            "video" => Self::Video,
            _ => Self::Other(token),
        }
    }

    /// As an m-line writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Other(token) => token,
        }
    }
}

impl Direction {
    /// Reads the attribute's name.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::SendRecv,
            Self::SendOnly,
            Self::RecvOnly,
            Self::Inactive,
        ]
        .into_iter()
        .find(|direction| direction.as_str() == text)
    }

    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction with these two halves.
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The sender of the body sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// The sender of the body receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same flow as seen from the other side.
    pub fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }
}

impl Setup {
    /// Reads the attribute's value.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::ActPass, Self::HoldConn]
            .into_iter()
            .find(|setup| setup.as_str() == text)
    }

    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }
}

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
