//! G.711, both laws (ITU-T G.711), sample by sample.

/// One of the two laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// µ-law, payload type 0.
    Pcmu,
    /// A-law, payload type 8.
    Pcma,
}

/// µ-law adds this before it takes the logarithm.
const BIAS: i32 = 0x84;

/// The largest µ-law magnitude.
const CLIP: i32 = 32_635;

impl Codec {
    /// The static payload type (RFC 3551).
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The name in `a=rtpmap`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// One 16-bit sample to one byte.
    #[must_use]
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => encode_mu(i32::from(sample)),
            Self::Pcma => encode_a(i32::from(sample)),
        }
    }

    /// One byte to one 16-bit sample.
    #[must_use]
    pub fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Pcmu => decode_mu(byte),
            Self::Pcma => decode_a(byte),
        }
    }
}

fn encode_mu(sample: i32) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.abs().min(CLIP) + BIAS;
    let segment = (magnitude >> 7).ilog2();
    let mantissa = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4) as u8 | mantissa as u8)
}

fn decode_mu(byte: u8) -> i16 {
    let byte = !byte;
    let segment = u32::from((byte >> 4) & 7);
    let magnitude = (((i32::from(byte & 0x0f) << 3) + BIAS) << segment) - BIAS;
    signed(magnitude, byte & 0x80 != 0)
}

fn encode_a(sample: i32) -> u8 {
    // A-law's sign bit is set for what is not negative.
    let (sign, magnitude) = if sample < 0 {
        (0, !sample)
    } else {
        (0x80, sample)
    };
    let magnitude = magnitude >> 4;
    let segment = (magnitude >> 4).checked_ilog2().map_or(0, |log| log + 1);
    let mantissa = (magnitude >> segment.saturating_sub(1)) & 0x0f;
    (sign | (segment << 4) as u8 | mantissa as u8) ^ 0x55
}

fn decode_a(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let segment = u32::from((byte >> 4) & 7);
    let mantissa = i32::from(byte & 0x0f) << 4;
    let magnitude = match segment {
        0 => mantissa + 8,
        _ => (mantissa + 0x108) << (segment - 1),
    };
    signed(magnitude, byte & 0x80 == 0)
}

fn signed(magnitude: i32, negative: bool) -> i16 {
    let sample = if negative { -magnitude } else { magnitude };
    sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for byte in 0..=255_u8 {
                let sample = codec.decode(byte);
                let again = codec.decode(codec.encode(sample));
                assert_eq!(again, sample, "{codec:?} {byte:#x}");
            }
        }
    }

    #[test]
    fn known_values_of_the_standard() {
        // µ-law: zero is 0xff, the largest magnitudes are 0x80 and 0x00 and mean 32124.
        assert_eq!(Codec::Pcmu.encode(0), 0xff);
        assert_eq!(Codec::Pcmu.decode(0x80), 32_124);
        assert_eq!(Codec::Pcmu.decode(0x00), -32_124);
        assert_eq!(Codec::Pcmu.encode(i16::MAX), 0x80);
        // A-law: zero is 0xd5, the largest magnitudes are 0xaa and 0x2a and mean 32256.
        assert_eq!(Codec::Pcma.encode(0), 0xd5);
        assert_eq!(Codec::Pcma.decode(0xd5), 8);
        assert_eq!(Codec::Pcma.decode(0xaa), 32_256);
        assert_eq!(Codec::Pcma.decode(0x2a), -32_256);
        assert_eq!(Codec::Pcma.encode(i16::MIN), 0x2a);
    }

    #[test]
    fn the_error_is_small_everywhere() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            for sample in (-32_000..32_000).step_by(7) {
                let sample = sample as i16;
                let error = i32::from(codec.decode(codec.encode(sample))) - i32::from(sample);
                let allowed = i32::from(sample).abs() / 28 + 9;
                assert!(error.abs() <= allowed, "{codec:?} {sample} {error}");
            }
        }
    }
}
