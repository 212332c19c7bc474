//! Which processor a thread runs on.

use std::io;

/// Keeps the calling thread on one of the processors that this process may use, counted from 0 and, beyond the last,
/// from the first again.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "neither std nor socket2 knows processors")]
pub fn pin(number: usize) -> io::Result<()> {
    // SAFETY: a set is an array of integers, which zero is fine for; and then it is empty.
    let (mut allowed, mut one): (libc::cpu_set_t, libc::cpu_set_t) = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: the kernel writes at most `size` bytes to the set, which lives until the call returns.
    if unsafe { libc::sched_getaffinity(0, size, &raw mut allowed) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let capacity = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: the numbers are less than a set has places.
    let is_allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &allowed) };
    let cpus: Vec<usize> = (0..capacity).filter(is_allowed).collect();
    let chosen = number.checked_rem(cpus.len()).and_then(|at| cpus.get(at));
    let Some(chosen) = chosen else {
        return Err(io::ErrorKind::NotFound.into());
    };
    // SAFETY: the number is less than a set has places.
    unsafe { libc::CPU_SET(*chosen, &mut one) };
    // SAFETY: the kernel reads `size` bytes of the set, which lives until the call returns.
    if unsafe { libc::sched_setaffinity(0, size, &raw const one) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Only Linux does it this way.
#[cfg(not(target_os = "linux"))]
pub fn pin(_: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    fn allowed() -> String {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("Cpus_allowed_list"));
        let (_, list) = line.unwrap().split_once(':').unwrap();
        list.trim().to_owned()
    }

    #[test]
    fn a_pinned_thread_has_one_processor_and_others_keep_theirs() {
        let before = allowed();
        let pinned = std::thread::spawn(|| {
            pin(1_000_003).unwrap();
            allowed()
        });
        assert!(pinned.join().unwrap().parse::<usize>().is_ok());
        assert_eq!(allowed(), before);
    }
}
