//! Where the proxy listens: for browsers, and on the side of the SIP server, which must be told an address that leads back.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use ipnet::IpNet;
use proxy::core::{Hop, Transport};
use toml::Spanned;

use super::file::{self, OneOrMore};
use super::judge::{Text, fault, origin, towards, wrong};
use super::limits::{PING, seconds};
use super::{Fault, Listen, Upstreams, certificate, metrics};

type Addresses = Option<Spanned<OneOrMore>>;

/// Judges `[listen]` for an edge of this domain before this SIP server.
pub(super) fn judge(
    file: &file::File,
    domain: &str,
    upstream: &Upstreams,
    path: &Path,
) -> Result<Listen, Fault> {
    let listen = &file.listen;
    if listen.ws.is_none() && listen.wss.is_none() {
        return Err(fault(
            None,
            "nobody could connect: [listen] has neither ws nor wss; add wss = \"0.0.0.0:443\" with cert and key",
        ));
    }
    let certificate = certificate::judge(file, domain, path)?;
    let none = listen.udp.is_none() && listen.tcp.is_none() && listen.tls.is_none();
    let open = none && upstream.leaves_transport_open();
    let own = |name, addresses, transport| {
        let wanted = upstream.names_transport(transport) || open && transport == Transport::Udp;
        own(name, addresses, transport, wanted, upstream)
    };
    let judged = Listen {
        ws: addresses("ws", &listen.ws)?,
        wss: addresses("wss", &listen.wss)?,
        udp: own("udp", &listen.udp, Transport::Udp)?,
        tcp: own("tcp", &listen.tcp, Transport::Tcp)?,
        tls: own("tls", &listen.tls, Transport::Tls)?,
        udp_only: listen.udp_only,
        proxy_protocol: networks(&listen.proxy_protocol)?,
        certificate,
        ping: seconds(&listen.ping, "ping", PING)?,
        metrics: metrics::judge(&listen.metrics, listen.public_metrics, metrics::PROXY)?,
        origins: listen
            .origins
            .iter()
            .map(origin)
            .collect::<Result<_, _>>()?,
    };
    if !judged.tls.is_empty() && judged.certificate.is_none() {
        let what = "the SIP server is spoken to over TLS, and calls us back over it; add cert = \"cert.pem\" and key = \"key.pem\" to [listen]";
        return Err(fault(None, what));
    }
    distinct(&judged, listen)?;
    Ok(judged)
}

/// Networks as `10.0.0.0/8`, or single addresses.
fn networks(given: &[Text]) -> Result<Vec<IpNet>, Fault> {
    let parsed = given.iter().map(|text| {
        let ip = text.get_ref().parse::<IpAddr>().map(IpNet::from);
        ip.or_else(|_| text.get_ref().parse()).map_err(|_| {
            let what = format!(
                "proxy_protocol \"{}\" is not a network; write the load balancer's addresses as \"10.0.0.0/8\"",
                text.get_ref()
            );
            wrong(text, what)
        })
    });
    parsed.collect()
}

fn addresses(name: &str, given: &Addresses) -> Result<Vec<SocketAddr>, Fault> {
    let Some(given) = given else {
        return Ok(Vec::new());
    };
    let parsed = given.get_ref().as_slice().iter().map(|text| {
        text.parse().map_err(|_| {
            let what = format!(
                "{name} = \"{text}\" is not an address with a port; write it as \"0.0.0.0:443\""
            );
            fault(Some(given.span().start), what)
        })
    });
    parsed.collect()
}

/// The addresses on the SIP server's side. They stand in Via and Path, so each must be one that it can answer to: never the
/// unspecified one. Without a setting there is one for the transport that the SIP server is spoken to by.
fn own(
    name: &str,
    given: &Addresses,
    transport: Transport,
    wanted: bool,
    upstream: &Upstreams,
) -> Result<Vec<SocketAddr>, Fault> {
    let mut own = addresses(name, given)?;
    if given.is_none() && wanted {
        let ip = towards(upstream.hop.address)?;
        own.push(SocketAddr::new(ip, transport.default_port()));
    }
    let at = given.as_ref().map(|given| given.span().start);
    for address in &mut own {
        if address.ip().is_unspecified() {
            address.set_ip(towards(upstream.hop.address)?);
        }
        let hop = Hop {
            transport,
            address: *address,
        };
        if upstream.is_at(hop) {
            let what = format!(
                "the proxy's own SIP address {address} is the upstream's; give the proxy another port, as in [listen] {name} = \"{}\"",
                SocketAddr::new(address.ip(), 5080)
            );
            return Err(fault(at, what));
        }
    }
    Ok(own)
}

/// No address twice among those that connections come to; but SIP and WebSockets may share one, both with TLS or both
/// without.
fn distinct(judged: &Listen, listen: &file::Listen) -> Result<(), Fault> {
    let mut seen: Vec<(SocketAddr, &str)> = Vec::new();
    for (name, addresses, given) in [
        ("ws", &judged.ws, &listen.ws),
        ("wss", &judged.wss, &listen.wss),
        ("tcp", &judged.tcp, &listen.tcp),
        ("tls", &judged.tls, &listen.tls),
    ] {
        for &address in addresses {
            let share = |other| [("ws", "tcp"), ("wss", "tls")].contains(&(other, name));
            let mut seen_here = seen.iter().filter(|(known, _)| *known == address);
            let other = seen_here.find(|(_, other)| !share(*other));
            if let Some((_, other)) = other.filter(|_| address.port() != 0) {
                let what =
                    format!("{other} and {name} both want {address}; give them different ports");
                return Err(fault(given.as_ref().map(|g| g.span().start), what));
            }
            seen.push((address, name));
        }
    }
    Ok(())
}
