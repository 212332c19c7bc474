//! Records of DTLS 1.2 (RFC 6347 section 4.1) and their protection with AES-GCM (RFC 5288).

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};

use super::wire::Reader;

pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;

/// Type, version, epoch, sequence number, length.
pub(crate) const HEADER: usize = 13;
/// The explicit part of the nonce and the tag.
pub(crate) const SEALED: usize = EXPLICIT + 16;
const EXPLICIT: usize = 8;
const VERSION: [u8; 2] = [0xfe, 0xfd];

/// One record as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) kind: u8,
    version: [u8; 2],
    /// Epoch and sequence number in one, as the nonce and the additional data have them.
    number: u64,
    pub(crate) body: &'a [u8],
}

impl Record<'_> {
    /// 0 before the keys, 1 with them.
    pub(crate) fn epoch(&self) -> u64 {
        self.number >> 48
    }
}

/// The records of a datagram; ends at the first that is none.
pub(crate) fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut reader = Reader::new(datagram);
    std::iter::from_fn(move || {
        let (kind, version) = (reader.u8()?, reader.array()?);
        let number = u64::from_be_bytes(reader.array()?);
        let body = reader.vector16()?;
        (version[0] == VERSION[0]).then_some(Record {
            kind,
            version,
            number,
            body,
        })
    })
}

/// Appends a record in the clear.
pub(crate) fn write(out: &mut Vec<u8>, kind: u8, number: u64, body: &[u8]) {
    out.push(kind);
    out.extend(VERSION);
    out.extend(number.to_be_bytes());
    out.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(body);
}

/// The keys of one direction.
pub(crate) struct Protection {
    key: LessSafeKey,
    salt: [u8; 4],
    /// The highest number that was opened, and which of the 64 up to it.
    highest: u64,
    seen: u64,
}

impl Protection {
    pub(crate) fn new(
        algorithm: &'static aead::Algorithm,
        key: &[u8],
        salt: [u8; 4],
    ) -> Option<Self> {
        Some(Protection {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?),
            salt,
            highest: 0,
            seen: 0,
        })
    }

    /// Appends a protected record. A number must be used once only: it is the nonce.
    pub(crate) fn seal(&self, out: &mut Vec<u8>, kind: u8, number: u64, body: &[u8]) -> Option<()> {
        let mut sealed = body.to_vec();
        let aad = additional(kind, VERSION, number, body.len())?;
        let nonce = self.nonce(number.to_be_bytes());
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed)
            .ok()?;
        let explicit = number.to_be_bytes();
        write(out, kind, number, &[&explicit[..], &sealed].concat());
        Some(())
    }

    /// What stands in a record, once; `None` for a forged one, a repeated one and an old one.
    pub(crate) fn open(&mut self, record: &Record<'_>) -> Option<Vec<u8>> {
        if self.is_seen(record.number) {
            return None;
        }
        let (explicit, sealed) = record.body.split_first_chunk::<EXPLICIT>()?;
        let length = sealed.len().checked_sub(SEALED - EXPLICIT)?;
        let aad = additional(record.kind, record.version, record.number, length)?;
        let mut body = sealed.to_vec();
        let nonce = self.nonce(*explicit);
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(aad), &mut body)
            .ok()?
            .len();
        body.truncate(opened);
        self.note(record.number);
        Some(body)
    }

    fn nonce(&self, explicit: [u8; EXPLICIT]) -> Nonce {
        let mut nonce = [0; 12];
        let bytes = self.salt.iter().chain(&explicit);
        nonce
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = *from);
        Nonce::assume_unique_for_key(nonce)
    }

    fn is_seen(&self, number: u64) -> bool {
        let Some(back) = self.highest.checked_sub(number) else {
            return false;
        };
        // Bit 0 is the highest itself.
        back >= 64 || self.seen & (1 << back) != 0
    }

    fn note(&mut self, number: u64) {
        if let Some(forward) = number.checked_sub(self.highest).filter(|by| *by > 0) {
            let shift = u32::try_from(forward).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(shift).unwrap_or(0);
            self.highest = number;
        }
        let back = self.highest.saturating_sub(number);
        self.seen |= 1_u64
            .checked_shl(u32::try_from(back).unwrap_or(u32::MAX))
            .unwrap_or(0);
    }
}

fn additional(kind: u8, version: [u8; 2], number: u64, length: usize) -> Option<[u8; HEADER]> {
    let mut aad = Vec::with_capacity(HEADER);
    aad.extend(number.to_be_bytes());
    aad.push(kind);
    aad.extend(version);
    aad.extend(u16::try_from(length).ok()?.to_be_bytes());
    aad.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> [Protection; 2] {
        [0, 1].map(|_| Protection::new(&aead::AES_128_GCM, &[7; 16], [1; 4]).unwrap())
    }

    const FIRST: u64 = 1 << 48;

    #[test]
    fn a_record_is_opened_once() {
        let [ours, mut theirs] = pair();
        for number in [FIRST, FIRST + 5, FIRST + 2, FIRST + 100] {
            let mut out = Vec::new();
            ours.seal(&mut out, HANDSHAKE, number, b"finished").unwrap();
            let record = records(&out).next().unwrap();
            assert_eq!(record.epoch(), 1);
            assert_eq!(theirs.open(&record).as_deref(), Some(&b"finished"[..]));
            assert_eq!(theirs.open(&record), None, "repeated");
        }
        let mut out = Vec::new();
        ours.seal(&mut out, HANDSHAKE, FIRST + 3, b"old").unwrap();
        assert_eq!(theirs.open(&records(&out).next().unwrap()), None, "too old");
    }

    #[test]
    fn a_record_spoilt_anywhere_is_not_opened() {
        let [ours, mut theirs] = pair();
        let mut out = Vec::new();
        ours.seal(&mut out, HANDSHAKE, FIRST, b"finished").unwrap();
        for at in 0..out.len() {
            let mut spoilt = out.clone();
            spoilt[at] ^= 1;
            let opened = records(&spoilt)
                .next()
                .and_then(|record| theirs.open(&record));
            assert_eq!(opened, None, "{at}");
        }
        for length in 0..SEALED {
            let mut short = Vec::new();
            write(&mut short, HANDSHAKE, FIRST, &vec![0; length]);
            assert_eq!(theirs.open(&records(&short).next().unwrap()), None);
        }
        assert!(theirs.open(&records(&out).next().unwrap()).is_some());
    }

    #[test]
    fn a_datagram_may_hold_several_records() {
        let mut out = Vec::new();
        write(&mut out, HANDSHAKE, 0, b"one");
        write(&mut out, CHANGE_CIPHER_SPEC, 1, &[1]);
        out.extend([22, 0xfe, 0xfd, 0]);
        let kinds: Vec<_> = records(&out).map(|record| record.kind).collect();
        assert_eq!(kinds, [HANDSHAKE, CHANGE_CIPHER_SPEC]);
    }
}
