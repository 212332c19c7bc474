//! When to stop.

use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};

/// Done at SIGINT or SIGTERM.
pub(crate) async fn terminated() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Done when standard input ends: the process that holds its other end is gone, however it ended.
pub(crate) async fn orphaned() {
    let mut input = tokio::io::stdin();
    let mut scrap = [0; 64];
    while matches!(input.read(&mut scrap).await, Ok(1..)) {}
}
