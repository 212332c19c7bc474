//! What the system knows of this process, under the names that Prometheus' own libraries use. Where there is no /proc
//! nothing is said.

use std::fmt;

use super::Page;

/// Octets of a page in /proc/self/statm: nobody runs us with huge base pages.
const PAGE: u64 = 4096;

/// Writes it.
pub(super) fn write(page: &mut Page<'_>) -> fmt::Result {
    if let Some(pages) = resident() {
        page.gauge(
            "resident_memory_bytes",
            "Resident memory",
            pages.saturating_mul(PAGE),
        )?;
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        page.gauge("open_fds", "Open file descriptors", files.count())?;
    }
    if let Some(limit) = max_files() {
        page.gauge("max_fds", "File descriptors that may be open", limit)?;
    }
    Ok(())
}

fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    text.split_whitespace().nth(1)?.parse().ok()
}

fn max_files() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
