//! From an [`Edge`] to running servers: which part of the file each half reads.

use std::net::SocketAddr;
use std::path::Path;

use net::{tls, ws};
use proxy::core::{Config as CoreConfig, Hop, Secrets, Target};
use relay::core::{Advertise, Bind, IceRole, Interface};
use relay::server::{ControlAddress, ControlTransport};

use crate::child::{OwnRelay, READY};
use crate::cli::RelayOptions;
use crate::config::{Edge, Relay};
use crate::signals;

/// `causeway proxy FILE`, until it is told to stop.
pub(crate) async fn proxy(file: &Path) -> Result<(), String> {
    let edge = Edge::load(file).map_err(|e| e.to_string())?;
    let running = Running::start(file, &edge, None).await?;
    for (address, name) in running.ws.iter().zip(names(&edge)) {
        tracing::info!("browsers: {name}://{address}");
    }
    tracing::info!("SIP server: udp:{} from udp:{}", edge.upstream, running.udp);
    running.until(signals::terminated()).await;
    Ok(())
}

/// `causeway relay FILE`, until it is told to stop.
pub(crate) async fn relay(options: RelayOptions) -> Result<(), String> {
    let mut file = Relay::load(&options.file).map_err(|e| e.to_string())?;
    if let Some(address) = options.control {
        let transport = ControlTransport::Udp;
        file.controls = vec![ControlAddress { transport, address }];
    }
    let server = relay::server::Server::bind(relay_config(&file)).map_err(|e| e.to_string())?;
    let served = if options.child {
        println!("{READY}{}", server.control_addr());
        server.run(signals::orphaned()).await
    } else {
        for control in server.control_addrs() {
            tracing::info!("commands: {control}");
        }
        server.run(signals::terminated()).await
    };
    served.map_err(|e| e.to_string())
}

/// A proxy with bound sockets, and its own relay where the file names no other.
pub(crate) struct Running {
    server: proxy::server::Server,
    /// Kept: dropping it ends the relay process.
    relay: Option<OwnRelay>,
    /// The listeners as bound, in the order ws, wss.
    pub(crate) ws: Vec<SocketAddr>,
    /// The SIP address as bound.
    pub(crate) udp: SocketAddr,
}

impl Running {
    /// Binds and starts everything; `pages` are served beside the WebSockets.
    pub(crate) async fn start(
        file: &Path,
        edge: &Edge,
        pages: Option<ws::Pages>,
    ) -> Result<Self, String> {
        let relay = match edge.relays.is_empty() {
            true => Some(OwnRelay::start(file).await?),
            false => None,
        };
        let relays = match &relay {
            Some(own) => vec![own.control()],
            None => edge.relays.clone(),
        };
        let server = proxy::server::Server::bind(proxy_config(edge, relays, pages)?)
            .await
            .map_err(|e| e.to_string())?;
        Ok(Self {
            ws: server.ws_addrs(),
            udp: server.udp_addr(),
            server,
            relay,
        })
    }

    /// Serves as long as `work` takes; its outcome is the outcome.
    pub(crate) async fn during<T>(self, work: impl Future<Output = T>) -> T {
        let (done, stop) = tokio::sync::oneshot::channel::<()>();
        let work = async {
            let outcome = work.await;
            drop(done);
            outcome
        };
        tokio::join!(work, self.until(async { drop(stop.await) })).0
    }

    /// Serves until `stop` is done; then the relay of our own ends too.
    pub(crate) async fn until(self, stop: impl Future<Output = ()>) {
        self.server.run(stop).await;
        drop(self.relay);
    }
}

fn names(edge: &Edge) -> impl Iterator<Item = &'static str> {
    let ws = edge.listen.ws.map(|_| "ws");
    let wss = edge.listen.wss.as_ref().map(|_| "wss");
    ws.into_iter().chain(wss)
}

/// The proxy's reading of the file.
fn proxy_config(
    edge: &Edge,
    relays: Vec<SocketAddr>,
    pages: Option<ws::Pages>,
) -> Result<proxy::server::Config, String> {
    let origins: std::sync::Arc<[String]> = edge.listen.origins.clone().into();
    let plain = ws::Options {
        tls: None,
        pages,
        origins,
    };
    let mut listeners = Vec::new();
    if let Some(address) = edge.listen.ws {
        listeners.push((address, plain.clone()));
    }
    if let Some(secure) = &edge.listen.wss {
        let tls = tls::server_config(&secure.cert, &secure.key).map_err(|e| e.to_string())?;
        listeners.push((
            secure.address,
            ws::Options {
                tls: Some(tls),
                ..plain
            },
        ));
    }
    Ok(proxy::server::Config {
        core: core_config(edge),
        upstreams: upstreams(edge),
        secrets: Secrets {
            token_key: random()?,
            seed: random()?,
        },
        udp: edge.listen.udp,
        records: edge.calls.records.clone(),
        listeners,
        relays,
        cookie_seed: random()?,
        relay_key: edge.relay.control_key.clone(),
    })
}

/// The proxy core's reading of the file.
pub(crate) fn core_config(edge: &Edge) -> CoreConfig {
    let mut config = CoreConfig::new(edge.domain.clone(), Hop::udp(edge.listen.udp));
    edge.calls.apply(&mut config);
    config.dtmf_events = edge.dtmf_events;
    config
}

/// Where the proxy's requests go.
pub(crate) fn upstreams(edge: &Edge) -> Vec<Target> {
    vec![Target::new(Hop::udp(edge.upstream))]
}

/// The relay's reading of the file.
pub(crate) fn relay_config(file: &Relay) -> relay::server::Config {
    let media = &file.media;
    let interfaces = media.faces.iter().flat_map(|face| {
        face.addresses.iter().map(|address| Interface {
            name: face.name.clone(),
            bind: Bind(address.bind),
            advertise: Advertise(address.told),
        })
    });
    let interfaces = interfaces.collect();
    let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = relay::server::Config::new(unbound, interfaces);
    config.controls.clone_from(&file.controls);
    config.public_control = file.public_control;
    config.control_key.clone_from(&file.control_key);
    config.recordings.clone_from(&file.recordings);
    config.backend = file.backend;
    config.shards = media.shards.unwrap_or(config.shards);
    config.pin = media.pin;
    config.core.ports = media.ports.clone();
    config.core.shared_port = media.browser_port;
    config.max_load = file.limits.max_load().unwrap_or(config.max_load);
    file.limits.apply(&mut config.core);
    config.core.aliases.clone_from(&media.aliases);
    config.core.tos = media.tos;
    config.core.ice = if media.ice_full {
        IceRole::Full
    } else {
        IceRole::Lite
    };
    config
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets)
        .map_err(|e| format!("the kernel gives no random numbers ({e})"))?;
    Ok(octets)
}
