//! Pebble, the ACME server of Let's Encrypt's makers for tests, and the DNS server that it asks. It validates as a CA does.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than it takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks where nobody tells.
const LOOK: Duration = Duration::from_millis(20);

/// Whether there is a Pebble on this machine: `cargo xtask test` installs it. Says so if there is none.
#[must_use]
pub fn has_pebble() -> bool {
    let programs = ["pebble", "pebble-challtestsrv"];
    let found = programs.iter().all(|program| {
        let run = Command::new(program).arg("-h").output();
        run.is_ok()
    });
    if !found {
        eprintln!("left out: there is no pebble on this machine");
    }
    found
}

/// A CA at addresses that stay the same when it is started again; what it knew is gone then.
#[derive(Debug)]
pub struct Pebble {
    folder: PathBuf,
    port: u16,
    management: u16,
    dns: u16,
    running: Vec<Child>,
}

impl Pebble {
    /// Writes its files into `folder`. It is to issue certificates for so many seconds, and to look for challenges at this
    /// port of 127.0.0.1, where every name leads to. `chain` and `key` are PEM, its own server's for `localhost`.
    ///
    /// # Panics
    /// The files cannot be written.
    #[must_use]
    pub fn new(folder: &Path, validates_at: u16, seconds: u32, chain: &str, key: &str) -> Self {
        let [port, management] = [(); 2].map(|()| free_tcp());
        let dns = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let this = Self {
            folder: folder.to_owned(),
            port,
            management,
            dns: dns.map_or(0, |address| address.port()),
            running: Vec::new(),
        };
        let path = |name: &str| folder.join(name).display().to_string();
        let config = format!(
            "{{\"pebble\": {{\"listenAddress\": \"127.0.0.1:{port}\", \"managementListenAddress\": \"127.0.0.1:{management}\", \
             \"certificate\": \"{}\", \"privateKey\": \"{}\", \"httpPort\": 1, \"tlsPort\": {validates_at}, \
             \"ocspResponderURL\": \"\", \"externalAccountBindingRequired\": false, \"certificateValidityPeriod\": {seconds}}}}}",
            path("ca.pem"),
            path("ca-key.pem"),
        );
        for (name, text) in [
            ("ca.pem", chain),
            ("ca-key.pem", key),
            ("pebble.json", &config),
        ] {
            let written = std::fs::write(folder.join(name), text);
            assert!(written.is_ok(), "{name} cannot be written: {written:?}");
        }
        this
    }

    /// Starts it, and returns when it can be asked.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(&mut self) {
        let mut dns = Command::new("pebble-challtestsrv");
        for (option, value) in [
            ("-dns01", format!("127.0.0.1:{}", self.dns)),
            ("-management", format!("127.0.0.1:{}", free_tcp())),
            ("-defaultIPv4", "127.0.0.1".to_owned()),
            ("-defaultIPv6", String::new()),
            ("-http01", String::new()),
            ("-https01", String::new()),
            ("-tlsalpn01", String::new()),
        ] {
            dns.args([option.to_owned(), value]);
        }
        self.run(dns, "Starting management server");
        let mut ca = Command::new("pebble");
        ca.args(["-strict", "-dnsserver", &format!("127.0.0.1:{}", self.dns)]);
        ca.arg("-config").arg(self.folder.join("pebble.json"));
        // No pauses; each order is validated; one nonce of twenty is refused, as Pebble does by itself.
        ca.env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0");
        ca.env("PEBBLE_WFE_NONCEREJECT", "5");
        self.run(ca, "ACME directory available");
        // It says so before it listens.
        for port in [self.port, self.management] {
            wait_for(port);
        }
    }

    fn run(&mut self, mut program: Command, ready: &str) {
        program
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null());
        let mut child = program.spawn().ok();
        let output = child.as_mut().and_then(|child| child.stdout.take());
        self.running.extend(child);
        let mut lines = output
            .map(|output| BufReader::new(output).lines().map_while(Result::ok))
            .into_iter()
            .flatten();
        let began = lines.any(|line| line.contains(ready));
        assert!(began, "{program:?} does not start");
        // It writes on, and must not be held up.
        std::thread::spawn(move || lines.for_each(drop));
    }

    /// Ends it.
    pub fn stop(&mut self) {
        for mut child in self.running.drain(..) {
            // Gone already is good, too.
            _ = child.kill();
            _ = child.wait();
        }
    }

    /// The URL of its directory.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// Where the certificate is to be had that signs what it issues; a new one after each start.
    #[must_use]
    pub fn root(&self) -> String {
        format!("https://localhost:{}/roots/0", self.management)
    }

    /// The PEM file with whom to trust as its server.
    #[must_use]
    pub fn trust(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns when somebody listens there.
fn wait_for(port: u16) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < PATIENCE, "nobody listens at port {port}");
        std::thread::sleep(LOOK);
    }
}

/// A port that was free a moment ago.
fn free_tcp() -> u16 {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map_or(0, |address| address.port())
}
