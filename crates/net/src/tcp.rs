//! TCP listeners whose connections are served by somebody else: accepting, bounds and farewells.
//!
//! Knows nothing of what is said on a connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bind::{BindError, Transport};

/// Connections that the kernel holds until we accept them.
const BACKLOG: i32 = 1024;

/// A peer that has vanished without a word is noticed after about two minutes of silence.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15))
    .with_retries(4);

/// How long to wait after a failure to accept: out of descriptors, a listener must not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a peer has, after our last word, to stop sending.
const FAREWELL: Duration = Duration::from_secs(1);

/// How much it may send meanwhile.
const MAX_UNHEARD: u64 = 1 << 20;

/// A bound listener; [`run`](Self::run) serves it.
#[derive(Debug)]
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds to exactly this address. Port 0 takes any free one. An IPv6 socket is for IPv6 alone.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        open(address).map_err(|source| BindError {
            transport: Transport::Tcp,
            address,
            source,
        })
    }

    /// The address with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The listener as a tokio one, to be accepted from by somebody else. Needs a runtime with I/O.
    pub(crate) fn into_tokio(self) -> io::Result<tokio::net::TcpListener> {
        tokio::net::TcpListener::from_std(self.socket)
    }

    /// Accepts, and serves each connection by a task of its own, `limit` at once at most: the next
    /// ones wait in the kernel. Needs a tokio runtime with I/O and time. Never ends by itself but by
    /// an error of the runtime; dropping the future ends every connection.
    pub async fn run<F>(
        self,
        limit: usize,
        serve: impl Fn(TcpStream, SocketAddr) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = self.address;
        let listener = self.into_tokio()?;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if connections.len() < limit => match accepted {
                    Ok((stream, peer)) => {
                        prepare(&stream);
                        connections.spawn(serve(stream, peer));
                    }
                    Err(error) => {
                        tracing::warn!(%error, listener = %address, "accept failed");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
            }
        }
    }
}

/// Ends a connection so that the peer gets our last words although it may be sending still: closed
/// at once, with bytes unread, the kernel would take back what is under way.
pub async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let unheard = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(MAX_UNHEARD), &mut tokio::io::sink()).await
    };
    // Whatever happens, this is the end.
    _ = timeout(FAREWELL, unheard).await;
}

/// Neither failure hurts but by slowness.
pub(crate) fn prepare(stream: &TcpStream) {
    // Messages are small, and whoever asks is waiting.
    _ = stream.set_nodelay(true);
    _ = socket2::SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE);
}

fn open(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The port may be had again at once after a restart; a listener that holds it is still refused.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let socket = std::net::TcpListener::from(socket);
    let address = socket.local_addr()?;
    Ok(Listener { socket, address })
}
