//! Payload types and header extensions of one medium.

use std::fmt;

use crate::{Direction, Text, Token};

/// One payload type of an RTP medium, with the attributes that name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The number, 0 to 127.
    pub number: u8,
    /// a=rtpmap. Static types have theirs filled in when the body had none
    /// (RFC 3551 6); `None` is a dynamic number that nobody explained.
    pub encoding: Option<Encoding>,
    /// a=fmtp, what follows the number.
    pub fmtp: Vec<Text>,
    /// a=rtcp-fb, what follows the number.
    pub rtcp_fb: Vec<Text>,
}

/// The encoding of a payload type: `opus/48000/2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// The name, in the peer's letter case. Compare with [`Encoding::is`].
    pub name: Token,
    /// RTP clock rate, Hz.
    pub clock_rate: u32,
    /// Encoding parameters: the number of channels of audio.
    pub parameters: Option<Token>,
}

/// a=extmap (RFC 8285): a header extension and the number it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtMap {
    /// 1 to 14 in the one-byte form, to 255 in the two-byte form.
    pub id: u16,
    /// Direction, when given.
    pub direction: Option<Direction>,
    /// What the extension is.
    pub uri: Token,
    /// Extension attributes.
    pub parameters: Option<Text>,
}

impl Payload {
    /// A payload type with the encoding that RFC 3551 gives its number, if any.
    pub fn new(number: u8) -> Self {
        Self {
            number,
            encoding: Encoding::of_static(number),
            fmtp: Vec::new(),
            rtcp_fb: Vec::new(),
        }
    }
}

impl Encoding {
    /// Whether this is the encoding of that name and clock rate. Names have no
    /// letter case (RFC 8866 6.6).
    pub fn is(&self, name: &str, clock_rate: u32) -> bool {
        self.clock_rate == clock_rate && self.name.eq_ignore_ascii_case(name)
    }

    /// The encoding of a static payload type (RFC 3551 tables 4 and 5).
    pub fn of_static(number: u8) -> Option<Self> {
        let (name, clock_rate, channels) = match number {
            0 => ("PCMU", 8000, None),
            3 => ("GSM", 8000, None),
            4 => ("G723", 8000, None),
            5 => ("DVI4", 8000, None),
            6 => ("DVI4", 16000, None),
            7 => ("LPC", 8000, None),
            8 => ("PCMA", 8000, None),
            9 => ("G722", 8000, None),
            10 => ("L16", 44100, Some("2")),
            11 => ("L16", 44100, None),
            12 => ("QCELP", 8000, None),
            13 => ("CN", 8000, None),
            14 => ("MPA", 90000, None),
            15 => ("G728", 8000, None),
            16 => ("DVI4", 11025, None),
            17 => ("DVI4", 22050, None),
            18 => ("G729", 8000, None),
            25 => ("CelB", 90000, None),
            26 => ("JPEG", 90000, None),
            28 => ("nv", 90000, None),
            31 => ("H261", 90000, None),
            32 => ("MPV", 90000, None),
            33 => ("MP2T", 90000, None),
            34 => ("H263", 90000, None),
            _ => return None,
        };
        Some(Self {
            name: Token::from_static(name),
            clock_rate,
            parameters: channels.map(Token::from_static),
        })
    }

    /// Reads `opus/48000/2`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.trim().splitn(3, '/');
        let name = Token::new(fields.next()?).ok()?;
        let clock_rate = fields.next()?.parse().ok()?;
        let parameters = match fields.next() {
            Some(parameters) => Some(Token::new(parameters).ok()?),
            None => None,
        };
        Some(Self {
            name,
            clock_rate,
            parameters,
        })
    }
}

impl ExtMap {
    /// Reads `1/sendonly urn:... parameters`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(3, ' ');
        let id = fields.next()?;
        let (id, direction) = match id.split_once('/') {
            Some((id, direction)) => (id, Some(Direction::parse(direction)?)),
            None => (id, None),
        };
        let id = id.parse().ok().filter(|id| *id > 0)?;
        Some(Self {
            id,
            direction,
            uri: Token::new(fields.next()?).ok()?,
            parameters: fields.next().and_then(|text| Text::new(text).ok()),
        })
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.clock_rate)?;
        match &self.parameters {
            Some(parameters) => write!(f, "/{parameters}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ExtMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(direction) = self.direction {
            write!(f, "/{direction}")?;
        }
        write!(f, " {}", self.uri)?;
        match &self.parameters {
            Some(parameters) => write!(f, " {parameters}"),
            None => Ok(()),
        }
    }
}
