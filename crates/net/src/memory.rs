//! Memory that was freed, and the system.

/// Hands memory that this process has freed back to the system. The allocator of glibc keeps it for later otherwise, also
/// the hundreds of megabytes of a crowd that has left. Takes some milliseconds for each hundred megabytes, so it is for a
/// thread that nobody waits for.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the allocator has no safe interface for this")]
pub fn give_back() {
    // SAFETY: takes a number only: how much to keep at the end of the heap.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators do so by themselves, or cannot.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_freed_between_what_is_kept_goes_back() {
        let resident_kib = || -> usize {
            let text = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
            pages * 4
        };
        // Small pieces lie in one heap; every tenth stays where it is.
        let mut pieces: Vec<Option<Vec<u8>>> = (0..16_384).map(|_| Some(vec![1; 8_192])).collect();
        let full = resident_kib();
        for (number, piece) in pieces.iter_mut().enumerate() {
            if number % 10 != 0 {
                *piece = None;
            }
        }
        give_back();
        let left = resident_kib();
        assert!(full - left > 50_000, "{full} KiB before, {left} after");
        drop(pieces);
    }
}
