//! A whole edge under attack: proxy and relay of ours, a SIP server and a phone in the house, a web client in the street
//! that is registered and talks to the phone.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use demo::phone::{self, Heard as Sound, Line, Phone, Voice};
use demo::registrar;
use demo::webphone::{self, Webphone};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use peers::process;

use crate::Heard;
use crate::field::{BROWSER, Field, PHONE};
use crate::programs::{DOMAIN, Program, Start, UPSTREAM, WS};
use crate::witness::Report;

/// The witness, whom everybody may call, and the number of the phone in the house.
pub(crate) const WITNESS: &str = "witness";
/// The attacker is a user, too.
pub(crate) const ATTACKER: &str = "mallory";
/// Users beside them; their names are [`caller`]'s.
pub(crate) const CALLERS: u32 = 40;
/// Of all.
pub(crate) const PASSWORD: &str = "secret";
/// A line of the phone that answers and talks.
pub(crate) const LINE: &str = "desk";
/// Setting up takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the edge holds in memory.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Memory {
    /// In MiB.
    proxy: u64,
    /// All of its own and those beside it.
    relay: u64,
}

impl Memory {
    /// What an allocator keeps for the next ones, in MiB.
    const KEPT: u64 = 16;

    /// The more of both.
    pub(crate) fn most(self, other: Self) -> Self {
        Self {
            proxy: self.proxy.max(other.proxy),
            relay: self.relay.max(other.relay),
        }
    }

    /// Whether what came in between was given back.
    pub(crate) fn is_back_at(self, before: Self) -> bool {
        self.proxy <= before.proxy + Self::KEPT && self.relay <= before.relay + Self::KEPT
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proxy {} and relay {} MiB", self.proxy, self.relay)
    }
}

/// An edge with a call that talks.
pub(crate) struct Whole<'a> {
    pub(crate) field: &'a Field,
    pub(crate) edge: Program,
    /// Where the proxy has none of its own.
    pub(crate) relays: Vec<Program>,
    voices: Arc<Voices>,
    /// Its tasks stand in the street: the witness's browser.
    _street: Runtime,
    _house: Runtime,
    _server: registrar::Server,
    web: Webphone,
}

/// Both ends of the call.
struct Voices {
    browser: webphone::Call,
    phone: phone::Call,
    _phone: Phone,
}

impl<'a> Whole<'a> {
    /// Starts everything, and the call: with a relay of the proxy's own, or with so many beside it.
    pub(crate) fn start(start: &Start, field: &'a Field, relays: u16) -> Result<Self, String> {
        let (house, street) = (field.house.runtime()?, field.street.runtime()?);
        let (server, phone) = on(&house, house_side())?;
        let beside: Result<Vec<_>, String> = (0..relays)
            .map(|number| Program::one_of(start, field, number, relays))
            .collect();
        let relays_beside = beside?;
        let edge = Program::edge(start, field, relays)?;
        let web = on(&street, street_side())?;
        let line = format!("sip:{LINE}@{DOMAIN}");
        let voices = house.block_on(async {
            let called = web.call(&line, Voice::Tone(440.0));
            let browser = soon(called).await?.map_err(|why| why.to_string())?;
            let phones = soon(phone.incoming()).await?.ok_or("the phone is off")?;
            soon(browser.answered())
                .await?
                .map_err(|why| why.to_string())?;
            soon(browser.until_heard(20)).await?;
            Ok::<_, String>(Voices {
                browser,
                phone: phones,
                _phone: phone,
            })
        });
        Ok(Self {
            field,
            edge,
            relays: relays_beside,
            voices: Arc::new(voices.map_err(|why| format!("the witness cannot call: {why}"))?),
            _street: street,
            _house: house,
            _server: server,
            web,
        })
    }

    /// Who is heard meanwhile.
    pub(crate) fn witness(&self) -> Talk {
        Talk(Arc::clone(&self.voices))
    }

    /// A web client in the street that connects and registers, as the attacker's user; how long that takes.
    pub(crate) fn newcomer(&self) -> Result<Duration, String> {
        let began = Instant::now();
        on(&self._street, async {
            let config = webphone::Config::new(&format!("ws://{WS}/"), ATTACKER, PASSWORD, DOMAIN);
            let web = soon(Webphone::connect(config)).await?;
            let web = web.map_err(|why| format!("a new client: {why}"))?;
            let registered = soon(web.register()).await?;
            registered.map_err(|why| format!("a new client does not register: {why}"))
        })?;
        Ok(began.elapsed())
    }

    /// Calls of the witness, one after the other, each of which must stand.
    pub(crate) fn calls(&self, number: usize) -> Result<(), String> {
        let line = format!("sip:{LINE}@{DOMAIN}");
        (0..number).try_for_each(|_| {
            self._house.block_on(async {
                let called = self.web.call(&line, Voice::Tone(440.0));
                let call = soon(called).await?.map_err(|why| why.to_string())?;
                let answered = soon(call.answered()).await?;
                answered.map_err(|why| why.to_string())?;
                soon(call.until_heard(10)).await?;
                call.hang_up().map_err(|why| why.to_string())
            })
        })
    }

    /// What proxy and relays hold.
    pub(crate) fn memory(&self) -> Memory {
        let relays = self.relays.iter().map(Program::id).chain(self.edge.child());
        let relays = relays.map(|relay| process::resident(Some(relay)));
        Memory {
            proxy: process::resident(Some(self.edge.id())) / 1024,
            relay: relays.sum::<u64>() / 1024,
        }
    }

    /// UDP ports that are open at the edge.
    pub(crate) fn ports(&self) -> Result<usize, String> {
        self.field.edge.within(|| {
            let table = std::fs::read_to_string("/proc/thread-self/net/udp");
            let table = table.map_err(|error| format!("the edge's sockets: {error}"))?;
            Ok(table.lines().count().saturating_sub(1))
        })
    }

    /// Hangs up; an error says what the attack has broken of the edge or the call's signalling.
    pub(crate) fn end(mut self) -> Result<(), String> {
        self.edge
            .is_alive()
            .map_err(|why| format!("the edge is gone: {why}"))?;
        let voices = &self.voices;
        self._house.block_on(async {
            voices
                .browser
                .hang_up()
                .map_err(|why| format!("hanging up: {why}"))?;
            soon(voices.phone.ended())
                .await
                .map_err(|_| "the phone is not hung up on")?;
            soon(self.web.register())
                .await?
                .map_err(|why| format!("registering anew: {why}"))
        })
    }
}

/// The call of a whole edge, as its two ends hear it.
pub(crate) struct Talk(Arc<Voices>);

impl Heard for Talk {
    type Mark = [Sound; 2];

    fn mark(&self) -> Self::Mark {
        [self.0.browser.heard(), self.0.phone.heard()]
    }

    fn since(&self, mark: &Self::Mark) -> Report {
        let now = [self.0.browser.heard(), self.0.phone.heard()];
        let mut report = Report::default();
        for (now, before) in now.iter().zip(mark) {
            let lost = u64::try_from(now.lost - before.lost).unwrap_or(0);
            report.sent += u64::from(now.packets - before.packets) + lost;
            report.lost += lost;
            let gap = now.pauses.longest_since(&before.pauses).as_nanos();
            report.gap = report.gap.max(u64::try_from(gap).unwrap_or(u64::MAX));
        }
        report
    }
}

/// A user's name.
pub(crate) fn caller(number: u32) -> String {
    format!("caller{number}")
}

/// The SIP server and the phone, which is called and never calls.
async fn house_side() -> Result<(registrar::Server, Phone), String> {
    let mut config = phone::Config::new("phone", DOMAIN, SocketAddr::new(IpAddr::V4(PHONE), 0));
    config.lines = vec![Line {
        ring: Duration::ZERO,
        ..Line::new(LINE, Voice::Tone(1000.0))
    }];
    let phone = Phone::start(config)
        .await
        .map_err(|why| format!("the phone: {why}"))?;
    let user = |name: &str| (name.to_owned(), PASSWORD.to_owned());
    let config = registrar::Config {
        domain: DOMAIN.to_owned(),
        users: (0..CALLERS)
            .map(|number| user(&caller(number)))
            .chain([user(WITNESS), user(ATTACKER)])
            .collect(),
        phones: HashMap::from([(LINE.to_owned(), phone.address())]),
    };
    let server = registrar::Server::start(config, SocketAddr::V4(UPSTREAM))
        .await
        .map_err(|why| format!("the SIP server: {why}"))?;
    Ok((server, phone))
}

/// The witness's browser, registered.
async fn street_side() -> Result<Webphone, String> {
    let mut config = webphone::Config::new(&format!("ws://{WS}/"), WITNESS, PASSWORD, DOMAIN);
    config.address = IpAddr::V4(BROWSER);
    let web = soon(Webphone::connect(config)).await?;
    let web = web.map_err(|why| format!("the web client: {why}"))?;
    let registered = soon(web.register()).await?;
    registered.map_err(|why| format!("the web client does not register: {why}"))?;
    Ok(web)
}

/// Done by a task that stands in the runtime's place.
fn on<T: Send + 'static>(
    place: &Runtime,
    work: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<T, String> {
    let done = place.block_on(place.spawn(work));
    done.map_err(|why| why.to_string())?
}

async fn soon<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let done = timeout(PATIENCE, work).await;
    done.map_err(|_| "it does not come".to_owned())
}
