//! Connections that may be under TLS: made, or accepted, with a deadline. Knows nothing of what is said on them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::tcp::prepare;
use crate::tls::{aside, is_challenge};

/// From the first packet to the end of the TLS handshake. A lost SYN is sent again after a second.
const DEADLINE: Duration = Duration::from_secs(4);

/// Octets both ways.
pub trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Octets for S {}

impl fmt::Debug for dyn Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a connection")
    }
}

/// A connection, whatever is below it.
pub type Stream = Box<dyn Octets>;

/// Connects, under TLS if a name is given that the server's certificate must be for.
///
/// # Errors
/// Nobody answers in time or somebody refuses, or the certificate is not one that `tls` trusts for this name.
pub async fn connect(
    address: SocketAddr,
    tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
) -> io::Result<Stream> {
    in_time(async {
        let stream = TcpStream::connect(address).await?;
        prepare(&stream);
        Ok(match tls {
            None => Box::new(stream) as Stream,
            Some((config, name)) => {
                Box::new(aside::handshake(TlsConnector::from(config).connect(name, stream)).await?)
            }
        })
    })
    .await
}

/// The serving side of a connection that was accepted.
///
/// # Errors
/// The TLS handshake fails, or is not done in time.
pub async fn accept(
    stream: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> io::Result<Stream> {
    in_time(async {
        Ok(match tls {
            None => Box::new(stream) as Stream,
            Some(config) => {
                let mut stream = aside::handshake(TlsAcceptor::from(config).accept(stream)).await?;
                if is_challenge(stream.get_ref().1) {
                    stream.shutdown().await?;
                    return Err(io::Error::other("it was a CA's validator"));
                }
                Box::new(stream)
            }
        })
    })
    .await
}

async fn in_time(made: impl Future<Output = io::Result<Stream>>) -> io::Result<Stream> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no connection in time");
    timeout(DEADLINE, made).await.map_err(late)?
}
