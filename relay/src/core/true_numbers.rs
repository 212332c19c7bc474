//! Reports about a stream that was numbered anew on its way (`play DTMF`, a phone that begins again): towards its sender they
//! speak of the numbers that it knows.

use rtp::rtcp::packet_type::{RECEIVER_REPORT, SENDER_REPORT, TRANSPORT_FEEDBACK};

use super::leg::Leg;

const BLOCK: usize = 24;
/// Of generic NACK (RFC 4585 section 6.2.1).
const NACK: u8 = 1;

impl Leg {
    /// Puts the sender's own numbers into a plain compound packet of this side.
    pub(super) fn restore_numbers(&self, compound: &mut [u8]) {
        if self.injection.is_some() || self.has_moved_numbers() {
            restore(compound, |ssrc| self.moved_by(ssrc));
        }
    }

    fn has_moved_numbers(&self) -> bool {
        self.all_keys().any(|keys| keys.has_moved())
    }

    /// What was added to the numbers of a stream on its way to this side.
    fn moved_by(&self, ssrc: u32) -> u16 {
        let injected = self
            .injection
            .as_ref()
            .map_or(0, |injection| injection.moved_by(ssrc));
        self.all_keys()
            .map(|keys| keys.moved_by(ssrc))
            .fold(injected, u16::wrapping_add)
    }

    fn all_keys(&self) -> impl Iterator<Item = &super::leg::Keys> {
        let own = self.rtp.as_ref().and_then(|rtp| rtp.keys.as_deref());
        own.or(self.keys.as_ref()).into_iter()
    }
}

/// Walks the packets of a compound whose lengths hold.
fn restore(compound: &mut [u8], moved_by: impl Fn(u32) -> u16) {
    let mut rest = compound;
    while let Some([first, kind, a, b]) = rest.first_chunk::<4>().copied() {
        let words = usize::from(u16::from_be_bytes([a, b]));
        let len = words.saturating_add(1).saturating_mul(4);
        let Some((packet, after)) = rest.split_at_mut_checked(len) else {
            return;
        };
        let count = first & 0x1f;
        match kind {
            SENDER_REPORT => blocks(packet.get_mut(28..), count, &moved_by),
            RECEIVER_REPORT => blocks(packet.get_mut(8..), count, &moved_by),
            TRANSPORT_FEEDBACK if count == NACK => lost(packet.get_mut(8..), &moved_by),
            _ => {}
        }
        rest = after;
    }
}

fn blocks(body: Option<&mut [u8]>, count: u8, moved_by: &impl Fn(u32) -> u16) {
    let (blocks, _) = body.unwrap_or_default().as_chunks_mut::<BLOCK>();
    for block in blocks.iter_mut().take(usize::from(count)) {
        let &mut [
            s0,
            s1,
            s2,
            s3,
            _,
            _,
            _,
            _,
            ref mut c0,
            ref mut c1,
            ref mut h0,
            ref mut h1,
            ..,
        ] = block;
        let by = moved_by(u32::from_be_bytes([s0, s1, s2, s3]));
        let highest = u32::from_be_bytes([*c0, *c1, *h0, *h1]);
        // Moved back as well as on: the nearer of both.
        let by = i32::from(by.cast_signed());
        let restored = highest.wrapping_sub(by.cast_unsigned());
        [*c0, *c1, *h0, *h1] = restored.to_be_bytes();
    }
}

/// The media's SSRC, then pairs of a sequence number and what follows it.
fn lost(body: Option<&mut [u8]>, moved_by: &impl Fn(u32) -> u16) {
    let (words, _) = body.unwrap_or_default().as_chunks_mut::<4>();
    let Some((ssrc, items)) = words.split_first_mut() else {
        return;
    };
    let by = moved_by(u32::from_be_bytes(*ssrc));
    for [p0, p1, ..] in items {
        let number = u16::from_be_bytes([*p0, *p1]).wrapping_sub(by);
        [*p0, *p1] = number.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use rtp::rtcp::{Compound, ReportBlock, Writer};

    use super::*;

    fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut buffer = [0; 200];
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer);
        let len = writer.len();
        buffer[..len].to_vec()
    }

    #[test]
    fn reports_and_requests_speak_of_the_senders_numbers_and_others_stay() {
        let block = |ssrc, extended_highest| ReportBlock {
            ssrc,
            extended_highest,
            ..ReportBlock::default()
        };
        let told = |a, b, lost: &[u16]| {
            written(|writer| {
                writer
                    .receiver_report(1, &[block(7, a), block(8, b)])
                    .unwrap();
                writer.nack(1, 7, lost).unwrap();
            })
        };
        for (by, heard, sent) in [
            (3, 0x1_0001, 0xfffe),
            (3_u16.wrapping_neg(), 0xffff, 0x1_0002),
        ] {
            let mut compound = told(heard, heard, &[heard as u16]);
            restore(&mut compound, |ssrc| if ssrc == 7 { by } else { 0 });
            assert_eq!(compound, told(sent, heard, &[sent as u16]));
            assert!(Compound::parse(&compound).is_ok());
        }
    }

    #[test]
    fn lengths_that_lie_harm_nobody() {
        let whole = written(|writer| {
            writer
                .receiver_report(1, &[ReportBlock::default()])
                .unwrap()
        });
        for len in 0..whole.len() {
            for count in 0..32 {
                let mut cut = whole[..len].to_vec();
                cut.first_mut()
                    .into_iter()
                    .for_each(|first| *first = 0x80 | count);
                cut.get_mut(3)
                    .into_iter()
                    .for_each(|words| *words = (len / 4) as u8);
                restore(&mut cut, |_| 1);
            }
        }
    }
}
