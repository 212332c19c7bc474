//! What the kernel notes beside a datagram (control messages, RFC 3542 section 20), read as bytes.

use std::time::{Duration, SystemTime};

/// Bytes of a note's header: its length, level and type.
const HEADER: usize = size_of::<libc::cmsghdr>().next_multiple_of(ALIGNMENT);

/// What follows a header, and the next header, stand at multiples of this.
const ALIGNMENT: usize = size_of::<usize>();

/// One note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note<'a> {
    /// As with `setsockopt`.
    pub(crate) level: libc::c_int,
    pub(crate) kind: libc::c_int,
    pub(crate) value: &'a [u8],
}

/// One after the other; ends with the first that is not whole.
pub(crate) fn read(bytes: &[u8]) -> impl Iterator<Item = Note<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let (level, after) = after.split_first_chunk()?;
        let kind = after.first_chunk()?;
        let length = usize::from_ne_bytes(*length);
        let value = rest.get(HEADER..length)?;
        rest = rest
            .get(length.next_multiple_of(ALIGNMENT)..)
            .unwrap_or_default();
        Some(Note {
            level: libc::c_int::from_ne_bytes(*level),
            kind: libc::c_int::from_ne_bytes(*kind),
            value,
        })
    })
}

/// When the datagram came, where that is noted (`SO_TIMESTAMPNS`).
pub(crate) fn time(bytes: &[u8]) -> Option<SystemTime> {
    let mut notes = read(bytes);
    let is_time = |note: &Note<'_>| (note.level, note.kind) == (libc::SOL_SOCKET, TIME);
    let (seconds, rest) = notes.find(is_time)?.value.split_first_chunk()?;
    let seconds = u64::try_from(isize::from_ne_bytes(*seconds)).ok()?;
    let nanoseconds = u32::try_from(isize::from_ne_bytes(*rest.first_chunk()?)).ok()?;
    let since = Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanoseconds.into()));
    SystemTime::UNIX_EPOCH.checked_add(since?)
}

const TIME: libc::c_int = libc::SO_TIMESTAMPNS;

#[cfg(test)]
mod tests {
    use super::*;

    fn note(level: libc::c_int, kind: libc::c_int, value: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER + value.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes
    }

    #[test]
    fn each_note_is_found_whatever_stands_before_it() {
        let mut time = 5_isize.to_ne_bytes().to_vec();
        time.extend(7_isize.to_ne_bytes());
        let bytes = [
            note(1, 2, b"odd"),
            note(libc::SOL_SOCKET, TIME, &time),
            note(3, 4, &[9; 28]),
        ]
        .concat();
        let kinds: Vec<_> = read(&bytes).map(|note| (note.level, note.kind)).collect();
        assert_eq!(kinds, [(1, 2), (libc::SOL_SOCKET, TIME), (3, 4)]);
        assert_eq!(read(&bytes).next().unwrap().value, b"odd");
        assert_eq!(read(&bytes).last().unwrap().value, [9; 28]);
        let came = SystemTime::UNIX_EPOCH + Duration::new(5, 7);
        assert_eq!(super::time(&bytes), Some(came));
    }

    #[test]
    fn what_is_cut_off_ends_the_notes_and_nothing_else() {
        let bytes = [note(1, 2, &[3; 8]), note(4, 5, &[6; 8])].concat();
        for length in 0..bytes.len() {
            let whole = read(&bytes[..length]).count();
            assert_eq!(whole, length / (HEADER + 8), "{length}");
        }
        let endless = [0; 64];
        assert_eq!(
            read(&endless).count(),
            0,
            "a note without a header's length"
        );
        assert_eq!(read(&[0xff; 64]).count(), 0);
        assert_eq!(time(&bytes), None);
    }
}
