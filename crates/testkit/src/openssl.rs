//! OpenSSL's own client and server as a DTLS-SRTP peer: `openssl s_client` and `s_server` on a loopback socket.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// Whether there is an OpenSSL on this machine: `cargo xtask test` installs it. Says so if there is none.
#[must_use]
pub fn has_openssl() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    if !found {
        eprintln!("left out: there is no openssl on this machine");
    }
    found
}

/// A self-signed certificate and its key, each in a file of its own.
#[derive(Debug)]
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificate {
    /// Makes one in the directory `place`; `algorithm` is what `openssl req -newkey` wants.
    #[must_use]
    pub fn new(place: &str, name: &str, algorithm: &[&str]) -> Self {
        let [certificate, key] =
            ["crt", "key"].map(|kind| Path::new(place).join(format!("{name}.{kind}")));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=phone",
                "-newkey",
            ])
            .args(algorithm)
            .arg("-out")
            .arg(&certificate)
            .arg("-keyout")
            .arg(&key)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        Certificate { certificate, key }
    }

    /// The certificate, X.509 in DER.
    #[must_use]
    pub fn der(&self) -> Vec<u8> {
        Command::new("openssl")
            .args(["x509", "-outform", "der", "-in"])
            .arg(&self.certificate)
            .output()
            .unwrap()
            .stdout
    }
}

/// A running process, ended with this value.
#[derive(Debug)]
pub struct OpenSsl {
    child: Child,
    lines: Receiver<String>,
    /// Its end is the end of the process.
    _stdin: ChildStdin,
}

impl OpenSsl {
    /// A client that calls `to` and offers `profiles`, with further arguments.
    #[must_use]
    pub fn client(
        certificate: &Certificate,
        profiles: &str,
        extra: &[&str],
        to: SocketAddr,
    ) -> Self {
        let to = to.to_string();
        let arguments = ["s_client", "-connect", &to, "-use_srtp", profiles];
        OpenSsl::start(&arguments, certificate, extra)
    }

    /// The same as a server that wants a certificate, and where it listens.
    #[must_use]
    pub fn server(certificate: &Certificate, profiles: &str, extra: &[&str]) -> (Self, SocketAddr) {
        let arguments = [
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-Verify",
            "1",
            "-use_srtp",
            profiles,
        ];
        let server = OpenSsl::start(&arguments, certificate, extra);
        let accepts = server.line("ACCEPT ");
        (server, accepts.parse().unwrap())
    }

    fn start(arguments: &[&str], certificate: &Certificate, extra: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(arguments)
            .args([
                "-timeout",
                "-keymatexport",
                "EXTRACTOR-dtls_srtp",
                "-keymatexportlen",
                "88",
            ])
            .arg("-cert")
            .arg(&certificate.certificate)
            .arg("-key")
            .arg(&certificate.key)
            .args(extra)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        OpenSsl {
            lines,
            _stdin: child.stdin.take().unwrap(),
            child,
        }
    }

    /// What it exported for SRTP when its handshake was complete: both keys and both salts, as many bytes as any suite
    /// needs. Waits for it.
    #[must_use]
    pub fn material(&self) -> Vec<u8> {
        let hex = self.line("Keying material: ");
        let digits = hex.as_bytes().chunks(2);
        digits
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 16).unwrap())
            .collect()
    }

    /// The rest of the next line that begins so.
    fn line(&self, begin: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(30));
            let line = line.unwrap_or_else(|_| panic!("openssl never said {begin:?}"));
            if let Some(rest) = line.trim_start().strip_prefix(begin) {
                return rest.trim().to_owned();
            }
        }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
