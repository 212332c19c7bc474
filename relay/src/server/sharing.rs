//! The one port of all browsers: on each address a socket for each shard.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};

use ice::Credentials;
use net::udp::{self, BindError, Options, UdpSocket};

use super::{Config, Error, SharedPort};
use crate::core::Among;

/// Ports of the range that are tried where none is named.
const TRIES: usize = 256;

/// The port and what holds it.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) port: Option<u16>,
    /// By shard, one for each address.
    pub(super) sockets: Vec<Vec<UdpSocket>>,
}

/// How many shards there are.
pub(super) fn shards(config: &Config) -> usize {
    config.shards.clamp(1, Among::MOST)
}

/// What the fragments of each shard begin with.
pub(super) fn marks(config: &Config) -> &'static [u8] {
    Credentials::MARKS.get(..shards(config)).unwrap_or_default()
}

/// Binds it on every address of every interface; the first that is free on all of them where none is named.
pub(super) fn bind(config: &Config) -> Result<Shared, Error> {
    let interfaces = config.core.interfaces.iter();
    let addresses: BTreeSet<IpAddr> = interfaces.map(|interface| interface.bind.0).collect();
    let mut ports = match config.shared_port {
        SharedPort::None => {
            let sockets = (0..shards(config)).map(|_| Vec::new()).collect();
            return Ok(Shared {
                port: None,
                sockets,
            });
        }
        SharedPort::First => config.core.ports.clone().take(TRIES),
        SharedPort::At(port) => (port..=port).take(TRIES),
    };
    let mut last = None;
    let found = ports.find_map(|port| match bind_all(&addresses, port, config) {
        Ok(sockets) => Some(Ok((port, sockets))),
        Err(error) if error.source.kind() == io::ErrorKind::AddrInUse => {
            last = Some(error.address);
            None
        }
        Err(error) => Some(Err(Error::SharedPort(error.into()))),
    });
    let Some(found) = found else {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        return Err(Error::SharedPortTaken(last.unwrap_or(nowhere)));
    };
    let (port, sockets) = found?;
    for address in addresses {
        let address = SocketAddr::new(address, port);
        tracing::info!(%address, "the one port for browsers");
    }
    let port = Some(port);
    Ok(Shared { port, sockets })
}

fn bind_all(
    addresses: &BTreeSet<IpAddr>,
    port: u16,
    config: &Config,
) -> Result<Vec<Vec<UdpSocket>>, BindError> {
    let mut by_shard: Vec<_> = (0..shards(config)).map(|_| Vec::new()).collect();
    for ip in addresses {
        let at = SocketAddr::new(*ip, port);
        let group = udp::bind_group(at, by_shard.len(), Options::default())?;
        if let [first, _, ..] = &*group
            && let Err(error) = udp::steer_checks(first, marks(config))
        {
            // It costs a way from shard to shard and nothing else.
            tracing::debug!(%at, %error, "checks are not steered to their media thread");
        }
        for (sockets, socket) in by_shard.iter_mut().zip(group) {
            sockets.push(socket);
        }
    }
    Ok(by_shard)
}
