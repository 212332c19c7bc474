//! The addresses that have proved knowledge of a password: the gate for DTLS and media.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::Pair;

/// RFC 7675 section 5.1: consent lasts 30 seconds after the last proof. Browsers check every 2.5 to 5 seconds.
pub(crate) const CONSENT: Duration = Duration::from_secs(30);

/// A browser on several networks behind several NATs stays far below; beyond it the stalest path makes room.
const MAX_PATHS: usize = 16;

#[derive(Debug)]
struct Path {
    pair: Pair,
    /// The peer's fragment as the check named it, for when its SDP comes later than its checks.
    ufrag: Option<String>,
    proved: Instant,
}

/// The few paths of one agent, newest proofs first in importance, none older than [`CONSENT`].
#[derive(Debug, Default)]
pub(crate) struct Paths(Vec<Path>);

impl Paths {
    /// Notes a proof. True when the address is new.
    pub(crate) fn prove(
        &mut self,
        pair: Pair,
        ufrag: Option<&str>,
        keep: Option<Pair>,
        now: Instant,
    ) -> bool {
        if let Some(path) = self.0.iter_mut().find(|path| path.pair == pair) {
            path.proved = now;
            return false;
        }
        let is_new = !self.has(pair.remote);
        if self.0.len() >= MAX_PATHS {
            let stalest = self
                .0
                .iter()
                .enumerate()
                .filter(|(_, path)| Some(path.pair) != keep);
            if let Some((at, _)) = stalest.min_by_key(|(_, path)| path.proved) {
                self.0.swap_remove(at);
            }
        }
        self.0.push(Path {
            pair,
            ufrag: ufrag.map(str::to_owned),
            proved: now,
        });
        is_new
    }

    /// The address has proved itself and its consent has not run out.
    pub(crate) fn has(&self, remote: SocketAddr) -> bool {
        self.0.iter().any(|path| path.pair.remote == remote)
    }

    pub(crate) fn has_pair(&self, pair: Pair) -> bool {
        self.0.iter().any(|path| path.pair == pair)
    }

    /// When the pair was proved last.
    pub(crate) fn proved(&self, pair: Pair) -> Option<Instant> {
        let found = self.0.iter().find(|path| path.pair == pair);
        found.map(|path| path.proved)
    }

    /// Drops what was proved by somebody whose fragment is not the peer's, now that it is known.
    pub(crate) fn keep_only(&mut self, ufrag: &str) {
        self.0
            .retain(|path| path.ufrag.as_deref().is_none_or(|theirs| theirs == ufrag));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn expire(&mut self, now: Instant) {
        self.0
            .retain(|path| now.saturating_duration_since(path.proved) < CONSENT);
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        let ends = self.0.iter().map(|path| path.proved.checked_add(CONSENT));
        ends.flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(port: u16) -> Pair {
        Pair {
            local: ([192, 0, 2, 1], 30000).into(),
            remote: ([198, 51, 100, 7], port).into(),
        }
    }

    #[test]
    fn many_addresses_of_one_peer_stay_bounded_and_spare_the_selected_one() {
        let mut paths = Paths::default();
        let now = Instant::now();
        for port in 1..=10_000 {
            paths.prove(
                pair(port),
                None,
                Some(pair(1)),
                now + Duration::from_millis(port.into()),
            );
        }
        assert_eq!(paths.0.len(), MAX_PATHS);
        assert!(
            paths.has_pair(pair(1)) && paths.has_pair(pair(10_000)) && !paths.has_pair(pair(2))
        );
    }

    #[test]
    fn consent_runs_out_thirty_seconds_after_the_last_proof() {
        let mut paths = Paths::default();
        let now = Instant::now();
        assert!(paths.prove(pair(1), None, None, now));
        assert!(!paths.prove(pair(1), None, None, now + Duration::from_secs(5)));
        paths.expire(now + Duration::from_secs(34));
        assert!(paths.has_pair(pair(1)));
        paths.expire(now + Duration::from_secs(35));
        assert!(!paths.has_pair(pair(1)));
    }
}
