//! When to stop.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM. They are waited for from the beginning on, not from the first question: whoever has read that a
/// program runs may end it, and it ends well.
pub(crate) struct Orders([std::io::Result<Signal>; 2]);

impl Orders {
    pub(crate) fn listen() -> Self {
        Self([SignalKind::interrupt(), SignalKind::terminate()].map(signal))
    }

    /// Done at the next of them.
    pub(crate) async fn next(&mut self) {
        let [interrupt, terminate] = &mut self.0;
        tokio::select! {
            () = come(interrupt) => {}
            () = come(terminate) => {}
        }
    }

    /// Done when the program is to end: at the first signal `begin` is called, and then it is to end when `over` is done,
    /// when so much time has passed, or at once at another signal.
    pub(crate) async fn drained(
        mut self,
        begin: impl FnOnce(),
        over: impl Future<Output = ()>,
        patience: Duration,
    ) {
        self.next().await;
        begin();
        tokio::select! {
            () = over => tracing::info!("all calls are over"),
            () = tokio::time::sleep(patience) => {
                tracing::warn!(?patience, "ends before all calls do (setting drain_timeout)");
            }
            () = self.next() => tracing::warn!("told to end at once"),
        }
    }
}

/// Done at the first of them.
pub(crate) fn terminated() -> impl Future<Output = ()> {
    let mut orders = Orders::listen();
    async move { orders.next().await }
}

async fn come(signal: &mut std::io::Result<Signal>) {
    match signal {
        Ok(signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Done when standard input ends: the process that holds its other end is gone, however it ended.
pub(crate) async fn orphaned() {
    let mut input = tokio::io::stdin();
    let mut scrap = [0; 64];
    while matches!(input.read(&mut scrap).await, Ok(1..)) {}
}
