//! What another process has spent and holds, read from /proc.

use std::fs;
use std::process;

/// /proc counts in hundredths of a second, whatever the kernel's own tick is (USER_HZ).
const TICKS: f64 = 100.0;

/// CPU time of a process since its start.
#[derive(Clone, Copy, Default, Debug)]
pub struct Cpu {
    /// Seconds on a CPU, summed over the threads that live (schedstat, in nanoseconds).
    seconds: f64,
    /// Seconds in user and in system mode, by ticks: only their ratio is used.
    user: f64,
    system: f64,
    /// How often a thread gave up its CPU or lost it.
    switches: u64,
}

impl Cpu {
    /// Of the process with this id.
    pub fn of(pid: u32) -> Self {
        let mut cpu = Self::default();
        (cpu.user, cpu.system) = ticks(pid);
        for thread in fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let read =
                |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
            cpu.seconds += number(read("schedstat").split_whitespace().next()) as f64 / 1e9;
            let switches = read("status");
            cpu.switches += field(&switches, "voluntary_ctxt_switches:")
                + field(&switches, "nonvoluntary_ctxt_switches:");
        }
        if cpu.seconds == 0.0 {
            // A kernel without schedstat: ticks are all there is.
            cpu.seconds = cpu.user + cpu.system;
        }
        cpu
    }

    /// Of this process.
    pub fn own() -> Self {
        Self::of(process::id())
    }

    /// What was spent since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            seconds: self.seconds - before.seconds,
            user: self.user - before.user,
            system: self.system - before.system,
            switches: self.switches.saturating_sub(before.switches),
        }
    }

    /// Seconds on a CPU.
    pub fn seconds(self) -> f64 {
        self.seconds
    }

    /// Microseconds on a CPU.
    pub fn microseconds(self) -> f64 {
        self.seconds * 1e6
    }

    /// How often a thread gave up its CPU or lost it.
    pub fn switches(self) -> u64 {
        self.switches
    }

    /// The part in user mode, from 0 to 1. Where the kernel accounts by ticks it is too high: the delivery over
    /// loopback that happens inside a send counts in neither part.
    pub fn user_share(self) -> f64 {
        let both = self.user + self.system;
        if both > 0.0 { self.user / both } else { 0.0 }
    }
}

/// The resident set of a process in kB; 0 without one.
pub fn resident(pid: Option<u32>) -> u64 {
    let status = pid.map(|pid| fs::read_to_string(format!("/proc/{pid}/status")));
    field(&status.and_then(Result::ok).unwrap_or_default(), "VmRSS:")
}

/// How many files a process holds open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

fn ticks(pid: u32) -> (f64, f64) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command's name may hold spaces; the fields that are wanted stand after its bracket.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = rest.split_whitespace().skip(11);
    let mut seconds = || number(fields.next()) as f64 / TICKS;
    (seconds(), seconds())
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    number(line.and_then(|line| line.split_whitespace().next()))
}

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_descriptors_and_spends_time() {
        let before = Cpu::own();
        while Cpu::own().since(before).seconds() <= 0.0 {
            std::hint::black_box((0..100_000u64).sum::<u64>());
        }
        assert!(resident(Some(process::id())) > 100);
        assert!(descriptors(process::id()) > 2);
        assert_eq!(resident(None), 0);
    }
}
