//! The SIP server: `upstream`, which is an address, a name, or a list of such with weights and priorities; the name servers to
//! ask for names, and how many registrations it is to take.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};

use proxy::core::{Hop, Transport};
use proxy::server::{Listed, ListedPlace};
use toml::Spanned;

use super::judge::{Text, fault, wrong};
use super::{Fault, file};

/// Where an address of ours is sought for a name that has none now: the way that leads to nobody in particular (RFC 5737).
const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The SIP server, and how it is found and spared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstreams {
    /// All entries; none where the edge's users call one another only.
    pub(crate) all: Vec<Listed>,
    /// One of its addresses, or nobody's: our own address there is the one that leads to it.
    pub(crate) hop: Hop,
    /// Name servers; empty for those of the system.
    pub(crate) dns: Vec<SocketAddr>,
    /// REGISTERs in a second; `None`: as many as the proxy sends by itself.
    pub(crate) register_rate: Option<u32>,
}

impl Upstreams {
    /// The setting as the operator wrote it, judged.
    pub(super) fn judge(
        given: &Spanned<file::Upstreams>,
        file: &file::File,
    ) -> Result<Self, Fault> {
        let at = given.span().start;
        let all = given.get_ref().as_slice().iter();
        let all = all.map(|entry| judge_entry(entry, place).map_err(|what| fault(Some(at), what)));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        let Some(first) = all.first() else {
            let what = "upstream is an empty list; write the SIP server, as in upstream = \"udp:10.0.0.5:5060\"";
            return Err(fault(Some(at), what));
        };
        let literal = all.iter().find_map(|entry| match entry.place {
            ListedPlace::Hop(hop) => Some(hop),
            ListedPlace::Name { .. } => None,
        });
        let hop = literal.unwrap_or_else(|| present(first));
        Ok(Self {
            hop,
            dns: file.dns.iter().map(name_server).collect::<Result<_, _>>()?,
            register_rate: register_rate(&file.register_rate)?,
            all,
        })
    }

    /// No SIP server at all.
    pub(super) fn none(file: &file::File) -> Result<Self, Fault> {
        if let Some(rate) = &file.register_rate {
            let what = "register_rate is how many REGISTERs the SIP server gets, and there is none; add upstream = \"udp:10.0.0.5:5060\", or remove this";
            return Err(fault(Some(rate.span().start), what));
        }
        Ok(Self {
            all: Vec::new(),
            hop: Hop::udp(SocketAddr::new(ANYWHERE, Transport::Udp.default_port())),
            dns: Vec::new(),
            register_rate: None,
        })
    }

    /// Whether it is said that this transport is spoken.
    pub(crate) fn names_transport(&self, transport: Transport) -> bool {
        self.all.iter().any(|entry| match entry.place {
            ListedPlace::Hop(hop) => hop.transport == transport,
            ListedPlace::Name { transport: its, .. } => its == Some(transport),
        })
    }

    /// Whether DNS is to say how it is spoken to.
    pub(crate) fn leaves_transport_open(&self) -> bool {
        self.all.iter().any(|entry| {
            let place = &entry.place;
            matches!(place, ListedPlace::Name { transport, .. } if transport.is_none())
        })
    }

    /// Whether this address is one of its own.
    pub(super) fn is_at(&self, hop: Hop) -> bool {
        self.all
            .iter()
            .any(|entry| entry.place == ListedPlace::Hop(hop))
    }

    /// Each entry, in the operator's words.
    pub(crate) fn described(&self) -> Vec<String> {
        self.all.iter().map(described).collect()
    }
}

/// An entry in the operator's words.
pub(crate) fn described(entry: &Listed) -> String {
    let place = match &entry.place {
        ListedPlace::Hop(hop) => hop.to_string(),
        ListedPlace::Name {
            host,
            transport,
            port,
        } => {
            let before = transport.map(|t| format!("{t}:")).unwrap_or_default();
            let after = port.map(|port| format!(":{port}")).unwrap_or_default();
            format!("{before}{host}{after} (by DNS)")
        }
    };
    match (entry.priority, entry.weight) {
        (0, 1) => place,
        (priority, weight) => format!("{place} (priority {priority}, weight {weight})"),
    }
}

/// One entry of a list; `place` reads where it is.
pub(super) fn judge_entry(
    entry: &file::Upstream,
    place: fn(&str) -> Result<ListedPlace, String>,
) -> Result<Listed, String> {
    let (to, priority, weight) = match entry {
        file::Upstream::Text(to) => (to, None, None),
        file::Upstream::Table(table) => (&table.to, table.priority, table.weight),
    };
    let number = |name: &str, given: Option<i64>, usual: u16| {
        match given {
        None => Ok(usual),
        Some(number) => u16::try_from(number).map_err(|_| {
            format!("{name} = {number} of '{to}' is not a number from 0 to 65535; leave it out for {usual}")
        }),
    }
    };
    Ok(Listed {
        place: place(to)?,
        priority: number("priority", priority, 0)?,
        weight: number("weight", weight, 1)?,
    })
}

/// `[TRANSPORT:]HOST[:PORT]`.
pub(super) fn place(text: &str) -> Result<ListedPlace, String> {
    let (given, rest) = scheme(text)?;
    let transport = given.unwrap_or(Transport::Udp);
    let at = |address| ListedPlace::Hop(Hop { transport, address });
    if let Ok(address) = rest.parse::<SocketAddr>() {
        return sound(address.port(), rest).map(|_| at(address));
    }
    if let Ok(ip) = rest.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(at(SocketAddr::new(ip, transport.default_port())));
    }
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) => (host, Some(sound(port.parse().unwrap_or(0), rest)?)),
        None => (rest, None),
    };
    let octets = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let last = host.trim_end_matches('.').rsplit('.').next();
    let number = last.is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if host.is_empty() || number || !host.bytes().all(octets) {
        return Err(neither(rest));
    }
    Ok(ListedPlace::Name {
        host: host.to_owned(),
        transport: given,
        port,
    })
}

fn sound(port: u16, rest: impl Display) -> Result<u16, String> {
    match port {
        0 => Err(neither(rest)),
        port => Ok(port),
    }
}

fn neither(rest: impl Display) -> String {
    format!(
        "the upstream '{rest}' is neither an address nor a name, with or without a port; write it as \"udp:10.0.0.5:5060\" or \"sip.example.com\""
    )
}

/// The transport, if one is written.
fn scheme(text: &str) -> Result<(Option<Transport>, &str), String> {
    let transport = match text.split_once(':') {
        Some(("udp", rest)) => (Transport::Udp, rest),
        Some(("tcp", rest)) => (Transport::Tcp, rest),
        Some(("tls", rest)) => (Transport::Tls, rest),
        Some((other @ ("ws" | "wss" | "http" | "https" | "sip" | "sips" | "unix"), rest)) => {
            return Err(format!(
                "the upstream is spoken to over udp, tcp or tls, not '{other}'; write upstream = \"udp:{rest}\""
            ));
        }
        _ => return Ok((None, text)),
    };
    Ok((Some(transport.0), transport.1))
}

/// Where a name leads to now, as far as the system knows; only our own address is told from that.
fn present(entry: &Listed) -> Hop {
    let (host, transport, port) = match &entry.place {
        ListedPlace::Hop(hop) => return *hop,
        ListedPlace::Name {
            host,
            transport,
            port,
        } => (host, transport.unwrap_or(Transport::Udp), *port),
    };
    let port = port.unwrap_or(transport.default_port());
    let found = (host.as_str(), port).to_socket_addrs().ok();
    let found = found.and_then(|mut all| all.next());
    Hop {
        transport,
        address: found.unwrap_or(SocketAddr::new(ANYWHERE, port)),
    }
}

fn name_server(text: &Text) -> Result<SocketAddr, Fault> {
    let given = text.get_ref();
    let address = given.parse().ok();
    let ip = given.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let address = address.or(ip.map(|ip| SocketAddr::new(ip, 53)));
    address.ok_or_else(|| {
        let what = format!(
            "the name server '{given}' is not an address; write it as dns = [\"10.0.0.2\"]"
        );
        wrong(text, what)
    })
}

fn register_rate(given: &Option<Spanned<i64>>) -> Result<Option<u32>, Fault> {
    let Some(given) = given else { return Ok(None) };
    let rate = u32::try_from(*given.get_ref()).ok();
    match rate.filter(|rate| (1..=1_000_000).contains(rate)) {
        Some(rate) => Ok(Some(rate)),
        None => {
            let what = "register_rate is how many REGISTERs go to the SIP server in a second: 1 to 1000000";
            Err(fault(Some(given.span().start), what))
        }
    }
}
