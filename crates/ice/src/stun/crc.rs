//! The CRC-32 of FINGERPRINT (RFC 8489 section 14.7; ITU V.42, reflected 0xEDB88320).

/// CRC-32 of the message before the attribute, XORed as the RFC says so that it differs from other CRCs.
pub(super) fn fingerprint(covered: &[u8]) -> u32 {
    crc32(covered) ^ 0x5354_554e
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let [low, ..] = crc.to_le_bytes();
        let entry = TABLE
            .get(usize::from(low ^ byte))
            .copied()
            .unwrap_or_default();
        (crc >> 8) ^ entry
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// Worked out when compiling.
static TABLE: [u32; 256] = {
    let mut table = [0_u32; 256];
    let (mut index, mut left) = (0, table.as_mut_slice());
    while let [entry, rest @ ..] = left {
        *entry = index;
        let mut bit = 0;
        while bit < 8 {
            *entry = if *entry & 1 == 1 {
                (*entry >> 1) ^ 0xedb8_8320
            } else {
                *entry >> 1
            };
            bit += 1;
        }
        index += 1;
        left = rest;
    }
    table
};

#[cfg(test)]
mod tests {
    #[test]
    fn is_the_crc_of_the_check_string() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
