//! The programs under attack, as an operator starts them, in the edge's namespace.

use std::fs::File;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use control_proto::Key;
use peers::ng::Ng;

use crate::field::{Field, PRIVATE, PUBLIC, SERVER};

/// Where the relay takes commands.
pub(crate) const NG: SocketAddrV4 = SocketAddrV4::new(PRIVATE, 2223);
/// Its media ports, also the edge's.
pub(crate) const PORTS: std::ops::RangeInclusive<u16> = 30_000..=31_999;
/// Where browsers reach the proxy.
pub(crate) const WS: SocketAddrV4 = SocketAddrV4::new(PUBLIC, 8080);
/// The SIP server.
pub(crate) const UPSTREAM: SocketAddrV4 = SocketAddrV4::new(SERVER, 5060);
/// The users' domain.
pub(crate) const DOMAIN: &str = "attack.example";
/// How long an offer waits for its answer at a relay that is attacked alone: shorter than usual, as nobody here answers
/// late.
pub(crate) const LIFETIME: Duration = Duration::from_secs(30);
/// What relay and proxy sign with.
const SECRET: &str = "a secret of relay and proxy for this run";
/// An edge that has not bound its ports by then never will.
const START: Duration = Duration::from_secs(20);

/// What is attacked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Ours, with this way to its sockets.
    Ours(String),
    /// rtpengine, in user space, as one would start it by hand: to see that an attack bites.
    Anchor,
}

/// How programs are started.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) causeway: PathBuf,
    /// Round-robin real-time priority, where other work shares the machine.
    pub(crate) priority: Option<u32>,
}

/// A program that runs; it ends when this does.
pub(crate) struct Program {
    child: Child,
    folder: PathBuf,
}

impl Program {
    /// A relay, once it answers.
    pub(crate) fn relay(start: &Start, field: &Field, kind: &Kind) -> Result<Self, String> {
        let program = match kind {
            Kind::Ours(backend) => {
                let file = relay_file(backend);
                Self::causeway(start, field, "relay", &file)?
            }
            Kind::Anchor => Self::spawn(start, field, "rtpengine", "", |_| anchor())?,
        };
        let key = kind.key();
        field.house.within(|| connect(key))?;
        Ok(program)
    }

    /// One of several relays that share the ports, once it answers.
    pub(crate) fn one_of(
        start: &Start,
        field: &Field,
        number: u16,
        count: u16,
    ) -> Result<Self, String> {
        let program = Self::causeway(start, field, "relay", &pool_file(number, count))?;
        field
            .house
            .within(|| ask_at(control(number), Kind::shared_key()))?;
        Ok(program)
    }

    /// A proxy with a relay of its own, or with so many that run already, once it takes WebSockets.
    pub(crate) fn edge(start: &Start, field: &Field, relays: u16) -> Result<Self, String> {
        let program = Self::causeway(start, field, "proxy", &edge_file(relays))?;
        field.street.within(|| {
            let end = Instant::now() + START;
            while std::net::TcpStream::connect(WS).is_err() {
                if Instant::now() > end {
                    return Err(format!("the edge does not start; {}", program.last_words()));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        })?;
        Ok(program)
    }

    fn causeway(start: &Start, field: &Field, word: &str, text: &str) -> Result<Self, String> {
        let name = start.causeway.display().to_string();
        Self::spawn(start, field, &name, text, |file| {
            vec![word.to_owned(), file.display().to_string()]
        })
    }

    fn spawn(
        start: &Start,
        field: &Field,
        program: &str,
        text: &str,
        words: impl FnOnce(&Path) -> Vec<String>,
    ) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("causeway-attack-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let file = folder.join("edge.toml");
        let written = std::fs::create_dir_all(folder.join("recordings"))
            .and_then(|()| std::fs::write(folder.join("key"), SECRET))
            .and_then(|()| std::fs::write(&file, text))
            .and_then(|()| File::create(folder.join("log")));
        let log = written.map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut command = match start.priority {
            Some(priority) => {
                let mut command = field.edge.command("chrt");
                command.args(["-r", &priority.to_string(), program]);
                command
            }
            None => field.edge.command(program),
        };
        command.args(words(&file)).stdout(Stdio::null()).stderr(log);
        let child = command.spawn();
        let child = child.map_err(|error| format!("{program} cannot be started: {error}"))?;
        Ok(Self { child, folder })
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The program that it has started, if it has: a proxy's own relay.
    pub(crate) fn child(&self) -> Option<u32> {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        children.ok()?.split_whitespace().next()?.parse().ok()
    }

    /// Ends it at once, as a machine ends that loses its power.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map(|_| ()).map_err(|error| error.to_string())
    }

    /// An error once it has ended.
    pub(crate) fn is_alive(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("it has ended ({status}); {}", self.last_words())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What it has in memory, in MiB; a relay of its own does not count.
    pub(crate) fn memory(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib / 1024)
            .ok_or_else(|| format!("{path} has no VmRSS"))
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn last_words(&self) -> String {
        let log = self.log();
        format!(
            "its log ends: {}",
            log.lines().last().unwrap_or("it is empty")
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Kind {
    /// Over its table.
    pub(crate) fn title(&self) -> String {
        match self {
            Self::Ours(backend) => format!("Causeway's relay, backend {backend}"),
            Self::Anchor => "rtpengine in user space".to_owned(),
        }
    }

    /// What its commands are signed with.
    pub(crate) fn key(&self) -> Option<Key> {
        match self {
            Self::Ours(_) => Self::shared_key(),
            Self::Anchor => None,
        }
    }

    /// Of all relays of ours.
    pub(crate) fn shared_key() -> Option<Key> {
        Key::new(SECRET.as_bytes())
    }
}

/// The control port of one of several.
pub(crate) fn control(number: u16) -> SocketAddrV4 {
    SocketAddrV4::new(*NG.ip(), NG.port() + number)
}

/// The control port, asked from here once it answers.
pub(crate) fn connect(key: Option<Key>) -> Result<Ng, String> {
    ask_at(NG, key)
}

/// The same of another.
pub(crate) fn ask_at(control: SocketAddrV4, key: Option<Key>) -> Result<Ng, String> {
    let end = Instant::now() + START;
    loop {
        match Ng::connect(SocketAddr::V4(control), key.clone()) {
            Ok(ng) => return Ok(ng),
            Err(why) if Instant::now() > end => return Err(why),
            Err(_) => {}
        }
    }
}

fn media() -> String {
    media_of(PORTS)
}

fn media_of(ports: std::ops::RangeInclusive<u16>) -> String {
    let (first, last) = (ports.start(), ports.end());
    format!(
        "[media]\npublic = \"{PUBLIC}\"\nprivate = \"{PRIVATE}\"\nports = \"{first}-{last}\"\nshards = 1\n"
    )
}

fn relay_file(backend: &str) -> String {
    format!(
        "[relay]\nlisten = \"udp:{NG}\"\ncontrol_key = \"key\"\nrecordings = \"recordings\"\nbackend = \"{backend}\"\n\
         answer_timeout = {}\n{}",
        LIFETIME.as_secs(),
        media()
    )
}

/// One of `count` relays, each with its part of the ports.
fn pool_file(number: u16, count: u16) -> String {
    let part = (PORTS.end() - PORTS.start() + 1) / count;
    let first = PORTS.start() + number * part;
    format!(
        "[relay]\nlisten = \"udp:{}\"\ncontrol_key = \"key\"\nmetrics = \"off\"\n{}",
        control(number),
        media_of(first..=first + part - 1)
    )
}

fn edge_file(relays: u16) -> String {
    let controls: Vec<_> = (0..relays)
        .map(|number| format!("\"udp:{}\"", control(number)))
        .collect();
    let pool = match relays {
        0 => String::new(),
        _ => format!(
            "[relay]\ncontrol = [{}]\ncontrol_key = \"key\"\n",
            controls.join(", ")
        ),
    };
    format!(
        "domain = \"{DOMAIN}\"\nupstream = \"udp:{UPSTREAM}\"\n{pool}\
         [listen]\nws = \"{WS}\"\nudp = \"{PRIVATE}:5060\"\n{}",
        media()
    )
}

fn anchor() -> Vec<String> {
    let words = format!(
        "--config-file=none --table=-1 --interface=private/{PRIVATE} --interface=public/{PUBLIC} \
         --listen-ng={NG} -m {} -M {} --delete-delay=0 -f -E -L 3",
        PORTS.start(),
        PORTS.end()
    );
    words.split_whitespace().map(str::to_owned).collect()
}
