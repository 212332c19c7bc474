//! TLS handshakes on threads of their own: the signatures of a crowd of newcomers do not hold up those who are here.

use std::io;
use std::num::NonZero;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// One crew for all listeners of the process; `None` where the system has no threads to give.
static CREW: OnceLock<Option<Runtime>> = OnceLock::new();

/// Does a handshake there, or here where there is no crew. Dropped, it ends the handshake. Sockets and timers stay with the
/// runtime that they were made in.
pub(crate) async fn handshake<T: Send + 'static>(
    handshake: impl Future<Output = io::Result<T>> + Send + 'static,
) -> io::Result<T> {
    let Some(crew) = CREW.get_or_init(crew) else {
        return handshake.await;
    };
    let mut work = JoinSet::new();
    work.spawn_on(handshake, crew.handle());
    match work.join_next().await {
        Some(Ok(outcome)) => outcome,
        Some(Err(_)) | None => Err(io::Error::other("the handshake was broken off")),
    }
}

fn crew() -> Option<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut crew = Builder::new_multi_thread();
    crew.worker_threads(cores).thread_name("handshakes");
    crew.build().ok()
}
