//! The registrar's socket and clock: one task.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use super::{Config, Registrar};

/// Nothing is due for that long when nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

/// A running registrar. Ends when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// Binds `address` (port 0: any) and serves. The address must be one that clients reach, not 0.0.0.0.
    ///
    /// # Errors
    /// The socket cannot be bound, or the system gives no randomness.
    pub async fn start(config: Config, address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let address = socket.local_addr()?;
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let registrar = Registrar::new(config, address, seed);
        let task = tokio::spawn(serve(registrar, socket));
        Ok(Self { address, task })
    }

    /// Where it is reached.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut registrar: Registrar, socket: UdpSocket) {
    let mut buffer = vec![0; 65_536];
    loop {
        while let Some((bytes, to)) = registrar.poll() {
            // Lost is lost: SIP over UDP sends again.
            let _ = socket.send_to(&bytes, to).await;
        }
        let due = registrar
            .deadline()
            .unwrap_or_else(|| Instant::now() + IDLE);
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                if let Ok((len, from)) = received {
                    let datagram = buffer.get(..len).unwrap_or_default();
                    registrar.receive(datagram, from, Instant::now());
                }
            }
            () = sleep_until(due.into()) => registrar.timer(Instant::now()),
        }
    }
}
