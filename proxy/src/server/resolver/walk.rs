//! From a name to addresses (RFC 3263 section 4): NAPTR says which transports there are, SRV which hosts and ports, A and
//! AAAA where those are. What the operator has written is not asked for. Relays are found the same way, but for NAPTR.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::{NAPTR, SRV};
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::core::{Hop, Transport};

/// A name server that is silent for so long is asked again, or another is.
const PATIENCE: Duration = Duration::from_secs(2);
/// However short or long an answer says that it holds, it is taken for as good as this.
const MIN_TTL: Duration = Duration::from_secs(1);
const MAX_TTL: Duration = Duration::from_secs(3600);
/// How long "there is none" holds.
const NONE_TTL: Duration = Duration::from_secs(60);
/// Records of one answer, and addresses of one name, that are looked at.
const MAX_RECORDS: usize = 32;
const MAX_PLACES: usize = 64;

/// An address that a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) hop: Hop,
    /// The SRV record's.
    pub(super) priority: u16,
    /// The part of the name's weight among those of this priority, and the whole.
    pub(super) share: (u64, u64),
}

impl Place {
    pub(super) fn only(hop: Hop) -> Self {
        Self {
            hop,
            priority: 0,
            share: (1, 1),
        }
    }
}

/// What DNS says.
pub(super) struct Answer {
    pub(super) places: Vec<Place>,
    /// When it is to be asked again.
    pub(super) until: Instant,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Dns(#[from] NetError),
    #[error("it has no address that this edge can send to")]
    Nothing,
}

/// What is sought.
pub(in crate::server) enum Service {
    /// The SIP server. These are our own addresses: what is found must be of a transport and a family among them.
    Sip(Vec<Hop>),
    /// Relays (`_ng._udp`), one address each: of a host that has both families, those of IPv4.
    Ng,
}

/// The customary port of an ng relay.
const NG_PORT: u16 = 2223;

impl Service {
    fn strategy(&self) -> LookupIpStrategy {
        let Self::Sip(own) = self else {
            return LookupIpStrategy::Ipv4thenIpv6;
        };
        let of = |family: fn(&SocketAddr) -> bool| own.iter().any(|own| family(&own.address));
        match (of(SocketAddr::is_ipv4), of(SocketAddr::is_ipv6)) {
            (true, true) => LookupIpStrategy::Ipv4AndIpv6,
            (false, true) => LookupIpStrategy::Ipv6Only,
            _ => LookupIpStrategy::Ipv4Only,
        }
    }

    /// Those that we can speak, the preferred first.
    fn transports(&self) -> Vec<Transport> {
        let Self::Sip(own) = self else {
            return vec![Transport::Udp];
        };
        let all = [Transport::Udp, Transport::Tcp, Transport::Tls];
        let spoken = |transport: &Transport| own.iter().any(|own| own.transport == *transport);
        all.into_iter().filter(spoken).collect()
    }

    fn port(&self, transport: Transport) -> u16 {
        match self {
            Self::Sip(_) => transport.default_port(),
            Self::Ng => NG_PORT,
        }
    }

    /// The name of its SRV records (RFC 3263 section 4.1).
    fn name(&self, transport: Transport, host: &str) -> String {
        let host = host.trim_end_matches('.');
        match (self, transport) {
            (Self::Ng, _) => format!("_ng._udp.{host}"),
            (Self::Sip(_), Transport::Udp) => format!("_sip._udp.{host}"),
            (Self::Sip(_), Transport::Tcp) => format!("_sip._tcp.{host}"),
            (Self::Sip(_), Transport::Tls) => format!("_sips._tcp.{host}"),
        }
    }
}

pub(super) struct Walk {
    dns: TokioResolver,
    service: Service,
    /// Those that we can speak, the preferred first.
    transports: Vec<Transport>,
}

impl Walk {
    pub(super) fn new(servers: &[SocketAddr], service: Service) -> Result<Self, NetError> {
        let mut builder = match servers {
            [] => TokioResolver::builder_tokio()?,
            servers => {
                let servers = servers.iter().map(|server| name_server(*server));
                let config = ResolverConfig::from_name_servers(servers.collect());
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        set(builder.options_mut(), service.strategy());
        Ok(Self {
            dns: builder.build()?,
            transports: service.transports(),
            service,
        })
    }

    /// Whose names these are, for the log.
    pub(super) fn whose(&self) -> &'static str {
        match self.service {
            Service::Sip(_) => "the SIP server",
            Service::Ng => "any relay",
        }
    }

    /// Where this name leads to now.
    pub(super) async fn look_up(
        &self,
        host: &str,
        transport: Option<Transport>,
        port: Option<u16>,
    ) -> Result<Answer, Failure> {
        let mut asked = Asked {
            dns: &self.dns,
            until: later(MAX_TTL),
        };
        let mut places = match (transport, port) {
            (_, Some(_)) => Vec::new(),
            (Some(transport), None) => {
                asked
                    .services(&self.service.name(transport, host), transport)
                    .await?
            }
            (None, None) => self.any_transport(&mut asked, host).await?,
        };
        if places.is_empty() {
            let transport = transport.or(self.transports.first().copied());
            let transport = transport.ok_or(Failure::Nothing)?;
            let port = port.unwrap_or(self.service.port(transport));
            let found = asked.addresses(host).await?;
            let part = (1, found.len() as u64);
            places.extend(found.into_iter().map(|ip| Place {
                hop: hop(transport, ip, port),
                priority: 0,
                share: part,
            }));
        }
        places.truncate(MAX_PLACES);
        // Name servers give answers in turns.
        places.sort_by_key(|place| place.hop);
        match places.is_empty() {
            true => Err(Failure::Nothing),
            false => Ok(Answer {
                places,
                until: asked.until,
            }),
        }
    }

    /// Section 4.1: as NAPTR says; without it, the first transport that there is a service for.
    async fn any_transport(
        &self,
        asked: &mut Asked<'_>,
        host: &str,
    ) -> Result<Vec<Place>, Failure> {
        let mut records = asked.naptr(host).await?;
        records.sort_by_key(|record| (record.order, record.preference));
        let told: Vec<(Transport, String)> = records
            .iter()
            .filter_map(|record| Some((transport_of(record)?, record.replacement.to_utf8())))
            .collect();
        let guessed = || {
            self.transports
                .iter()
                .map(|t| (*t, self.service.name(*t, host)))
        };
        let ways = match told.is_empty() {
            true => guessed().collect(),
            false => told,
        };
        for (transport, name) in ways {
            if self.transports.contains(&transport) {
                let places = asked.services(&name, transport).await?;
                if !places.is_empty() {
                    return Ok(places);
                }
            }
        }
        Ok(Vec::new())
    }
}

/// One walk, and how long all that it was told holds.
struct Asked<'a> {
    dns: &'a TokioResolver,
    until: Instant,
}

impl Asked<'_> {
    async fn naptr(&mut self, host: &str) -> Result<Vec<NAPTR>, Failure> {
        let records = self.records(host, RecordType::NAPTR).await?;
        let naptr = records.into_iter().filter_map(|data| match data {
            RData::NAPTR(naptr) => Some(naptr),
            _ => None,
        });
        Ok(naptr.collect())
    }

    /// Section 4.2, with the addresses of all hosts.
    async fn services(&mut self, name: &str, transport: Transport) -> Result<Vec<Place>, Failure> {
        let records = self.records(name, RecordType::SRV).await?;
        let services: Vec<SRV> = records
            .into_iter()
            .filter_map(|data| match data {
                // RFC 2782: a target of "." says that there is no such service.
                RData::SRV(srv) if !srv.target.is_root() => Some(srv),
                _ => None,
            })
            .collect();
        let mut places = Vec::new();
        for srv in &services {
            let (part, whole) = share(srv, &services);
            let found = self.addresses(&srv.target.to_utf8()).await?;
            let whole = whole.saturating_mul(found.len() as u64);
            places.extend(found.into_iter().map(|ip| Place {
                hop: hop(transport, ip, srv.port),
                priority: srv.priority,
                share: (part, whole),
            }));
        }
        Ok(places)
    }

    async fn addresses(&mut self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        match self.dns.lookup_ip(host).await {
            Ok(found) => {
                self.holds_until(found.valid_until());
                Ok(found.iter().take(MAX_RECORDS).collect())
            }
            Err(error) => self.none(error),
        }
    }

    async fn records(&mut self, name: &str, kind: RecordType) -> Result<Vec<RData>, Failure> {
        // Whole: the system's search list is not for these.
        let name = format!("{}.", name.trim_end_matches('.'));
        match self.dns.lookup(name, kind).await {
            Ok(found) => {
                self.holds_until(found.valid_until());
                let records = found.answers().iter().take(MAX_RECORDS);
                Ok(records.map(|record| record.data.clone()).collect())
            }
            Err(error) => self.none(error),
        }
    }

    /// That there is none is an answer, too.
    fn none<T>(&mut self, error: NetError) -> Result<Vec<T>, Failure> {
        match &error {
            NetError::Dns(DnsError::NoRecordsFound(none))
                if matches!(
                    none.response_code,
                    ResponseCode::NoError | ResponseCode::NXDomain
                ) =>
            {
                self.holds_until(later(NONE_TTL));
                Ok(Vec::new())
            }
            _ => Err(error.into()),
        }
    }

    fn holds_until(&mut self, until: Instant) {
        self.until = self.until.min(until).max(later(MIN_TTL));
    }
}

fn set(options: &mut ResolverOpts, strategy: LookupIpStrategy) {
    // When it is time to ask, it is asked.
    options.cache_size = 0;
    options.timeout = PATIENCE;
    options.ip_strategy = strategy;
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

/// What a NAPTR record is about, if it leads to a service that can be ours.
fn transport_of(record: &NAPTR) -> Option<Transport> {
    let leads_on = record.flags.eq_ignore_ascii_case(b"s");
    let transport = match record.services.to_ascii_uppercase().as_slice() {
        b"SIP+D2U" => Transport::Udp,
        b"SIP+D2T" => Transport::Tcp,
        b"SIPS+D2T" => Transport::Tls,
        _ => return None,
    };
    leads_on.then_some(transport)
}

/// A record's part of the weight of its priority; where none has weight, all have the same.
fn share(srv: &SRV, all: &[SRV]) -> (u64, u64) {
    let equals = all.iter().filter(|other| other.priority == srv.priority);
    let (mut count, mut whole) = (0_u64, 0_u64);
    for other in equals {
        count = count.saturating_add(1);
        whole = whole.saturating_add(u64::from(other.weight));
    }
    match whole {
        0 => (1, count),
        whole => (u64::from(srv.weight), whole),
    }
}

fn hop(transport: Transport, ip: IpAddr, port: u16) -> Hop {
    let address = SocketAddr::new(ip, port);
    Hop { transport, address }
}

fn later(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now)
}
