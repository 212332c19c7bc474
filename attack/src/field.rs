//! Where it happens: the edge's machine, the house behind it with the phones, the street with the browsers, and the
//! alley with the attacker. Each is a network namespace with one way to the edge, and none forwards.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::thread;

use peers::kernel;
use tokio::runtime::{Builder, Runtime};

/// The edge's address towards the house.
pub(crate) const PRIVATE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The phones'.
pub(crate) const PHONE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The SIP server's.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 5);
/// The edge's address towards the street, which the alley reaches too.
pub(crate) const PUBLIC: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The browsers'.
pub(crate) const BROWSER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// The attacker's own.
pub(crate) const ATTACKER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 66);
/// The edge's end of the alley, where nothing listens.
const CORNER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// The device by which each place but the edge is reached.
pub(crate) const DEVICE: &str = "way";

/// The four places; they are gone when this is.
pub(crate) struct Field {
    /// Proxy and relay run here.
    pub(crate) edge: Place,
    /// Phones, SIP server, and whoever asks the relay.
    pub(crate) house: Place,
    /// The witness's browsers.
    pub(crate) street: Place,
    /// The attacker. He has [`BROWSER`]'s and [`PHONE`]'s addresses too, to write them as a sender's.
    pub(crate) alley: Place,
}

impl Field {
    /// # Errors
    /// In words; namespaces want root.
    pub(crate) fn new() -> Result<Self, String> {
        let field = Self {
            edge: Place::new("edge")?,
            house: Place::new("house")?,
            street: Place::new("street")?,
            alley: Place::new("alley")?,
        };
        // A sender's address is believed, as on the internet.
        for setting in ["all.rp_filter=0", "default.rp_filter=0"] {
            field
                .edge
                .run(&format!("sysctl -qw net.ipv4.conf.{setting}"))?;
        }
        field.edge.run("sysctl -qw net.ipv4.ip_forward=0")?;
        field.join(&field.house, PRIVATE, &[PHONE, SERVER])?;
        field.join(&field.street, PUBLIC, &[BROWSER])?;
        field.join(&field.alley, CORNER, &[ATTACKER])?;
        for stolen in [BROWSER, PHONE] {
            field
                .alley
                .run(&format!("ip address add {stolen}/32 dev lo"))?;
        }
        Ok(field)
    }

    /// A pair of devices between the edge and a place: the edge's is named as the place.
    fn join(&self, place: &Place, ours: Ipv4Addr, theirs: &[Ipv4Addr]) -> Result<(), String> {
        let (edge, there, name) = (&self.edge.name, &place.name, place.word);
        self.edge.run(&format!(
            "ip link add {name} type veth peer name {DEVICE} netns {there}"
        ))?;
        self.edge
            .run(&format!("ip address add {ours}/24 dev {name}"))?;
        run(&format!("ip -n {edge} link set {name} up"))?;
        for address in theirs {
            place.run(&format!("ip address add {address}/24 dev {DEVICE}"))?;
        }
        place.run(&format!("ip link set {DEVICE} up"))?;
        place.run(&format!("ip route add default via {ours}"))
    }
}

/// A network namespace.
pub(crate) struct Place {
    name: String,
    word: &'static str,
}

impl Place {
    fn new(word: &'static str) -> Result<Self, String> {
        let place = Self {
            name: format!("attack-{}-{word}", std::process::id()),
            word,
        };
        run(&format!("ip netns add {}", place.name))?;
        run(&format!("ip -n {} link set lo up", place.name))?;
        Ok(place)
    }

    /// A command that will run here.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command here, to its end.
    fn run(&self, words: &str) -> Result<(), String> {
        run(&format!("ip netns exec {} {words}", self.name))
    }

    /// Does something on a thread that stands here. The sockets that it makes are of this place wherever they are used.
    pub(crate) fn within<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send,
    ) -> Result<T, String> {
        thread::scope(|scope| {
            let done = scope.spawn(|| {
                self.enter()
                    .map_err(|error| format!("{}: {error}", self.name))?;
                work()
            });
            done.join()
                .unwrap_or_else(|_| Err("a thread has panicked".to_owned()))
        })
    }

    /// A runtime whose tasks stand here. Spawn them: what is given to `block_on` itself stands where its caller does.
    pub(crate) fn runtime(&self) -> Result<Runtime, String> {
        self.within(|| Ok(()))?;
        let path = self.path();
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_start(move || {
                // It could be entered a moment ago.
                _ = File::open(&path).and_then(|file| kernel::enter_namespace(&file));
            })
            .enable_all()
            .build();
        runtime.map_err(|error| format!("no runtime: {error}"))
    }

    fn enter(&self) -> io::Result<()> {
        kernel::enter_namespace(&File::open(self.path())?)
    }

    fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        _ = run(&format!("ip netns del {}", self.name));
    }
}

/// Runs a command to its end.
pub(crate) fn run(words: &str) -> Result<(), String> {
    let mut all = words.split_whitespace();
    let output = Command::new(all.next().unwrap_or_default())
        .args(all)
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(format!("`{words}` failed: {said}"))
        }
        Err(error) => Err(format!("`{words}` cannot be run: {error}")),
    }
}
