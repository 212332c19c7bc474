//! A WAV file of one party's speech: 16 bits, 8000 Hz. What came stands where it was said; where nothing came is silence.

use std::io::{self, Seek, SeekFrom, Write};
use std::time::Duration;

use crate::core::{RecordedPacket, Sound};

const RATE: u32 = 8000;
const HEADER: u32 = 44;

/// How far the sender's clock and ours may be apart before ours is believed: a pause without packets, a new stream. It
/// also bounds what one packet can make us write.
const MAX_DRIFT: u32 = RATE;

/// A file that speech is put to.
pub(super) struct Wave<W: Write + Seek> {
    file: W,
    /// In samples.
    written: u32,
    /// When the file begins, and which stream is at which place in it.
    begun: Option<Duration>,
    stream: Option<Stream>,
}

#[derive(Clone, Copy)]
struct Stream {
    ssrc: u32,
    /// The timestamp that stands at the file's beginning.
    zero: u32,
}

impl<W: Write + Seek> Wave<W> {
    pub(super) fn new(mut file: W) -> io::Result<Self> {
        file.write_all(&header(0))?;
        Ok(Self {
            file,
            written: 0,
            begun: None,
            stream: None,
        })
    }

    pub(super) fn packet(&mut self, packet: &RecordedPacket, sound: Sound) -> io::Result<()> {
        let Ok(rtp) = rtp::Packet::parse(&packet.bytes) else {
            return Ok(());
        };
        let begun = *self.begun.get_or_insert(packet.at);
        let since = packet.at.saturating_sub(begun).as_millis();
        let at = since.saturating_mul(u128::from(RATE)) / 1000;
        let Ok(at) = u32::try_from(at) else {
            return Ok(());
        };
        let (ssrc, timestamp) = (rtp.ssrc(), rtp.timestamp());
        let placed = self
            .stream
            .filter(|stream| stream.ssrc == ssrc)
            .map(|stream| timestamp.wrapping_sub(stream.zero))
            .filter(|place| place.abs_diff(at) <= MAX_DRIFT);
        let place = placed.unwrap_or_else(|| {
            let place = at.max(self.written);
            let zero = timestamp.wrapping_sub(place);
            self.stream = Some(Stream { ssrc, zero });
            place
        });
        // What comes late is left out: something stands there already.
        let Some(gap) = place.checked_sub(self.written) else {
            return Ok(());
        };
        io::copy(
            &mut io::Read::take(io::repeat(0), 2 * u64::from(gap)),
            &mut self.file,
        )?;
        for byte in rtp.payload() {
            self.file.write_all(&linear(*byte, sound).to_le_bytes())?;
        }
        let samples = u32::try_from(rtp.payload().len()).unwrap_or(0);
        self.written = place.saturating_add(samples);
        Ok(())
    }

    /// Writes how long it has become.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header(self.written))?;
        self.file.seek(SeekFrom::End(0))?;
        self.file.flush()
    }
}

fn header(samples: u32) -> Vec<u8> {
    let bytes = samples.saturating_mul(2);
    let mut out = Vec::with_capacity(HEADER as usize);
    out.extend(b"RIFF");
    out.extend(bytes.saturating_add(HEADER - 8).to_le_bytes());
    out.extend(b"WAVEfmt ");
    // Sixteen bytes of format: PCM, one channel.
    out.extend([16, 0, 0, 0, 1, 0, 1, 0]);
    out.extend(RATE.to_le_bytes());
    out.extend((2 * RATE).to_le_bytes());
    out.extend([2, 0, 16, 0]);
    out.extend(b"data");
    out.extend(bytes.to_le_bytes());
    out
}

/// ITU-T G.711.
fn linear(byte: u8, sound: Sound) -> i16 {
    match sound {
        Sound::MuLaw => {
            let byte = !byte;
            let magnitude = (i16::from(byte & 0x0f) << 3 | 0x84) << (byte >> 4 & 7);
            let magnitude = magnitude.saturating_sub(0x84);
            if byte & 0x80 == 0 {
                magnitude
            } else {
                magnitude.saturating_neg()
            }
        }
        Sound::ALaw => {
            let byte = byte ^ 0x55;
            let (segment, step) = (byte >> 4 & 7, i16::from(byte & 0x0f) << 4);
            let magnitude = match segment {
                0 => step.saturating_add(8),
                _ => step.saturating_add(0x108) << segment.saturating_sub(1),
            };
            if byte & 0x80 == 0 {
                magnitude.saturating_neg()
            } else {
                magnitude
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g711_is_decoded() {
        let mu = [
            (0xff, 0),
            (0x7f, 0),
            (0x80, 32124),
            (0x00, -32124),
            (0xfe, 8),
        ];
        let a = [(0xd5, 8), (0x55, -8), (0xaa, 32256), (0x2a, -32256)];
        for (byte, value) in mu {
            assert_eq!(linear(byte, Sound::MuLaw), value, "{byte:x}");
        }
        for (byte, value) in a {
            assert_eq!(linear(byte, Sound::ALaw), value, "{byte:x}");
        }
    }

    fn packet(ssrc: u32, timestamp: u32, at: u64) -> RecordedPacket {
        let mut bytes = vec![0x80, 0, 0, 1];
        bytes.extend(timestamp.to_be_bytes());
        bytes.extend(ssrc.to_be_bytes());
        bytes.extend([0x80; 160]);
        let any = "192.0.2.1:1".parse().unwrap();
        RecordedPacket {
            name: String::new(),
            at: Duration::from_millis(1_800_000_000_000 + at),
            from: any,
            to: any,
            party: 0,
            medium: 0,
            sound: Some(Sound::MuLaw),
            bytes,
        }
    }

    /// Whether each 20 ms of the file is speech.
    fn write(packets: &[(u32, u32, u64)]) -> Vec<bool> {
        let mut bytes = Vec::new();
        let mut wave = Wave::new(io::Cursor::new(&mut bytes)).unwrap();
        for (ssrc, timestamp, at) in packets {
            wave.packet(&packet(*ssrc, *timestamp, *at), Sound::MuLaw)
                .unwrap();
        }
        wave.finish().unwrap();
        let len = u32::from_le_bytes(bytes[40..44].try_into().unwrap());
        assert_eq!(
            len as usize + 44,
            bytes.len(),
            "the header tells the length"
        );
        bytes[44..].chunks(320).map(|chunk| chunk[0] != 0).collect()
    }

    #[test]
    fn speech_stands_where_it_was_said() {
        // A lost packet, one that is late, and one that comes twice.
        let told = write(&[
            (1, 0, 0),
            (1, 320, 45),
            (1, 160, 50),
            (1, 320, 51),
            (1, 480, 61),
        ]);
        assert_eq!(told, [true, false, true, true]);
    }

    #[test]
    fn a_timestamp_far_off_costs_no_more_than_the_time_that_has_passed() {
        let told = write(&[(1, 0, 0), (1, u32::MAX / 2, 40), (2, 7, 100)]);
        assert_eq!(told, [true, false, true, false, false, true]);
    }
}
