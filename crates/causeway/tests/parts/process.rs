//! A process of our binary, its children, and its ends. Signals go only to processes that a test started.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at /proc, which tells nobody when it changes.
const LOOK: Duration = Duration::from_millis(20);

/// A running program of the binary; it is killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// What it has said and nobody has waited for yet.
    lines: UnboundedReceiver<String>,
    /// Everything that it has said, when it is over.
    log: JoinHandle<String>,
}

impl Process {
    pub(crate) fn start(program: &str, file: &Path) -> Self {
        Self::start_saying(None, program, file)
    }

    /// The same, with this filter for what it says.
    pub(crate) fn start_saying(filter: Option<&str>, program: &str, file: &Path) -> Self {
        let mut command = command();
        if let Some(filter) = filter {
            command.env("CAUSEWAY_LOG", filter);
        }
        let mut child = command
            .arg(program)
            .arg(file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, lines) = unbounded_channel();
        let log = tokio::spawn(async move {
            let mut log = String::new();
            while let Ok(Some(line)) = said.next_line().await {
                log += &format!("{line}\n");
                // Nobody need wait for it.
                _ = sender.send(line);
            }
            log
        });
        Self { child, lines, log }
    }

    /// Waits for a log line with these words; what follows them.
    pub(crate) async fn says(&mut self, words: &str) -> String {
        let said = async {
            let mut before = String::new();
            while let Some(line) = self.lines.recv().await {
                if let Some((_, rest)) = line.split_once(words) {
                    return rest.trim().to_owned();
                }
                before += &format!("{line}\n");
            }
            panic!("it ended without saying {words}:\n{before}");
        };
        timeout(PATIENCE, said).await.expect("it does not say so")
    }

    /// Kills it; everything that it has said.
    pub(crate) async fn log(mut self) -> String {
        self.child.kill().await.unwrap();
        timeout(PATIENCE, self.log)
            .await
            .expect("it says no more")
            .unwrap()
    }

    /// Its status door, which it tells of.
    pub(crate) async fn door(&mut self) -> SocketAddr {
        let said = self.says("metrics: http://").await;
        said.trim_end_matches("/metrics").parse().unwrap()
    }

    pub(crate) fn children(&self) -> Vec<Pid> {
        let own = self.child.id().expect("it runs");
        let processes = std::fs::read_dir("/proc").unwrap();
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.map(Pid)
            .filter(|id| {
                id.stat()
                    .is_some_and(|(state, parent)| parent == own && state != 'Z')
            })
            .collect()
    }

    /// Waits until it has exactly one child.
    pub(crate) async fn only_child(&self) -> Pid {
        let found = async {
            loop {
                match self.children().as_slice() {
                    [only] => return *only,
                    _ => sleep(LOOK).await,
                }
            }
        };
        timeout(PATIENCE, found).await.expect("it starts no relay")
    }

    /// Kills it as the kernel does when memory runs out.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end; its exit code.
    pub(crate) async fn terminate(self) -> Option<i32> {
        self.ask_to_end();
        self.ended().await
    }

    /// Asks it to end, as systemd does.
    pub(crate) fn ask_to_end(&self) {
        Pid(self.child.id().expect("it runs")).ask_to_end();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; its exit code.
    pub(crate) async fn ended(mut self) -> Option<i32> {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it does not end").unwrap().code()
    }
}

/// A process by its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pid(u32);

impl Pid {
    pub(crate) fn id(self) -> u32 {
        self.0
    }

    pub(crate) fn is_alive(self) -> bool {
        self.stat().is_some_and(|(state, _)| state != 'Z')
    }

    /// Its process group: who gets a Ctrl-C together with it.
    pub(crate) fn group(self) -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        let (_, after_name) = stat.rsplit_once(')')?;
        after_name.split_whitespace().nth(2)?.parse().ok()
    }

    pub(crate) fn ask_to_end(self) {
        self.signal("TERM");
    }

    pub(crate) fn kill(self) {
        self.signal("KILL");
    }

    /// Waits until it is gone.
    pub(crate) async fn ended(self) {
        let gone = async {
            while self.is_alive() {
                sleep(LOOK).await;
            }
        };
        timeout(PATIENCE, gone).await.expect("it lives on");
    }

    fn signal(self, name: &str) {
        let status = std::process::Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.0)])
            .status();
        assert!(status.unwrap().success());
    }

    /// State and parent (proc(5)); the name before them may contain anything but ends with the last bracket.
    fn stat(self) -> Option<(char, u32)> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
    }
}

/// Runs the binary to its end.
pub(crate) async fn once(arguments: &[&OsStr]) -> Output {
    let ended = timeout(PATIENCE, command().args(arguments).output()).await;
    ended.expect("it does not end").unwrap()
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
    command.kill_on_drop(true);
    command.env("NO_COLOR", "1").env_remove("CAUSEWAY_LOG");
    command
}
