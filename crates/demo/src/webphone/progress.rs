//! What is known of a call from outside of its tasks: when each step was reached, and what was heard.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use srtp::Suite;
use tokio::sync::watch;

use crate::phone::Heard;
use crate::phone::ear::Ear;

/// When each step of a call was reached, from the moment its INVITE was sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeline {
    /// The first ringing or progress.
    pub ringing: Option<Duration>,
    /// The 200.
    pub answered: Option<Duration>,
    /// ICE selected a pair.
    pub ice: Option<Duration>,
    /// DTLS gave the keys: media may flow.
    pub keys: Option<Duration>,
    /// The first packet of sound was decrypted.
    pub audio: Option<Duration>,
    /// What protects the media.
    pub suite: Option<Suite>,
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = [
            ("ringing", self.ringing),
            ("200", self.answered),
            ("ICE", self.ice),
            ("DTLS keys", self.keys),
            ("first audio", self.audio),
        ];
        f.write_str("INVITE 0 ms")?;
        for (name, at) in steps {
            match at {
                Some(at) => write!(f, ", {name} {} ms", at.as_millis())?,
                None => write!(f, ", {name} never")?,
            }
        }
        Ok(())
    }
}

/// Shared between a call's tasks and its owner.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Instant,
    known: Mutex<Known>,
    /// Packets of sound so far, for those who wait for them.
    packets: watch::Sender<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) timeline: Timeline,
    pub(super) heard: Heard,
    pub(super) ear: Ear,
    /// Digits that came in SIP INFO.
    pub(super) infos: String,
    /// What went wrong with media.
    pub(super) failure: Option<dtls::Failure>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let (packets, _) = watch::channel(0);
        Progress(Arc::new(Shared {
            start: Instant::now(),
            known: Mutex::default(),
            packets,
        }))
    }

    /// Notes a step, the first time it is reached.
    pub(super) fn mark(&self, step: impl FnOnce(&mut Timeline) -> &mut Option<Duration>) {
        let now = self.0.start.elapsed();
        step(&mut self.known().timeline).get_or_insert(now);
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait that sound came.
    pub(super) fn tell(&self) {
        let packets = self.known().heard.packets;
        self.0.packets.send_replace(packets);
    }

    /// Waits until that many packets of sound have come.
    pub(super) async fn until(&self, packets: u32) {
        // The sender lives as long as `self`, so this ends only with the packets.
        let _ = self
            .0
            .packets
            .subscribe()
            .wait_for(|count| *count >= packets)
            .await;
    }

    /// All that was heard up to now.
    pub(super) fn heard(&self) -> Heard {
        let mut known = self.known();
        let (energy, frequency) = (known.ear.energy(), known.ear.frequency());
        known.heard.energy = energy;
        known.heard.frequency = frequency;
        known.heard.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_noted_once_and_the_line_says_what_never_came() {
        let progress = Progress::new();
        progress.mark(|timeline| &mut timeline.ice);
        let first = progress.known().timeline;
        progress.mark(|timeline| &mut timeline.ice);
        assert_eq!(progress.known().timeline, first);
        let text = Timeline {
            answered: Some(Duration::from_millis(12)),
            ..first
        }
        .to_string();
        assert!(
            text.contains("200 12 ms") && text.contains("first audio never"),
            "{text}"
        );
    }
}
