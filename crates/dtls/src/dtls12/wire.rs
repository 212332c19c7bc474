//! The presentation language of TLS (RFC 5246 section 4): big-endian numbers, vectors behind their length.

/// Reads from the front; `None` when there is not enough.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Option<usize> {
        let [high, middle, low] = self.array()?;
        usize::try_from(u32::from_be_bytes([0, high, middle, low])).ok()
    }

    /// A vector behind a length of one byte.
    pub(crate) fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(usize::from(length))
    }

    /// A vector behind a length of two bytes.
    pub(crate) fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// A vector behind a length of three bytes.
    pub(crate) fn vector24(&mut self) -> Option<&'a [u8]> {
        let length = self.u24()?;
        self.take(length)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Something only if nothing stands behind it.
    pub(crate) fn end(self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

/// The 16-bit numbers that fill a vector; `None` when half a one is left.
pub(crate) fn numbers(vector: &[u8]) -> Option<Vec<u16>> {
    let (pairs, rest) = vector.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
}

/// Appends the low three bytes.
pub(crate) fn put_u24(out: &mut Vec<u8>, number: usize) {
    let bytes = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    out.extend(bytes.iter().skip(1));
}

/// Appends what `write` writes, behind its length in two bytes.
pub(crate) fn put_vector16(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut vector = Vec::new();
    write(&mut vector);
    out.extend(
        u16::try_from(vector.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    out.extend(vector);
}

/// Appends `bytes` behind their length in one byte.
pub(crate) fn put_vector8(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.extend(bytes);
}

/// Appends 16-bit numbers.
pub(crate) fn put_numbers(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u16>) {
    numbers
        .into_iter()
        .for_each(|number| out.extend(number.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_past_the_end() {
        let mut reader = Reader::new(&[2, 1, 2, 0, 3, 9]);
        assert_eq!(reader.vector8(), Some(&[1, 2][..]));
        assert_eq!(reader.vector16(), None);
        assert_eq!(Reader::new(&[0, 0]).u24(), None);
        assert_eq!(Reader::new(&[0, 1, 0]).u24(), Some(256));
        assert_eq!(numbers(&[0, 1, 2]), None);
        assert_eq!(numbers(&[0, 1, 2, 0]), Some(vec![1, 512]));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut out = Vec::new();
        put_vector16(&mut out, |out| put_numbers(out, [29, 23]));
        put_vector8(&mut out, b"abc");
        put_u24(&mut out, 70_000);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.vector16().and_then(numbers), Some(vec![29, 23]));
        assert_eq!(reader.vector8(), Some(&b"abc"[..]));
        assert_eq!(reader.u24(), Some(70_000));
        assert_eq!(reader.end(), Some(()));
    }
}
