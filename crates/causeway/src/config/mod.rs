//! The one short TOML file that describes an edge. It is read into [`Edge`],
//! in which nothing contradicts anything else; what could not be made so is one
//! sentence with the file, the line and the cure ([`ConfigError`]).
//!
//! The file's shape is in `file.rs`, the judgement in `judge.rs`, that of the proxy's addresses in `listen.rs`, of the relay's
//! in `faces.rs`, of where both say how they are in `metrics.rs`, of mere numbers in `limits.rs`, of certificates in `certificate.rs`, of
//! what browsers may do in `browsers.rs` and how much in `bounds.rs`, of what becomes of calls in `calls.rs`, of the users in
//! `registration.rs`,
//! of those who sign in by token in `sign_in.rs`.

mod bounds;
mod browsers;
mod calls;
mod certificate;
mod faces;
mod file;
mod judge;
mod key_file;
mod limits;
mod listen;
mod metrics;
mod registration;
mod relays;
mod sign_in;
mod upstream;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use net::status::Place;
use proxy::core::{Hop, Policy, Registering, SignIn, Transport};
use proxy::server::{AccountsFile, Listed, UsersFile};
use relay::server::{BackendChoice, ControlAddress, ControlKey, SharedPort};

pub(crate) use bounds::Bounds;
pub(crate) use calls::Calls;
pub(crate) use limits::Limits;
pub(crate) use upstream::{Upstreams, described};

/// Everything that the file says, checked.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    /// The SIP domain of the users.
    pub(crate) domain: String,
    /// The existing SIP server.
    pub(crate) upstream: Upstreams,
    /// How it is trusted where it is connected to by TLS.
    pub(crate) tls: UpstreamTls,
    /// Who registers the browsers.
    pub(crate) registration: Registration,
    /// Whose tokens browsers sign in with; `None`: they need not.
    pub(crate) sign_in: Option<Tokens>,
    /// Where browsers and the SIP server reach the proxy.
    pub(crate) listen: Listen,
    /// What browsers may do.
    pub(crate) policy: Policy,
    /// How much of it at once.
    pub(crate) bounds: Bounds,
    /// What becomes of calls.
    pub(crate) calls: Calls,
    /// Relays of others' making or on other machines; empty: one of our own beside the proxy.
    pub(crate) relays: Vec<Listed>,
    /// Keys that browsers send in INFO become telephone events where the phone takes them.
    pub(crate) dtmf_events: bool,
    /// What the relay reads.
    pub(crate) relay: Relay,
}

/// The relay's part of the file; a file for a relay alone needs no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relay {
    /// Where it takes commands.
    pub(crate) controls: Vec<ControlAddress>,
    /// Whether it may take them where public networks can reach it.
    pub(crate) public_control: bool,
    /// What commands are signed with, on both sides; `None`: they are not.
    pub(crate) control_key: Option<ControlKey>,
    /// Where it writes recordings; `None`: nothing is recorded.
    pub(crate) recordings: Option<PathBuf>,
    /// Where it says how it is; `None`: nowhere.
    pub(crate) metrics: Option<Place>,
    /// How long it waits for its calls when it is told to stop.
    pub(crate) drain_timeout: Duration,
    /// How many and how long.
    pub(crate) limits: Limits,
    /// Which way its media takes through the system.
    pub(crate) backend: BackendChoice,
    /// Its addresses and ports.
    pub(crate) media: Media,
}

/// Trust towards a SIP server that is connected to by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamTls {
    /// PEM file with the certificates that vouch for it; `None`: those that the system trusts.
    pub(crate) ca: Option<PathBuf>,
    /// What we show when it asks who we are.
    pub(crate) own: Option<Certificate>,
}

/// Who registers the browsers.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    /// The SIP server, or the edge.
    pub(crate) way: Registering,
    /// The file with the users, if they stand in one.
    pub(crate) users: Option<UsersFile>,
}

/// How browsers sign in by token.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    /// Whose tokens, and whom they let be whom.
    pub(crate) sign_in: Arc<SignIn>,
    /// Where the issuer's keys are.
    pub(crate) keys: KeysPlace,
    /// The file with the accounts, if there is one.
    pub(crate) accounts: Option<AccountsFile>,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeysPlace {
    /// A JWK set in a file.
    File(PathBuf),
    /// At an https URL; and the PEM file with whom to trust there, if it is not whom the system trusts.
    Url(String, Option<PathBuf>),
}

/// Listening addresses of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// SIP over WebSocket without TLS.
    pub(crate) ws: Vec<SocketAddr>,
    /// SIP over WebSocket with TLS.
    pub(crate) wss: Vec<SocketAddr>,
    /// SIP over UDP, TCP and TLS, towards the SIP server: these stand in Via, Path and Record-Route.
    pub(crate) udp: Vec<SocketAddr>,
    pub(crate) tcp: Vec<SocketAddr>,
    pub(crate) tls: Vec<SocketAddr>,
    /// Requests that are too large for a datagram stay on UDP, too.
    pub(crate) udp_only: bool,
    /// Whose connections to ws and wss begin with a PROXY header.
    pub(crate) proxy_protocol: Vec<IpNet>,
    /// For everything with TLS; there wherever something has it.
    pub(crate) certificate: Option<OwnCertificate>,
    /// `Origin`s that may connect; empty: those of the domain.
    pub(crate) origins: Vec<String>,
    /// Silence after which a browser is pinged; `None`: what the listener has by itself.
    pub(crate) ping: Option<Duration>,
    /// Where the proxy says how it is; `None`: nowhere.
    pub(crate) metrics: Option<Place>,
}

impl Listen {
    /// Whether SIP and WebSockets share the port of an address in ws (with `Transport::Tcp`) or wss (`Tls`).
    pub(crate) fn is_shared(&self, browsers: SocketAddr, transport: Transport) -> bool {
        let own = match transport {
            Transport::Udp => return false,
            Transport::Tcp => &self.tcp,
            Transport::Tls => &self.tls,
        };
        own.iter().any(|own| covers(browsers, *own))
    }

    /// Whether an address of the SIP server's side is served by a listener for browsers.
    pub(crate) fn is_with_browsers(&self, own: Hop) -> bool {
        let browsers = match own.transport {
            Transport::Udp => return false,
            Transport::Tcp => &self.ws,
            Transport::Tls => &self.wss,
        };
        browsers.iter().any(|b| covers(*b, own.address))
    }

    /// Those on the SIP server's side: UDP, TCP, TLS.
    pub(crate) fn own(&self) -> Vec<Hop> {
        let of = |transport, addresses: &[SocketAddr]| -> Vec<Hop> {
            let hop = |&address| Hop { transport, address };
            addresses.iter().map(hop).collect()
        };
        let (udp, tcp) = (of(Transport::Udp, &self.udp), of(Transport::Tcp, &self.tcp));
        [udp, tcp, of(Transport::Tls, &self.tls)].concat()
    }
}

/// Whether what comes to `own` comes to `listener`, too.
fn covers(listener: SocketAddr, own: SocketAddr) -> bool {
    let any = listener.ip().is_unspecified() && listener.is_ipv4() == own.is_ipv4();
    own.port() != 0 && listener.port() == own.port() && (any || listener.ip() == own.ip())
}

/// Where the certificate of everything with TLS comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnCertificate {
    /// The operator.
    Files(Certificate),
    /// A CA, asked by ourselves.
    Acme(acme::Settings),
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// PEM file with the certificate and its chain.
    pub(crate) cert: PathBuf,
    /// PEM file with the private key.
    pub(crate) key: PathBuf,
}

/// The relay's addresses and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Media {
    /// By name, at least one; the first is the default. Of an edge `public` faces browsers and `private` phones.
    pub(crate) faces: Vec<Face>,
    /// Other names: the alias, then the interface's own name.
    pub(crate) aliases: Vec<(String, String)>,
    /// The TOS byte of the packets that it sends.
    pub(crate) tos: u8,
    /// UDP ports for media.
    pub(crate) ports: RangeInclusive<u16>,
    /// Where browsers' media comes to: one port, or each call's own.
    pub(crate) browser_port: SharedPort,
    /// Full ICE towards browsers instead of lite.
    pub(crate) ice_full: bool,
    /// Media threads; `None`: as many as cores.
    pub(crate) shards: Option<usize>,
    /// Phones without ICE are heard at the address in their SDP and nowhere else.
    pub(crate) strict_source: bool,
    /// Each media thread stays on a processor of its own.
    pub(crate) pin: bool,
}

/// One interface: a name, and addresses of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Face {
    /// What ng's `direction` calls it.
    pub(crate) name: String,
    /// At least one, in order of preference.
    pub(crate) addresses: Vec<Address>,
}

/// One address of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Where media comes to.
    pub(crate) bind: IpAddr,
    /// What peers are told: another one behind NAT.
    pub(crate) told: IpAddr,
}

impl Media {
    /// The addresses of the interface of that name, or that the name is an alias of.
    pub(crate) fn addresses(&self, name: &str) -> &[Address] {
        let alias = self.aliases.iter().find(|(alias, _)| alias == name);
        let name = alias.map_or(name, |(_, own)| own);
        let face = self.faces.iter().find(|face| face.name == name);
        face.map_or(&[], |face| &face.addresses)
    }
}

/// A sentence for the operator: which file, which line, what is wrong, and the cure.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {what}", file.display(), line.map(|l| format!(":{l}")).unwrap_or_default())]
pub(crate) struct ConfigError {
    /// The file.
    pub(crate) file: PathBuf,
    /// The line, counted from 1, where one line is to blame.
    pub(crate) line: Option<usize>,
    /// What is wrong, and the cure.
    pub(crate) what: String,
}

impl Edge {
    /// Reads and judges `path`.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &read(path)?)
    }

    /// Judges `text`; `path` is for the errors and for relative certificate paths.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file = file::parse(text).map_err(|fault| fault.at(path, text))?;
        judge::edge(&file, path).map_err(|fault| fault.at(path, text))
    }
}

impl Relay {
    /// Reads `path` and judges the relay's part of it.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &read(path)?)
    }

    /// Judges the relay's part of `text`.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file = file::parse(text).map_err(|fault| fault.at(path, text))?;
        judge::relay(&file, path).map_err(|fault| fault.at(path, text))
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError {
        file: path.to_owned(),
        line: None,
        what: format!("cannot be read ({error}); give the path of the edge's TOML file"),
    })
}

/// A [`ConfigError`] that does not know its file yet.
#[derive(Debug)]
struct Fault {
    /// Octet offset into the text.
    at: Option<usize>,
    what: String,
}

impl Fault {
    fn at(self, path: &Path, text: &str) -> ConfigError {
        let line = self
            .at
            .map(|at| 1 + text.bytes().take(at).filter(|b| *b == b'\n').count());
        // A value quoted in the sentence must not break the log line it stands in.
        let what = self.what.replace(char::is_control, " ");
        ConfigError {
            file: path.to_owned(),
            line,
            what,
        }
    }
}

#[cfg(test)]
mod tests;
