//! How a proxy comes to its end: it refuses what begins, sends idle browsers away a few at a time, so that they do not all
//! come to the next edge at once, and is done when the last call is over and the last browser gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Shell;
use crate::core::Input;

/// Browsers are sent away this often,
pub(super) const STEP: Duration = Duration::from_millis(100);

/// and all of them in so many steps, if no calls hold them.
const STEPS: usize = 100;

/// Why a WebSocket is closed then.
const WHY: &str = "the edge is being stopped";

/// Both ends of what a proxy is told, and tells, about its end.
#[derive(Debug)]
pub(super) struct Orders {
    begin: Arc<watch::Sender<bool>>,
    over: Arc<watch::Sender<bool>>,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            begin: Arc::new(watch::Sender::new(false)),
            over: Arc::new(watch::Sender::new(false)),
        }
    }
}

impl Orders {
    /// For whoever may order it.
    pub(super) fn drain(&self) -> Drain {
        Drain {
            begin: Arc::clone(&self.begin),
            over: self.over.subscribe(),
        }
    }

    /// The order, when it comes.
    pub(super) fn begun(&self) -> watch::Receiver<bool> {
        self.begin.subscribe()
    }

    /// It is done.
    pub(super) fn over(&self) {
        self.over.send_replace(true);
    }
}

/// Lets a proxy come to its end. See [`Server::drain`](super::Server::drain).
#[derive(Debug)]
pub struct Drain {
    begin: Arc<watch::Sender<bool>>,
    over: watch::Receiver<bool>,
}

impl Drain {
    /// From now on nothing new begins there.
    pub fn begin(&self) {
        self.begin.send_replace(true);
    }

    /// Done when no call is left, and no browser.
    pub async fn over(mut self) {
        // Fails where the server is gone: that is over as well.
        _ = self.over.wait_for(|over| *over).await;
    }
}

impl Shell {
    /// The order has come. How many browsers leave in each step.
    pub(super) fn drain(&mut self) -> usize {
        tracing::info!(
            browsers = self.flows.open(),
            "no new calls from now on; ends when those that stand are over"
        );
        self.gate.close();
        self.core
            .receive(Input::Draining, std::time::Instant::now());
        self.flows.open().div_ceil(STEPS).max(1)
    }

    /// Sends some browsers away; whether all is over.
    pub(super) fn drain_on(&mut self, at_once: usize) -> bool {
        for flow in self.core.idle_flows(at_once) {
            self.flows.close(flow, WHY);
        }
        self.core.is_idle() && self.flows.open() == 0
    }
}
