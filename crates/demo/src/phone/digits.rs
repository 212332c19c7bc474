//! Digits as RTP events (RFC 4733).

/// The payload of one packet about one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) digit: char,
    /// The key was let go.
    pub(crate) end: bool,
    /// In samples since the key went down.
    pub(crate) duration: u16,
}

/// Event codes 0 to 15 in order (RFC 4733 section 3.2).
const KEYS: &str = "0123456789*#ABCD";

/// 10 dB below the loudest.
const VOLUME: u8 = 10;

/// A key is held for so many packets of 20 ms, and its end is sent three times (section 2.5.1.4).
const HELD: u16 = 5;
const ENDS: u16 = 3;

impl Event {
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let &[code, flags, d0, d1] = payload.first_chunk()?;
        Some(Self {
            digit: KEYS.chars().nth(code.into())?,
            end: flags & 0x80 != 0,
            duration: u16::from_be_bytes([d0, d1]),
        })
    }

    pub(crate) fn payload(self) -> Option<[u8; 4]> {
        let code = KEYS.find(self.digit.to_ascii_uppercase())?;
        let [d0, d1] = self.duration.to_be_bytes();
        let flags = if self.end { 0x80 | VOLUME } else { VOLUME };
        Some([u8::try_from(code).ok()?, flags, d0, d1])
    }
}

/// The packets of one key press, one each 20 ms. The first carries the marker; all have the first one's timestamp.
pub(crate) fn press(digit: char) -> impl Iterator<Item = Event> {
    (1..=HELD + ENDS).map(move |packet| Event {
        digit,
        end: packet > HELD,
        duration: packet.min(HELD) * super::sound::FRAME as u16,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_comes_back() {
        for digit in KEYS.chars() {
            let events: Vec<_> = press(digit)
                .map(|event| Event::parse(&event.payload().unwrap()).unwrap())
                .collect();
            assert!(events.iter().all(|event| event.digit == digit));
            assert_eq!(events.iter().filter(|event| event.end).count(), 3);
            assert_eq!(events.last().unwrap().duration, 800);
        }
        assert_eq!(Event::parse(&[16, 0, 0, 0]), None);
        assert_eq!(Event::parse(&[1, 0, 0]), None);
    }
}
