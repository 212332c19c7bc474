//! From what the file says to an [`Edge`] that can run, or the reason why not.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Spanned;

use proxy::core::Transport;
use relay::core::Among;
use relay::server::SharedPort;
use relay::server::{BackendChoice, ControlAddress, ControlKey};

use super::certificate::readable;
use super::limits::drain_timeout;
use super::{
    Bounds, Calls, Certificate, Edge, Fault, Limits, Media, Relay, UpstreamTls, Upstreams,
    browsers, faces, file, listen, metrics, registration, relays, sign_in,
};

/// Where our relay takes commands when nothing is said: this machine only, rtpengine's customary port.
const CONTROL: &str = "udp:127.0.0.1:2223";
/// rtpengine's own default range begins and ends here (NG: ports).
const PORTS: RangeInclusive<u16> = 30_000..=39_999;
/// Below this the range serves so few calls that it must be a mistake.
const MIN_PORTS: usize = 8;

pub(super) type Text = Spanned<String>;

pub(super) fn edge(file: &file::File, path: &Path) -> Result<Edge, Fault> {
    let domain = required(
        &file.domain,
        "domain",
        "the users' SIP domain, as in domain = \"example.com\"",
    )?;
    check_domain(domain)?;
    let upstream = match &file.upstream {
        Some(given) => Upstreams::judge(given, file)?,
        None if registration::is_local(file) => Upstreams::none(file)?,
        None => {
            let what = "upstream is missing; add the SIP server, as in upstream = \"udp:10.0.0.5:5060\", or let the edge's users call one another: registration = \"local\"";
            return Err(fault(None, what));
        }
    };
    let relays = relays::judge(&file.relay.control)?;
    Ok(Edge {
        domain: domain.get_ref().clone(),
        listen: listen::judge(file, domain.get_ref(), &upstream, path)?,
        tls: upstream_tls(&file.tls, &upstream, path)?,
        upstream,
        registration: registration::judge(file, domain.get_ref(), path)?,
        sign_in: sign_in::judge(file, domain.get_ref(), path)?,
        policy: browsers::judge(&file.browsers)?,
        bounds: Bounds::of(&file.limits)?,
        calls: Calls::of(&file.calls, path)?,
        relays,
        dtmf_events: dtmf_events(&file.media.dtmf)?,
        relay: relay(file, path)?,
    })
}

/// The relay's part, which may stand alone.
pub(super) fn relay(file: &file::File, path: &Path) -> Result<Relay, Fault> {
    let upstream = file.upstream.as_ref();
    let upstream = upstream
        .map(|given| Upstreams::judge(given, file))
        .transpose()?;
    let upstream = upstream.map(|upstream| upstream.hop.address);
    Ok(Relay {
        controls: controls(&file.relay.listen)?,
        public_control: file.relay.public_control,
        control_key: (file.relay.control_key.as_ref())
            .map(|text| control_key(text, path))
            .transpose()?,
        recordings: file
            .relay
            .recordings
            .as_ref()
            .map(|text| beside(text, path)),
        metrics: metrics::judge(
            &file.relay.metrics,
            file.relay.public_metrics,
            metrics::RELAY,
        )?,
        drain_timeout: drain_timeout(&file.relay.drain_timeout)?,
        backend: backend(&file.relay.backend)?,
        limits: Limits::of(&file.relay)?,
        media: media(&file.media, upstream, registration::is_local(file))?,
    })
}

fn dtmf_events(text: &Option<Text>) -> Result<bool, Fault> {
    match text.as_ref().map(|t| (t, t.get_ref().as_str())) {
        None | Some((_, "events")) => Ok(true),
        Some((_, "info")) => Ok(false),
        Some((text, other)) => Err(wrong(
            text,
            format!("dtmf = \"{other}\" is not known; write \"events\" or \"info\""),
        )),
    }
}

fn backend(text: &Option<Text>) -> Result<BackendChoice, Fault> {
    match text.as_ref().map(|t| (t, t.get_ref().as_str())) {
        None | Some((_, "auto")) => Ok(BackendChoice::Auto),
        Some((_, "sockets")) => Ok(BackendChoice::Sockets),
        Some((_, "steered")) => Ok(BackendChoice::Steered),
        Some((text, other)) => Err(wrong(
            text,
            format!(
                "backend = \"{other}\" is not known; write \"auto\", \"sockets\" or \"steered\""
            ),
        )),
    }
}

fn controls(listen: &Option<Spanned<file::OneOrMore>>) -> Result<Vec<ControlAddress>, Fault> {
    let usual = [CONTROL.to_owned()];
    let texts = listen
        .as_ref()
        .map_or(usual.as_slice(), |l| l.get_ref().as_slice());
    let at = listen.as_ref().map(|l| l.span().start);
    let parsed = texts.iter().map(|text| {
        text.parse().map_err(|_| {
            let what = format!("'{text}' is not where a relay can take commands; write udp:, tcp: or http: with an address and a port, as in \"udp:10.0.0.9:2223\"");
            fault(at, what)
        })
    });
    parsed.collect()
}

fn check_domain(domain: &Text) -> Result<(), Fault> {
    let sound = !domain.get_ref().is_empty()
        && domain
            .get_ref()
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    if sound {
        return Ok(());
    }
    Err(wrong(
        domain,
        format!(
            "domain '{}' is not a host name; write it without 'sip:' and without spaces",
            domain.get_ref()
        ),
    ))
}

/// The address that the kernel would send from towards `upstream`; no packet is sent.
pub(super) fn towards(upstream: SocketAddr) -> Result<IpAddr, Fault> {
    let any = if upstream.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    UdpSocket::bind(any)
        .and_then(|socket| {
            socket.connect(upstream)?;
            socket.local_addr()
        })
        .map(|local| local.ip())
        .map_err(|error| fault(None, format!("no address of this machine leads to the upstream {upstream} ({error}); set [listen] udp to the one the SIP server can reach")))
}

fn media(
    media: &file::Media,
    upstream: Option<SocketAddr>,
    is_local: bool,
) -> Result<Media, Fault> {
    let (faces, aliases) = faces::judge(media, upstream, is_local)?;
    let ice_full = match media.ice.as_ref().map(|t| (t, t.get_ref().as_str())) {
        None | Some((_, "lite")) => false,
        Some((_, "full")) => true,
        Some((text, other)) => {
            return Err(wrong(
                text,
                format!("ice = \"{other}\" is not known; write \"lite\" or \"full\""),
            ));
        }
    };
    let shards = match &media.shards {
        Some(n) if !(1..=Among::MOST).contains(n.get_ref()) => {
            return Err(fault(
                Some(n.span().start),
                "shards is the number of media threads: 1 to 62",
            ));
        }
        other => other.as_ref().map(|n| *n.get_ref()),
    };
    let tos = media.tos.as_ref().map_or(Ok(0), |tos| {
        u8::try_from(*tos.get_ref()).map_err(|_| {
            let what = "tos is the whole byte, 0 to 255: for DSCP EF write tos = 184";
            fault(Some(tos.span().start), what)
        })
    })?;
    Ok(Media {
        faces,
        aliases,
        tos,
        ports: ports(&media.ports)?,
        browser_port: browser_port(&media.browser_port)?,
        ice_full,
        shards,
        strict_source: media.strict_source,
        pin: media.pin,
    })
}

/// One port for all browsers, unless each is to have its own.
fn browser_port(given: &Option<Spanned<file::BrowserPort>>) -> Result<SharedPort, Fault> {
    let Some(given) = given else {
        return Ok(SharedPort::First);
    };
    let port = match given.get_ref() {
        file::BrowserPort::Word(word) if word == "own" => Some(SharedPort::None),
        file::BrowserPort::Word(_) => None,
        file::BrowserPort::Number(number) => u16::try_from(*number)
            .ok()
            .filter(|port| *port != 0)
            .map(SharedPort::At),
    };
    port.ok_or_else(|| {
        let what = "browser_port is one UDP port for all browsers, as in browser_port = 3478; or \"own\": \
                    a port for each call, out of ports";
        fault(Some(given.span().start), what)
    })
}

fn ports(text: &Option<Text>) -> Result<RangeInclusive<u16>, Fault> {
    let Some(text) = text else { return Ok(PORTS) };
    let parsed = text.get_ref().split_once('-').and_then(|(low, high)| {
        Some((
            low.trim().parse::<u16>().ok()?,
            high.trim().parse::<u16>().ok()?,
        ))
    });
    match parsed {
        Some((low, high))
            if low >= 1024 && usize::from(high) + 1 >= usize::from(low) + MIN_PORTS =>
        {
            Ok(low..=high)
        }
        Some(_) => Err(wrong(
            text,
            format!(
                "ports \"{}\" is too small a range; give at least {MIN_PORTS} ports above 1023, four for each call, as in \"30000-39999\"",
                text.get_ref()
            ),
        )),
        None => Err(wrong(
            text,
            format!(
                "ports \"{}\" is not a range; write it as \"30000-39999\"",
                text.get_ref()
            ),
        )),
    }
}

/// `[tls]`: whom a SIP server that is connected to by TLS must be vouched for by, and who we are.
fn upstream_tls(tls: &file::Tls, upstream: &Upstreams, path: &Path) -> Result<UpstreamTls, Fault> {
    let may_be = upstream.names_transport(Transport::Tls) || upstream.leaves_transport_open();
    let given = [&tls.upstream_ca, &tls.upstream_cert, &tls.upstream_key];
    if let Some(unused) = given.into_iter().flatten().next()
        && !may_be
    {
        let what = "[tls] is for an upstream that is connected to by TLS; write upstream = \"tls:...\", or remove this";
        return Err(wrong(unused, what.to_owned()));
    }
    let own = match (&tls.upstream_cert, &tls.upstream_key) {
        (Some(cert), Some(key)) => Some(Certificate {
            cert: readable(cert, path)?,
            key: readable(key, path)?,
        }),
        (None, None) => None,
        (Some(lonely), None) | (None, Some(lonely)) => {
            let what = "upstream_cert and upstream_key belong together; add the other one to [tls]";
            return Err(wrong(lonely, what.to_owned()));
        }
    };
    let ca = tls.upstream_ca.as_ref();
    let ca = ca.map(|file| readable(file, path)).transpose()?;
    Ok(UpstreamTls { ca, own })
}

pub(super) fn origin(text: &Text) -> Result<String, Fault> {
    let sound = ["https://", "http://"].iter().any(|s| {
        text.get_ref()
            .strip_prefix(s)
            .is_some_and(|h| !h.is_empty() && !h.contains('/'))
    });
    // Files and pages in a sandbox are `null`.
    if sound || ["*", "null"].contains(&text.get_ref().as_str()) {
        return Ok(text.get_ref().clone());
    }
    Err(wrong(
        text,
        format!(
            "origin \"{}\" is not what a browser sends; write it as \"https://shop.example\", without a path",
            text.get_ref()
        ),
    ))
}

/// The secret in a file, without the line's end.
fn control_key(text: &Text, config: &Path) -> Result<ControlKey, Fault> {
    let path = beside(text, config);
    let make = format!("make one with: openssl rand -hex 32 > {}", path.display());
    let secret = std::fs::read_to_string(&path).map_err(|error| {
        let what = format!(
            "control_key {} cannot be read ({error}); {make}",
            path.display()
        );
        wrong(text, what)
    })?;
    ControlKey::new(secret.trim().as_bytes()).ok_or_else(|| {
        let what = format!(
            "the key in {} has fewer than 32 characters; {make}",
            path.display()
        );
        wrong(text, what)
    })
}

fn required<'a>(value: &'a Option<Text>, name: &str, cure: &str) -> Result<&'a Text, Fault> {
    value
        .as_ref()
        .ok_or_else(|| fault(None, format!("{name} is missing; add {cure}")))
}

pub(super) fn wrong(text: &Text, what: String) -> Fault {
    fault(Some(text.span().start), what)
}

pub(super) fn fault(at: Option<usize>, what: impl Into<String>) -> Fault {
    Fault {
        at,
        what: what.into(),
    }
}

/// Relative paths are relative to the configuration file, so that it can be started from anywhere.
pub(super) fn beside(text: &Text, file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(text.get_ref())
}
