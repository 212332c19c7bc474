//! From an [`Edge`] to running servers: which part of the file each half reads.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use net::proxied::Proxies;
use net::{tls, ws};
use proxy::core::{Config as CoreConfig, Hop, Secrets, Transport};
use proxy::server::{KeysAt, Listed, TlsUpstream};
use relay::core::{Advertise, Bind, IceRole, Interface};
use relay::server::{ControlAddress, ControlTransport};

use crate::child::{OwnRelay, READY};
use crate::cli::RelayOptions;
use crate::config::{Certificate, Edge, KeysPlace, OwnCertificate, Relay};
use crate::signals;

/// `causeway proxy FILE`, until it is told to stop.
pub(crate) async fn proxy(file: PathBuf) -> Result<(), String> {
    let edge = Edge::load(&file).map_err(|e| e.to_string())?;
    let orders = signals::Orders::listen();
    let running = Running::start(&file, &edge, None).await?;
    for (address, name) in running.ws.iter().zip(names(&edge)) {
        tracing::info!("browsers: {name}://{address}");
    }
    match edge.upstream.described().as_slice() {
        [] => tracing::info!("no SIP server: the edge's users call one another"),
        all => tracing::info!(
            "SIP server: {} from {}",
            all.join(", "),
            listed(&running.own)
        ),
    }
    if let Some(door) = running.server.status_addr() {
        tracing::info!("metrics: http://{door}/metrics");
    }
    let drain = running.server.drain();
    let begin = running.server.drain();
    let stop = orders.drained(
        move || begin.begin(),
        drain.over(),
        edge.calls.drain_timeout,
    );
    running.until(stop).await;
    Ok(())
}

/// `causeway relay FILE`, until it is told to stop.
pub(crate) async fn relay(options: RelayOptions) -> Result<(), String> {
    let mut file = Relay::load(&options.file).map_err(|e| e.to_string())?;
    if let Some(address) = options.control {
        let transport = ControlTransport::Udp;
        file.controls = vec![ControlAddress { transport, address }];
    }
    // A child ends with its parent and not before: who signals both, as systemd does, lets the parent's calls end first.
    let orders = signals::Orders::listen();
    let server = relay::server::Server::bind(relay_config(&file)).map_err(|e| e.to_string())?;
    let served = match options.child {
        true => {
            println!("{READY}{}", server.control_addr());
            let served = server.run(signals::orphaned()).await;
            drop(orders);
            served
        }
        false => {
            for control in server.control_addrs() {
                tracing::info!("commands: {control}");
            }
            if let Some(door) = server.status_addr() {
                tracing::info!("metrics: http://{door}/metrics");
            }
            let (begin, drain) = (server.drain(), server.drain());
            let stop = orders.drained(move || begin.begin(), drain.over(), file.drain_timeout);
            server.run(stop).await
        }
    };
    served.map_err(|e| e.to_string())
}

/// A proxy with bound sockets, and its own relay where the file names no other.
pub(crate) struct Running {
    server: proxy::server::Server,
    /// Gets certificates, where the edge does so by itself.
    keeper: Option<acme::Keeper>,
    /// Kept: dropping it ends the relay process.
    relay: Option<OwnRelay>,
    /// The listeners as bound, in the order ws, wss.
    pub(crate) ws: Vec<SocketAddr>,
    /// The addresses on the SIP server's side as bound.
    pub(crate) own: Vec<Hop>,
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
            Some(own) => vec![Hop::udp(own.control()).into()],
            None => edge.relays.clone(),
        };
        let (tls, keeper) = tls_of(edge)?;
        let config = proxy_config(edge, relays, pages, tls)?;
        let server = proxy::server::Server::bind(config)
            .await
            .map_err(|e| e.to_string())?;
        Ok(Self {
            keeper,
            ws: server.ws_addrs(),
            own: server.sip_addrs(),
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
        // The listeners are bound: the CA may come.
        let keeper = self.keeper.map(|keeper| tokio::spawn(keeper.run()));
        self.server.run(stop).await;
        if let Some(keeper) = keeper {
            keeper.abort();
        }
        drop(self.relay);
    }
}

fn names(edge: &Edge) -> impl Iterator<Item = &'static str> {
    let ws = edge.listen.ws.iter().map(|_| "ws");
    ws.chain(edge.listen.wss.iter().map(|_| "wss"))
}

/// Hops as a list to read.
pub(crate) fn listed(hops: &[Hop]) -> String {
    let hops: Vec<_> = hops.iter().map(Hop::to_string).collect();
    hops.join(" and ")
}

/// The proxy's reading of the file.
fn proxy_config(
    edge: &Edge,
    relays: Vec<Listed>,
    pages: Option<ws::Pages>,
    tls: Tls,
) -> Result<proxy::server::Config, String> {
    let Tls {
        config: tls,
        expires,
    } = tls;
    let gate = Arc::<ws::Gate>::default();
    let origins = match edge.listen.origins.as_slice() {
        [] => ws::Origins::of_domain(&edge.domain),
        listed => ws::Origins::listed(listed),
    };
    let door = ws::Door::new(edge.bounds.door());
    let listen = &edge.listen;
    let options = |address: &SocketAddr, transport| {
        let options = ws::Options {
            tls: tls.clone().filter(|_| transport == Transport::Tls),
            pages: pages.clone(),
            origins: origins.clone(),
            door: door.clone(),
            ping: listen.ping,
            proxies: Proxies::new(&listen.proxy_protocol),
            others: listen.is_shared(*address, transport),
            gate: gate.clone(),
        };
        (*address, options)
    };
    let plain = listen.ws.iter().map(|ws| options(ws, Transport::Tcp));
    let secure = listen.wss.iter().map(|wss| options(wss, Transport::Tls));
    let listeners = plain.chain(secure).collect();
    let alone = |transport| {
        let own = listen.own().into_iter();
        let own = own.filter(move |own| own.transport == transport);
        own.filter(|own| !listen.is_with_browsers(*own))
            .map(|own| own.address)
    };
    let of_tls = alone(Transport::Tls).filter_map(|address| Some((address, tls.clone()?)));
    Ok(proxy::server::Config {
        core: core_config(edge),
        upstreams: edge.upstream.all.clone(),
        dns: edge.upstream.dns.clone(),
        secrets: Secrets {
            token_key: token_key(edge)?,
            seed: random()?,
        },
        udp: edge.listen.udp.clone(),
        tcp: alone(Transport::Tcp).collect(),
        tls: of_tls.collect(),
        tls_upstream: tls_upstream(edge)?,
        records: edge.calls.records.clone(),
        listeners,
        relays,
        users: edge.registration.users.clone(),
        keys: keys_at(edge)?,
        accounts: edge.sign_in.as_ref().and_then(|it| it.accounts.clone()),
        cookie_seed: random()?,
        status: listen.metrics,
        certificate_expires: expires,
        gate: gate.clone(),
        relay_key: edge.relay.control_key.clone(),
    })
}

/// The proxy core's reading of the file.
pub(crate) fn core_config(edge: &Edge) -> CoreConfig {
    let mut config = CoreConfig::new(edge.domain.clone(), edge.listen.own());
    config.udp_only = edge.listen.udp_only;
    edge.calls.apply(&mut config);
    let limits = &mut config.limits;
    edge.bounds.apply(limits);
    limits.register_rate = edge.upstream.register_rate.unwrap_or(limits.register_rate);
    config.policy = edge.policy.clone();
    config.dtmf_events = edge.dtmf_events;
    config.alone = edge.upstream.all.is_empty();
    config.registering = edge.registration.way.clone();
    config.sign_in = edge.sign_in.as_ref().map(|it| it.sign_in.clone());
    config
}

/// Where the keys for tokens are, and who is trusted there.
pub(crate) fn keys_at(edge: &Edge) -> Result<Option<KeysAt>, String> {
    Ok(match edge.sign_in.as_ref().map(|it| &it.keys) {
        None => None,
        Some(KeysPlace::File(path)) => Some(KeysAt::File(path.clone())),
        Some(KeysPlace::Url(url, ca)) => {
            let trust = tls::client_config(ca.as_deref(), None).map_err(|e| e.to_string())?;
            Some(KeysAt::Url(url.clone(), trust))
        }
    })
}

/// What is shown to whoever connects with TLS.
#[derive(Default)]
struct Tls {
    config: Option<Arc<rustls::ServerConfig>>,
    /// Until when.
    expires: Option<tls::Expires>,
}

/// The certificate of everything with TLS: files that are watched from now on, or one that is kept by the keeper.
fn tls_of(edge: &Edge) -> Result<(Tls, Option<acme::Keeper>), String> {
    match &edge.listen.certificate {
        None => Ok((Tls::default(), None)),
        Some(OwnCertificate::Files(Certificate { cert, key })) => {
            let certificate = tls::Certificate::read(cert, key).map_err(|e| e.to_string())?;
            let config = certificate.server_config().map_err(|e| e.to_string())?;
            tokio::spawn(certificate.clone().watch());
            let tls = Tls {
                config: Some(config),
                expires: Some(Arc::new(move || certificate.expires())),
            };
            Ok((tls, None))
        }
        Some(OwnCertificate::Acme(settings)) => {
            let keeper = acme::Keeper::new(settings.clone(), acme::Pace::default())
                .map_err(|e| e.to_string())?;
            let tls = Tls {
                config: Some(keeper.server_config().map_err(|e| e.to_string())?),
                expires: Some(keeper.expires()),
            };
            Ok((tls, Some(keeper)))
        }
    }
}

/// How the SIP server is trusted, where it is connected to by TLS.
pub(crate) fn tls_upstream(edge: &Edge) -> Result<Option<TlsUpstream>, String> {
    let upstream = &edge.upstream;
    let open = upstream.leaves_transport_open() && !edge.listen.tls.is_empty();
    if !upstream.names_transport(Transport::Tls) && !open {
        return Ok(None);
    }
    let own = edge.tls.own.as_ref();
    let own = own.map(|own| (own.cert.as_path(), own.key.as_path()));
    let config = tls::client_config(edge.tls.ca.as_deref(), own).map_err(|e| e.to_string())?;
    // Those of names are known when DNS has said where they lead to.
    let names = HashMap::new();
    Ok(Some(TlsUpstream { config, names }))
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
    config.status = file.metrics;
    config.backend = file.backend;
    config.shards = media.shards.unwrap_or(config.shards);
    config.pin = media.pin;
    config.core.ports = media.ports.clone();
    config.shared_port = media.browser_port;
    config.max_load = file.limits.max_load().unwrap_or(config.max_load);
    file.limits.apply(&mut config.core);
    config.core.aliases.clone_from(&media.aliases);
    config.core.tos = media.tos;
    config.core.strict_source = media.strict_source;
    config.core.ice = if media.ice_full {
        IceRole::Full
    } else {
        IceRole::Lite
    };
    config
}

/// What signs the names by which calls and registrations are found: where a file is named, the same after a restart.
fn token_key(edge: &Edge) -> Result<[u8; 32], String> {
    match &edge.calls.token_key {
        Some(file) => file.read_or_make(random()?),
        None => random(),
    }
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets)
        .map_err(|e| format!("the kernel gives no random numbers ({e})"))?;
    Ok(octets)
}
