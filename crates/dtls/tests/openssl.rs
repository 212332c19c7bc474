//! OpenSSL as the peer, over real sockets: what most phones and servers are made with. RSA and ECDSA, both roles, every
//! protection profile, certificates in pieces, loss.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use causeway_dtls::{Endpoint, Failure, Fingerprint, Hash, Identity, Keys, Output, Role};
use testkit::{Certificate, Dice, OpenSsl, has_openssl};

const DTLS_12: &[&str] = &["-dtls1_2"];
const ALL: &str = "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM";
const KINDS: [(&str, &[&str]); 5] = [
    ("rsa2048", &["rsa:2048"]),
    ("rsa4096", &["rsa:4096"]),
    ("p256", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    ("p384", &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    (
        "p521",
        &["ec", "-pkeyopt", "ec_paramgen_curve:P-521", "-sha512"],
    ),
];

fn made(name: &str, algorithm: &[&str]) -> Certificate {
    Certificate::new(env!("CARGO_TARGET_TMPDIR"), name, algorithm)
}

fn fingerprint(certificate: &Certificate) -> Fingerprint {
    Fingerprint::of(Hash::Sha256, &certificate.der())
}

/// Our side, with its socket.
struct Ours {
    endpoint: Endpoint,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    /// Of a hundred datagrams, how many get lost, each way.
    loss: u32,
    dice: Dice,
}

impl Ours {
    fn new(role: Role, expected: Fingerprint, peer: Option<SocketAddr>) -> Self {
        let identity = Identity::generate().unwrap();
        Ours {
            endpoint: Endpoint::new(&identity, role, Some(vec![expected]), Instant::now()),
            socket: UdpSocket::bind("127.0.0.1:0").unwrap(),
            peer,
            loss: 0,
            dice: Dice::new(1),
        }
    }

    fn at(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    fn run(&mut self) -> Result<Keys, Failure> {
        let end = Instant::now() + Duration::from_secs(45);
        self.endpoint.start(Instant::now());
        while Instant::now() < end {
            while let Some(output) = self.endpoint.poll() {
                match output {
                    Output::Send(bytes) => self.send(&bytes),
                    Output::Connected(keys) => return Ok(keys),
                    Output::Failed(failure) => return Err(failure),
                    Output::Closed => {}
                }
            }
            self.wait();
        }
        Err(Failure::TimedOut)
    }

    /// Goes on answering, for a peer that has not seen our last flight.
    fn serve_until(&mut self, is_done: impl Fn() -> bool) {
        while !is_done() {
            while let Some(output) = self.endpoint.poll() {
                if let Output::Send(bytes) = output {
                    self.send(&bytes);
                }
            }
            self.wait();
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        if !self.dice.chance(self.loss) {
            // A process that has ended refuses; the test sees that it said nothing.
            let _ = self.socket.send_to(bytes, self.peer.unwrap());
        }
    }

    /// Waits for a datagram or for the endpoint's next deadline.
    fn wait(&mut self) {
        let now = Instant::now();
        let longest = now + Duration::from_millis(50);
        let until = self
            .endpoint
            .deadline()
            .map_or(longest, |at| at.min(longest));
        let wait = until
            .saturating_duration_since(now)
            .max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut buffer = [0; 2048];
        if let Ok((length, from)) = self.socket.recv_from(&mut buffer)
            && !self.dice.chance(self.loss)
        {
            self.peer = Some(from);
            self.endpoint.receive(&buffer[..length], Instant::now());
        }
        self.endpoint.timeout(Instant::now());
    }
}

/// What OpenSSL exported for the keys that we have.
fn assert_same(keys: &Keys, we_are: Role, material: &[u8]) {
    let (client, server) = match we_are {
        Role::Active => (&keys.local, &keys.remote),
        Role::Passive => (&keys.remote, &keys.local),
    };
    let ours = [client.key(), server.key(), client.salt(), server.salt()].concat();
    assert_eq!(ours, material[..ours.len()]);
}

/// OpenSSL calls us.
fn called(certificate: &Certificate, profiles: &str, extra: &[&str]) -> Keys {
    let mut ours = Ours::new(Role::Passive, fingerprint(certificate), None);
    let client = OpenSsl::client(certificate, profiles, extra, ours.at());
    let keys = ours.run().unwrap();
    assert_same(&keys, Role::Passive, &client.material());
    keys
}

/// We call OpenSSL.
fn calling(certificate: &Certificate, profiles: &str, extra: &[&str]) -> Keys {
    let (server, at) = OpenSsl::server(certificate, profiles, extra);
    let mut ours = Ours::new(Role::Active, fingerprint(certificate), Some(at));
    let keys = ours.run().unwrap();
    assert_same(&keys, Role::Active, &server.material());
    keys
}

#[test]
fn certificates_of_every_kind_in_both_roles_make_the_same_keys() {
    if !has_openssl() {
        return;
    }
    for (name, algorithm) in KINDS {
        let certificate = made(name, algorithm);
        called(&certificate, ALL, DTLS_12);
        calling(&certificate, ALL, DTLS_12);
    }
}

#[test]
fn every_protection_profile_is_agreed_on() {
    if !has_openssl() {
        return;
    }
    let certificate = made("profiles", &["rsa:2048"]);
    for profile in ALL.split(':') {
        let suites = [called, calling].map(|meet| meet(&certificate, profile, DTLS_12).suite);
        let number = suites[0].dtls_profile().unwrap();
        assert_eq!(suites[0], suites[1]);
        assert!(profile.ends_with(match number {
            1 => "CM_SHA1_80",
            7 => "128_GCM",
            _ => "256_GCM",
        }));
    }
}

#[test]
fn certificates_in_pieces_are_taken() {
    if !has_openssl() {
        return;
    }
    let certificate = made("pieces", &["rsa:4096"]);
    let pieces = &["-dtls1_2", "-mtu", "300"];
    called(&certificate, ALL, pieces);
    calling(&certificate, ALL, pieces);
}

#[test]
fn each_kind_of_signature_and_group_is_taken() {
    if !has_openssl() {
        return;
    }
    let certificate = made("schemes", &["rsa:2048"]);
    for scheme in [
        "RSA+SHA256",
        "RSA+SHA512",
        "rsa_pss_rsae_sha256",
        "rsa_pss_rsae_sha512",
    ] {
        calling(
            &certificate,
            ALL,
            &["-dtls1_2", "-sigalgs", &format!("{scheme}:ECDSA+SHA256")],
        );
        let ours_too = format!("{scheme}:ECDSA+SHA256");
        called(&certificate, ALL, &["-dtls1_2", "-sigalgs", &ours_too]);
    }
    // The curve of our certificate must be among them.
    for group in ["X25519:P-256", "P-256"] {
        called(&certificate, ALL, &["-dtls1_2", "-groups", group]);
        calling(&certificate, ALL, &["-dtls1_2", "-groups", group]);
    }
    for cipher in ["AES128-GCM-SHA256", "AES256-GCM-SHA384"] {
        calling(
            &certificate,
            ALL,
            &["-dtls1_2", "-cipher", &format!("ECDHE-RSA-{cipher}")],
        );
        called(
            &certificate,
            ALL,
            &["-dtls1_2", "-cipher", &format!("ECDHE-ECDSA-{cipher}")],
        );
    }
}

#[test]
fn the_certificate_of_another_yields_no_keys() {
    if !has_openssl() {
        return;
    }
    let certificate = made("stranger", &["rsa:2048"]);
    let other = Identity::generate().unwrap().fingerprint(Hash::Sha256);
    let mut ours = Ours::new(Role::Passive, other.clone(), None);
    let _client = OpenSsl::client(&certificate, ALL, DTLS_12, ours.at());
    assert_eq!(ours.run(), Err(Failure::WrongFingerprint));
    let (_server, at) = OpenSsl::server(&certificate, ALL, DTLS_12);
    let mut ours = Ours::new(Role::Active, other, Some(at));
    assert_eq!(ours.run(), Err(Failure::WrongFingerprint));
}

#[test]
fn loss_only_costs_time() {
    if !has_openssl() {
        return;
    }
    let certificate = &made("loss", &["rsa:2048"]);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || {
                let mut ours = Ours::new(Role::Passive, fingerprint(certificate), None);
                (ours.loss, ours.dice) = (20, Dice::new(seed));
                let client = OpenSsl::client(certificate, ALL, DTLS_12, ours.at());
                finish(ours, Role::Passive, client, seed);
                let (server, at) = OpenSsl::server(certificate, ALL, DTLS_12);
                let mut ours = Ours::new(Role::Active, fingerprint(certificate), Some(at));
                (ours.loss, ours.dice) = (20, Dice::new(seed));
                finish(ours, Role::Active, server, seed);
            });
        }
    });
}

/// Both have the same keys in the end, though one knows it before the other.
fn finish(mut ours: Ours, role: Role, peer: OpenSsl, seed: u64) {
    let keys = ours.run();
    let keys = keys.unwrap_or_else(|failure| panic!("{role:?} seed {seed}: {failure}"));
    let material = std::thread::spawn(move || peer.material());
    ours.serve_until(|| material.is_finished());
    assert_same(&keys, role, &material.join().unwrap());
}
