//! An edge in a namespace of its own, with the SIP server and the relay's stand-in behind it; all end with the value that
//! stands for them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{Figures, GENERATOR_CORE, Lab, Namespace, measured_core};
use crate::steps::command;

/// The ports of every edge.
pub(super) const WS: u16 = 8080;
pub(super) const WSS: u16 = 8443;
const SIP: &str = "127.0.0.1:5070";

/// What is behind it.
const UPSTREAM: &str = "127.0.0.1:5060";
const NG: &str = "127.0.0.1:2223";

/// How long an edge has to end by itself.
const FAREWELL: Duration = Duration::from_secs(5);

/// Which edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Ours,
    /// Debian's, with a script put together as its documentation shows.
    Kamailio,
}

/// An edge that runs.
pub(super) struct Running<'a> {
    lab: &'a Lab,
    upstream: Child,
    edge: Child,
    namespace: Namespace,
    /// Its files, for as long as it runs.
    folder: PathBuf,
}

impl<'a> Running<'a> {
    /// Starts the edge, and first what is behind it.
    pub(super) fn start(lab: &'a Lab, kind: Kind) -> Result<Self, String> {
        let namespace = Namespace::new()?;
        let folder = std::env::temp_dir().join(&namespace.0);
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let mut certificate = Command::new(lab.generator());
        command(certificate.args(["proxy", "certificate"]).arg(&folder))?;
        let upstream = upstream(lab, &namespace)?;
        let mut start = lab.within(&namespace, measured_core());
        match kind {
            Kind::Ours => {
                let file = write(&folder, "edge.toml", &ours())?;
                start.arg(lab.causeway()).arg("proxy").arg(file);
            }
            Kind::Kamailio => {
                let file = write(&folder, "kamailio.cfg", &kamailio(&folder)?)?;
                start.arg("kamailio").arg("-f").arg(file);
                start.args(KAMAILIO.split(' ')).arg(&folder);
                start.arg("-Y").arg(&folder);
                start.arg("-P").arg(folder.join("pid"));
            }
        }
        let log = folder.join("log");
        let log = std::fs::File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let edge = start.spawn();
        let edge = edge.map_err(|error| format!("{kind:?} cannot be started ({error})"))?;
        Ok(Self {
            lab,
            upstream,
            edge,
            namespace,
            folder,
        })
    }

    /// One run of the generator.
    pub(super) fn measure(&mut self, words: &[String]) -> Result<Figures, String> {
        let (lab, pid) = (self.lab, self.edge.id());
        let ran = lab.generate(&self.namespace, pid, words, true);
        match self.edge.try_wait() {
            Ok(Some(status)) => {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                let last = log.lines().last().unwrap_or_default();
                Err(format!("the edge has ended ({status}): {last}"))
            }
            _ => ran,
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Kamailio's children are ended by their parent, so that one has to be asked.
        let edge = self.edge.id().to_string();
        _ = command(Command::new("kill").args(["-TERM", &edge]));
        let end = Instant::now() + FAREWELL;
        while Instant::now() < end && matches!(self.edge.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        for child in [&mut self.edge, &mut self.upstream] {
            _ = child.kill();
            _ = child.wait();
        }
        for left in self.namespace.processes() {
            _ = command(Command::new("kill").args(["-KILL", &left]));
        }
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The SIP server and the relay's stand-in, once they serve.
fn upstream(lab: &Lab, namespace: &Namespace) -> Result<Child, String> {
    let mut start = lab.within(namespace, GENERATOR_CORE);
    start.arg(lab.generator()).args(["proxy", "upstream"]);
    start.args(["--sip", UPSTREAM, "--ng", NG]);
    start.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = start
        .spawn()
        .map_err(|error| format!("what is behind the edge cannot be started ({error})"))?;
    let mut line = String::new();
    let said = child.stdout.take().map(BufReader::new);
    _ = said.map(|mut said| said.read_line(&mut line));
    match line.trim() {
        "ready" => Ok(child),
        _ => {
            _ = child.kill();
            _ = child.wait();
            Err("what is behind the edge does not start".to_owned())
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// All clients come from one address, and each does in a second what a user does in a day.
fn ours() -> String {
    format!(
        "domain = \"bench.example\"\nupstream = \"udp:{UPSTREAM}\"\n\
         [listen]\nws = \"127.0.0.1:{WS}\"\nwss = \"127.0.0.1:{WSS}\"\nudp = \"{SIP}\"\n\
         cert = \"cert.pem\"\nkey = \"key.pem\"\n[relay]\ncontrol = [\"udp:{NG}\"]\n\
         [limits]\nconnections_per_address = 50000\nnew_connections_per_address = 100000\n\
         messages_per_connection = 100000\nmessages_per_address = 1000000\n\
         calls_per_account = 1000000\n\
         [media]\npublic = \"127.0.0.1\"\nprivate = \"127.0.0.1\"\nports = \"30000-39999\"\n"
    )
}

/// Its main process in the foreground, no more processes than its script asks for, and memory for 10,000 clients: what it
/// does not use is not resident.
const KAMAILIO: &str = "-DD -E -m 4096 -M 64 -w";

fn kamailio(folder: &Path) -> Result<String, String> {
    let folders = std::fs::read_dir("/usr/lib").map_err(|error| format!("/usr/lib: {error}"))?;
    let modules = folders
        .flatten()
        .map(|entry| entry.path().join("kamailio/modules"))
        .find(|modules| modules.is_dir())
        .ok_or("Kamailio's modules are not below /usr/lib")?;
    let own = folder.display().to_string();
    let text = include_str!("kamailio.cfg")
        .replace("@MODULES@", &modules.display().to_string())
        .replace("@FOLDER@", &own)
        .replace("@SIP@", SIP)
        .replace("@WS@", &WS.to_string())
        .replace("@WSS@", &WSS.to_string())
        .replace("@UPSTREAM@", UPSTREAM)
        .replace("@NG@", NG);
    Ok(text)
}
