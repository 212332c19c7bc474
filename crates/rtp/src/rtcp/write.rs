//! Writing: packets one after another into the caller's buffer.

use super::{ReportBlock, SenderInfo, format, packet_type};
use crate::Error;

/// The most that a count of 5 bits tells.
const MAX_COUNT: u8 = 31;

/// Writes a compound packet. Begin with a report (RFC 3550 section 6.1).
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    /// Writes at the start of `buffer`.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A sender report with at most 31 blocks.
    ///
    /// # Errors
    /// [`Error::NoRoom`]; nothing of the packet is written then. So for all that follow.
    pub fn sender_report(
        &mut self,
        ssrc: u32,
        info: &SenderInfo,
        blocks: &[ReportBlock],
    ) -> Result<(), Error> {
        let words = [
            ssrc,
            (info.ntp.0 >> 32) as u32,
            (info.ntp.0 & 0xffff_ffff) as u32,
            info.timestamp,
            info.packets,
            info.octets,
        ];
        self.report(packet_type::SENDER_REPORT, &words, blocks)
    }

    /// A receiver report with at most 31 blocks.
    ///
    /// # Errors
    /// [`Error::NoRoom`].
    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) -> Result<(), Error> {
        self.report(packet_type::RECEIVER_REPORT, &[ssrc], blocks)
    }

    /// A source description with the canonical name, at most 255 bytes.
    ///
    /// # Errors
    /// [`Error::NoRoom`].
    pub fn source_description(&mut self, ssrc: u32, cname: &str) -> Result<(), Error> {
        const CNAME: u8 = 1;
        let len = u8::try_from(cname.len()).map_err(|_| Error::NoRoom)?;
        self.packet(packet_type::SOURCE_DESCRIPTION, 1, |body| {
            body.word(ssrc)?;
            body.bytes(&[CNAME, len])?;
            body.bytes(cname.as_bytes())?;
            // One to four zeros end the items on a word's end.
            body.bytes([0; 4].get(body.len % 4..).unwrap_or_default())
        })
    }

    /// The source leaves.
    ///
    /// # Errors
    /// [`Error::NoRoom`].
    pub fn bye(&mut self, ssrc: u32) -> Result<(), Error> {
        self.packet(packet_type::BYE, 1, |body| body.word(ssrc))
    }

    /// Picture loss indication (RFC 4585 section 6.3.1): asks `media` for a key frame.
    ///
    /// # Errors
    /// [`Error::NoRoom`].
    pub fn picture_loss(&mut self, sender: u32, media: u32) -> Result<(), Error> {
        let kind = packet_type::PAYLOAD_FEEDBACK;
        self.feedback(kind, format::PLI, sender, media, &[])
    }

    /// Full intra request (RFC 5104 section 4.3.1); `number` goes up by one with each new request.
    ///
    /// # Errors
    /// [`Error::NoRoom`].
    pub fn full_intra_request(&mut self, sender: u32, media: u32, number: u8) -> Result<(), Error> {
        let [a, b, c, d] = media.to_be_bytes();
        let information = [a, b, c, d, number, 0, 0, 0];
        let kind = packet_type::PAYLOAD_FEEDBACK;
        self.feedback(kind, format::FIR, sender, 0, &information)
    }

    /// Generic NACK (RFC 4585 section 6.2.1) for sequence numbers in ascending order.
    ///
    /// # Errors
    /// [`Error::NoRoom`].
    pub fn nack(&mut self, sender: u32, media: u32, lost: &[u16]) -> Result<(), Error> {
        self.packet(packet_type::TRANSPORT_FEEDBACK, format::NACK, |body| {
            body.word(sender)?;
            body.word(media)?;
            let mut lost = lost.iter().copied().peekable();
            while let Some(first) = lost.next() {
                let mut bits = 0_u16;
                while let Some(next) = lost.next_if(|next| next.wrapping_sub(first) <= 16) {
                    if let Some(bit) = next.wrapping_sub(first).checked_sub(1) {
                        bits |= 1 << bit;
                    }
                }
                body.word(u32::from(first) << 16 | u32::from(bits))?;
            }
            Ok(())
        })
    }

    /// Any feedback of RFC 4585; `information` is whole words.
    ///
    /// # Errors
    /// [`Error::NoRoom`].
    pub fn feedback(
        &mut self,
        packet_type: u8,
        format: u8,
        sender: u32,
        media: u32,
        information: &[u8],
    ) -> Result<(), Error> {
        self.packet(packet_type, format, |body| {
            body.word(sender)?;
            body.word(media)?;
            body.bytes(information)
        })
    }

    fn report(
        &mut self,
        packet_type: u8,
        words: &[u32],
        blocks: &[ReportBlock],
    ) -> Result<(), Error> {
        let count = u8::try_from(blocks.len()).map_err(|_| Error::NoRoom)?;
        if count > MAX_COUNT {
            return Err(Error::NoRoom);
        }
        self.packet(packet_type, count, |body| {
            words.iter().try_for_each(|word| body.word(*word))?;
            blocks.iter().try_for_each(|block| {
                body.word(block.ssrc)?;
                let lost = block.lost.cast_unsigned() & 0xff_ffff;
                body.word(u32::from(block.fraction_lost) << 24 | lost)?;
                body.word(block.extended_highest)?;
                body.word(block.jitter)?;
                body.word(block.last_sr)?;
                body.word(block.delay_since_last_sr)
            })
        })
    }

    /// One packet: the header's length is known when the body is written.
    fn packet(
        &mut self,
        packet_type: u8,
        count: u8,
        write: impl FnOnce(&mut Body<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let room = self.buffer.get_mut(self.len..).ok_or(Error::NoRoom)?;
        let (header, room) = room.split_first_chunk_mut::<4>().ok_or(Error::NoRoom)?;
        let mut body = Body { room, len: 0 };
        write(&mut body)?;
        let len = body.len;
        let words = u16::try_from(len / 4).map_err(|_| Error::NoRoom)?;
        if !len.is_multiple_of(4) {
            return Err(Error::NoRoom);
        }
        let [l0, l1] = words.to_be_bytes();
        *header = [0x80 | count & 0x1f, packet_type, l0, l1];
        self.len = self.len.saturating_add(4).saturating_add(len);
        Ok(())
    }
}

struct Body<'a> {
    room: &'a mut [u8],
    len: usize,
}

impl Body<'_> {
    fn word(&mut self, word: u32) -> Result<(), Error> {
        self.bytes(&word.to_be_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let end = self.len.checked_add(bytes.len()).ok_or(Error::NoRoom)?;
        let room = self.room.get_mut(self.len..end).ok_or(Error::NoRoom)?;
        for (to, from) in room.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Compound;
    use super::*;
    use crate::NtpTime;

    fn block() -> ReportBlock {
        ReportBlock {
            ssrc: 7,
            fraction_lost: 200,
            lost: -5,
            extended_highest: 0x1_0003,
            jitter: 12,
            last_sr: 34,
            delay_since_last_sr: 56,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let info = SenderInfo {
            ntp: NtpTime(0x0102_0304_0506_0708),
            timestamp: 9,
            packets: 10,
            octets: 11,
        };
        let mut buffer = [0xee; 512];
        let mut writer = Writer::new(&mut buffer);
        writer.sender_report(1, &info, &[block(), block()]).unwrap();
        writer.receiver_report(1, &[block()]).unwrap();
        writer.source_description(1, "phone@demo").unwrap();
        writer.picture_loss(1, 2).unwrap();
        writer.full_intra_request(1, 2, 3).unwrap();
        writer
            .nack(1, 2, &[65_534, 65_535, 0, 14, 15, 100])
            .unwrap();
        writer.bye(1).unwrap();
        let len = writer.len();

        let packets: Vec<_> = Compound::parse(&buffer[..len]).unwrap().collect();
        let report = packets[0].report().unwrap();
        assert_eq!((report.ssrc, report.sender), (1, Some(info)));
        assert_eq!(report.blocks().collect::<Vec<_>>(), [block(), block()]);
        let report = packets[1].report().unwrap();
        assert_eq!((report.sender, report.blocks().count()), (None, 1));
        assert_eq!(packets[2].body, b"\0\0\0\x01\x01\x0aphone@demo\0\0\0\0");
        let feedback = packets[3].feedback().unwrap();
        assert_eq!(
            (feedback.payload, feedback.format, feedback.media),
            (true, 1, 2)
        );
        let feedback = packets[4].feedback().unwrap();
        assert_eq!((feedback.format, feedback.media), (4, 0));
        assert_eq!(feedback.information, [0, 0, 0, 2, 3, 0, 0, 0]);
        let feedback = packets[5].feedback().unwrap();
        assert_eq!(
            feedback.lost().collect::<Vec<_>>(),
            [65_534, 65_535, 0, 14, 15, 100]
        );
        assert_eq!(packets[6].bye().collect::<Vec<_>>(), [1]);
        assert_eq!(packets.len(), 7);
    }

    #[test]
    fn names_of_every_length_end_on_a_word() {
        for len in 0..=255 {
            let mut buffer = [0xee; 300];
            let mut writer = Writer::new(&mut buffer);
            writer.source_description(1, &"x".repeat(len)).unwrap();
            let written = writer.len();
            assert_eq!(written % 4, 0);
            let packet = Compound::parse(&buffer[..written]).unwrap().next().unwrap();
            assert_eq!(packet.body.last(), Some(&0));
        }
    }

    #[test]
    fn what_does_not_fit_leaves_the_rest_as_it_was() {
        let mut buffer = [0; 20];
        let mut writer = Writer::new(&mut buffer);
        writer.receiver_report(1, &[]).unwrap();
        assert_eq!(writer.receiver_report(1, &[block()]), Err(Error::NoRoom));
        assert_eq!(writer.len(), 8);
        writer.bye(1).unwrap();
        assert_eq!(writer.len(), 16);
    }

    #[test]
    fn junk_of_every_length_never_panics() {
        let mut dice = testkit::Dice::new(2);
        for len in 0..1500 {
            let mut bytes = dice.bytes(len);
            for packet_type in 200..=207 {
                for (first, words) in [(0x9f, len / 4), (0xa1, len / 8), (0x81, 0)] {
                    let header = [first, packet_type, 0, words.saturating_sub(1) as u8];
                    for (to, from) in bytes.iter_mut().zip(header) {
                        *to = from;
                    }
                    let Ok(compound) = Compound::parse(&bytes) else {
                        continue;
                    };
                    for packet in compound {
                        let _ = packet.report().map(|report| report.blocks().count());
                        let _ = packet.bye().count();
                        let _ = packet.feedback().map(|it| it.lost().count());
                    }
                }
            }
        }
    }
}
