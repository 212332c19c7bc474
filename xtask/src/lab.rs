//! What is measured alone in a network namespace, and the load generator (`bench`) beside it: each on a core of its own,
//! all traffic on a loopback that nobody else has. Both end with the value that stands for them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::install::is_root;
use crate::steps::{Outcome, command, target_directory};

/// Seconds that one run of the generator may take.
const PATIENCE: &str = "300";

/// Names and numbers, as the generator writes them.
pub(crate) type Figures = BTreeMap<String, f64>;

/// Which relay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Ours. How it reads and writes its sockets is its own choice unless a backend is named.
    Ours {
        backend: Option<String>,
        /// Media threads, which share the core.
        shards: u32,
    },
    /// Debian's, in user space, as one would start it by hand.
    Rtpengine,
}

/// What was built, and how it is run.
#[derive(Clone)]
pub(crate) struct Lab {
    causeway: PathBuf,
    generator: PathBuf,
    /// Round-robin real-time priority for both, where other work shares the machine.
    priority: Option<u32>,
}

impl Lab {
    /// Builds both programs. Namespaces want root.
    pub(crate) fn build() -> Result<Self, String> {
        if !is_root() {
            return Err("this makes network namespaces: run it as root".to_owned());
        }
        let release = build_release()?;
        Ok(Self {
            causeway: release.join("causeway"),
            generator: release.join("causeway-bench"),
            priority: None,
        })
    }

    /// The same at a real-time priority, where the system gives one.
    pub(crate) fn with_priority(mut self, priority: Option<u32>) -> Self {
        self.priority = priority.filter(|priority| {
            let asked = command(Command::new("chrt").args(["-r", &priority.to_string(), "true"]));
            if let Err(why) = &asked {
                println!("without priority, so that a busy machine may spoil this: {why}");
            }
            asked.is_ok()
        });
        self
    }

    /// Starts a relay in a namespace of its own.
    pub(crate) fn start(&self, kind: &Kind) -> Result<Relay<'_>, String> {
        let namespace = Namespace::new()?;
        let mut start = self.within(&namespace, measured_core());
        let mut file = None;
        match kind {
            Kind::Ours { backend, shards } => {
                let path = std::env::temp_dir().join(format!("{}.toml", namespace.0));
                std::fs::write(&path, configuration(backend.as_deref(), *shards))
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                start.arg(&self.causeway).arg("relay").arg(&path);
                file = Some(path);
            }
            Kind::Rtpengine => {
                start.args(RTPENGINE.split(' '));
            }
        }
        start.stdin(Stdio::null()).stdout(Stdio::null());
        start.stderr(Stdio::null());
        let child = start
            .spawn()
            .map_err(|error| format!("{kind:?} cannot be started ({error})"))?;
        Ok(Relay {
            lab: self,
            child,
            namespace,
            file,
        })
    }

    /// The program that is measured, in a release build.
    pub(crate) fn causeway(&self) -> &Path {
        &self.causeway
    }

    /// The load generator.
    pub(crate) fn generator(&self) -> &Path {
        &self.generator
    }

    /// A run of the generator in a namespace, with a word for its mode and more; its figures. With `shown`, its text as
    /// well.
    pub(crate) fn generate<W: AsRef<OsStr>>(
        &self,
        namespace: &Namespace,
        measured: u32,
        arguments: &[W],
        shown: bool,
    ) -> Result<Figures, String> {
        let file = std::env::temp_dir().join(format!("{}.figures", namespace.0));
        let mut run = self.within(namespace, GENERATOR_CORE);
        run.args(["timeout", PATIENCE]).arg(&self.generator);
        run.args(arguments);
        run.args(["--pid", &measured.to_string()]);
        run.arg("--figures").arg(&file);
        if !shown {
            run.stdout(Stdio::null());
        }
        let ran = command(&mut run);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        _ = std::fs::remove_file(&file);
        ran.map(|()| read(&text))
    }

    /// A command in a namespace, on one core. Each wrapper replaces itself, so the child's id is the program's.
    pub(crate) fn within(&self, namespace: &Namespace, core: usize) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &namespace.0]);
        if let Some(priority) = self.priority {
            inside.args(["chrt", "-r", &priority.to_string()]);
        }
        // Four sockets to a call; whatever the system allows.
        inside.args(["taskset", "-c", &core.to_string()]);
        inside.args(["sh", "-c", "ulimit -n $(ulimit -Hn); exec \"$@\"", "sh"]);
        inside
    }
}

/// A relay that runs; it ends when this is dropped.
pub(crate) struct Relay<'a> {
    lab: &'a Lab,
    child: Child,
    namespace: Namespace,
    file: Option<PathBuf>,
}

impl Relay<'_> {
    /// One run of the generator, with a word for its mode and more; its figures. With `shown`, its text as well.
    pub(crate) fn measure<W: AsRef<OsStr>>(
        &mut self,
        arguments: &[W],
        shown: bool,
    ) -> Result<Figures, String> {
        let (pid, lab) = (self.child.id(), self.lab);
        let ran = lab.generate(&self.namespace, pid, arguments, shown);
        match self.child.try_wait() {
            Ok(Some(status)) => Err(format!("the relay has ended ({status})")),
            _ => ran,
        }
    }
}

impl Drop for Relay<'_> {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = self.file.as_ref().map(std::fs::remove_file);
    }
}

/// A network namespace with a loopback that is up, and nothing else.
pub(crate) struct Namespace(pub(crate) String);

impl Namespace {
    pub(crate) fn new() -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("causeway-{}-{number}", std::process::id());
        let ip = |arguments: &[&str]| command(Command::new("ip").args(arguments));
        ip(&["netns", "add", &name])?;
        let namespace = Self(name);
        ip(&["-n", &namespace.0, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// The ids of what runs in it.
    pub(crate) fn processes(&self) -> Vec<String> {
        let listed = Command::new("ip").args(["netns", "pids", &self.0]).output();
        let text = listed.map(|listed| listed.stdout).unwrap_or_default();
        let ids = String::from_utf8_lossy(&text).into_owned();
        ids.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        _ = command(Command::new("ip").args(["netns", "del", &self.0]));
    }
}

/// Builds what is measured, and where it lies.
pub(crate) fn build_release() -> Result<PathBuf, String> {
    build("causeway")?;
    build("causeway-bench")?;
    Ok(target_directory()?.join("release"))
}

pub(crate) fn build(package: &str) -> Outcome {
    let arguments = ["build", "--release", "--quiet", "--package", package];
    command(Command::new(env!("CARGO")).args(arguments))
}

/// The generator's core.
pub(crate) const GENERATOR_CORE: usize = 0;

/// The core of what is measured.
pub(crate) fn measured_core() -> usize {
    usize::from(std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1))
}

const RTPENGINE: &str = "rtpengine --config-file=none --table=-1 -i 127.0.0.1 --listen-ng=127.0.0.1:2223 \
                         -m 10000 -M 60000 --num-threads=1 --delete-delay=0 -f -E -L 3";

fn configuration(backend: Option<&str>, shards: u32) -> String {
    let backend = backend.map_or_else(String::new, |name| format!("backend = \"{name}\"\n"));
    format!(
        "[relay]\nlisten = \"udp:127.0.0.1:2223\"\n{backend}\
         [media]\nprivate = \"127.0.0.1\"\nports = \"10000-60000\"\nshards = {shards}\n"
    )
}

fn read(text: &str) -> Figures {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let figures = lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    figures.collect()
}

/// Whether a program can be called by its name.
pub(crate) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_and_other_lines_are_not() {
        let figures = read("cpu_us_per_packet 4.25\nsomething else here\nlost 0\n");
        assert_eq!(figures["cpu_us_per_packet"], 4.25);
        assert_eq!((figures["lost"], figures.len()), (0.0, 2));
    }
}
