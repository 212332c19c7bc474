//! What an edge has spent and holds: its process and those that it has made, read from /proc.

use std::fs;
use std::time::Duration;

use peers::process::Cpu;

/// How long memory must keep its size to be believed.
const STEADY: Duration = Duration::from_secs(3);

/// How much it may change meanwhile, in KiB.
const CHANGE: u64 = 256;

/// How long an edge has after the last registration until its memory is looked at: it remembers transactions for five
/// seconds (timer K of RFC 3261), and may give back what it does not need any more.
const TRANSACTIONS: Duration = Duration::from_secs(16);

/// A process and its children.
#[derive(Clone, Copy)]
pub(crate) struct Edge(pub(crate) u32);

impl Edge {
    /// Seconds on a CPU, of all threads that live.
    pub(crate) fn seconds(self) -> f64 {
        let processes = self.processes();
        processes.iter().map(|pid| Cpu::of(*pid).seconds()).sum()
    }

    /// Resident memory in KiB. What processes share is counted once (the proportional set).
    pub(crate) fn resident(self) -> u64 {
        let sizes = self.processes().into_iter().map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
            let text = text.unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            number.unwrap_or(0)
        });
        sizes.sum()
    }

    /// Resident memory once nothing is remembered of what just was, and it has its size; `limit` is the longest wait.
    pub(crate) async fn settled(self, limit: Duration) -> u64 {
        tokio::time::sleep(TRANSACTIONS).await;
        let end = tokio::time::Instant::now() + limit;
        let mut before = self.resident();
        loop {
            tokio::time::sleep(STEADY).await;
            let now = self.resident();
            if now.abs_diff(before) <= CHANGE || tokio::time::Instant::now() > end {
                return now;
            }
            before = now;
        }
    }

    /// Whether it still runs.
    pub(crate) fn is_there(self) -> bool {
        self.resident() > 0
    }

    fn processes(self) -> Vec<u32> {
        let mut found = vec![self.0];
        let all: Vec<(u32, u32)> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                Some((pid, parent(pid)?))
            })
            .collect();
        let mut at = 0;
        while let Some(&of) = found.get(at) {
            found.extend(all.iter().filter(|(_, up)| *up == of).map(|(pid, _)| *pid));
            at += 1;
        }
        found
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold spaces and brackets.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn an_edge_is_all_its_processes() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let own = Edge(std::process::id());
        assert!(own.processes().contains(&child.id()));
        assert!(own.resident() > Edge(child.id()).resident());
        assert!(own.seconds() > 0.0);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!Edge(child.id()).is_there());
    }
}
