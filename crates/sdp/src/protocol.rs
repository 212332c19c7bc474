//! The transport protocol of an m-line.

use std::fmt;

use crate::Token;

/// The third field of an m-line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RTP/AVP: plain RTP (RFC 3551).
    RtpAvp,
    /// RTP/AVPF: with feedback (RFC 4585).
    RtpAvpf,
    /// RTP/SAVP: SRTP (RFC 3711).
    RtpSavp,
    /// RTP/SAVPF: SRTP with feedback (RFC 5124).
    RtpSavpf,
    /// UDP/TLS/RTP/SAVP: SRTP keyed by DTLS (RFC 5764).
    DtlsSavp,
    /// UDP/TLS/RTP/SAVPF: what browsers speak (RFC 8834).
    DtlsSavpf,
    /// Anything else, such as `udptl` or `UDP/DTLS/SCTP`.
    Other(Token),
}

impl Protocol {
    /// The protocol that this word names, in any letter case.
    pub fn from_token(token: Token) -> Self {
        const KNOWN: [Protocol; 6] = [
            Protocol::RtpAvp,
            Protocol::RtpAvpf,
            Protocol::RtpSavp,
            Protocol::RtpSavpf,
            Protocol::DtlsSavp,
            Protocol::DtlsSavpf,
        ];
        KNOWN
            .into_iter()
            .find(|known| known.as_str().eq_ignore_ascii_case(&token))
            .unwrap_or(Self::Other(token))
    }

    /// As an m-line writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::RtpAvp => "RTP/AVP",
            Self::RtpAvpf => "RTP/AVPF",
            Self::RtpSavp => "RTP/SAVP",
            Self::RtpSavpf => "RTP/SAVPF",
            Self::DtlsSavp => "UDP/TLS/RTP/SAVP",
            Self::DtlsSavpf => "UDP/TLS/RTP/SAVPF",
            Self::Other(token) => token,
        }
    }

    /// One of the six RTP protocols.
    pub fn is_rtp(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// The media is SRTP.
    pub fn is_secure(&self) -> bool {
        matches!(
            self,
            Self::RtpSavp | Self::RtpSavpf | Self::DtlsSavp | Self::DtlsSavpf
        )
    }

    /// The keys come from DTLS by the protocol's own name.
    pub fn is_dtls(&self) -> bool {
        matches!(self, Self::DtlsSavp | Self::DtlsSavpf)
    }

    /// The profile allows RTCP feedback (the F in AVPF).
    pub fn has_feedback(&self) -> bool {
        matches!(self, Self::RtpAvpf | Self::RtpSavpf | Self::DtlsSavpf)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
