//! When to stop.

use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Done at SIGINT or SIGTERM. They are waited for from this call on, not from the first poll: whoever has read that a
/// program runs may end it, and it ends well.
pub(crate) fn terminated() -> impl Future<Output = ()> {
    let [interrupt, terminate] = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async {
        tokio::select! {
            () = come(interrupt) => {}
            () = come(terminate) => {}
        }
    }
}

async fn come(signal: std::io::Result<Signal>) {
    match signal {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Done when standard input ends: the process that holds its other end is gone, however it ended.
pub(crate) async fn orphaned() {
    let mut input = tokio::io::stdin();
    let mut scrap = [0; 64];
    while matches!(input.read(&mut scrap).await, Ok(1..)) {}
}
