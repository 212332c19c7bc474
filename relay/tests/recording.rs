//! Recordings as they stand on the disk: real sockets, a real directory.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use causeway_relay::core::{Advertise, Bind, Interface};
use causeway_relay::server::{Config, Error, Server};
use control_proto::{Command, Envelope, Format, Request};
use tokio::sync::oneshot;

/// A directory that is there as long as the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("causeway-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let files = std::fs::read_dir(&self.0).unwrap();
        let mut files: Vec<PathBuf> = files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

fn config(recordings: &Path) -> Config {
    let address: IpAddr = "127.0.0.1".parse().unwrap();
    let interface = Interface {
        name: "public".to_owned(),
        bind: Bind(address),
        advertise: Advertise(address),
    };
    let mut config = Config::new("127.0.0.1:0".parse().unwrap(), vec![interface]);
    config.shards = 1;
    config.recordings = Some(recordings.to_owned());
    config
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

/// The reply to a command, as text: bodies and reasons stand in it as they are.
fn ask(control: SocketAddr, request: &Request) -> String {
    let (socket, mut buffer) = (socket(), [0; 65_536]);
    let cookie = format!("{:?}", std::time::Instant::now()).replace(' ', "");
    socket
        .send_to(&request.encode(cookie.as_bytes(), Format::Bencode), control)
        .unwrap();
    let len = socket.recv(&mut buffer).unwrap();
    assert!(Envelope::open(&buffer[..len]).is_some());
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

fn body(phone: &UdpSocket) -> Vec<u8> {
    let port = phone.local_addr().unwrap().port();
    format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 8\r\n")
        .into_bytes()
}

fn port(reply: &str) -> SocketAddr {
    let port = reply
        .split("m=audio ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    format!("127.0.0.1:{port}").parse().unwrap()
}

fn speech(payload_type: u8, sequence: u16, sample: u8) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend([0, 0, 0, payload_type + 1]);
    packet.extend([sample; 160]);
    packet
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_on_the_disk_as_a_capture_and_a_sound_file_for_each_party() {
    let directory = Directory::new("recording");
    let server = Server::bind(config(&directory.0)).unwrap();
    let control = server.control_addr();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(server.run(async { _ = stopped.await }));

    let done = tokio::task::spawn_blocking(move || {
        let (a, b) = (socket(), socket());
        let request = |command| {
            let mut request = Request::new(command);
            request.call_id = Some("../../hostile\r\ncall".to_owned());
            request.from_tag = Some("a".to_owned());
            request
        };
        let mut offer = request(Command::Offer);
        offer.sdp = Some(body(&a));
        let to_b = port(&ask(control, &offer));
        let mut answer = request(Command::Answer);
        answer.to_tag = Some("b".to_owned());
        answer.sdp = Some(body(&b));
        let to_a = port(&ask(control, &answer));
        assert!(ask(control, &request(Command::StartRecording)).contains("2:ok"));
        let mut buffer = [0; 2000];
        for sequence in 0..5 {
            a.send_to(&speech(0, sequence, 0x80), to_a).unwrap();
            b.recv(&mut buffer).unwrap();
            b.send_to(&speech(8, sequence, 0xaa), to_b).unwrap();
            a.recv(&mut buffer).unwrap();
        }
        assert!(ask(control, &request(Command::StopRecording)).contains("2:ok"));
    });
    done.await.unwrap();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();

    let captures = directory.files("pcap");
    let capture = std::fs::read(&captures[0]).unwrap();
    assert_eq!(captures.len(), 1);
    assert_eq!(capture.len(), 24 + 10 * (16 + 28 + 172));
    assert_eq!(capture[24 + 16 + 28..][..172], speech(0, 0, 0x80));
    let waves = directory.files("wav");
    assert_eq!(waves.len(), 2);
    for (wave, sample) in waves.iter().zip([32_124_i16, 32_256]) {
        let wave = std::fs::read(wave).unwrap();
        assert_eq!(wave.len(), 44 + 2 * 5 * 160);
        let samples = wave[44..]
            .chunks(2)
            .map(|two| i16::from_le_bytes([two[0], two[1]]));
        assert!(samples.into_iter().all(|found| found == sample));
    }
}

#[test]
fn a_directory_that_is_not_there_stops_the_relay_at_its_start() {
    let refused = Server::bind(config(Path::new("/nonexistent/recordings")));
    assert!(matches!(refused, Err(Error::Recordings(..))));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_takes_nothing_more_ends_no_call() {
    let directory = Directory::new("full");
    let server = Server::bind(config(&directory.0)).unwrap();
    // The directory is gone before the first recording: nothing can be made in it.
    std::fs::remove_dir(&directory.0).unwrap();
    let control = server.control_addr();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(server.run(async { _ = stopped.await }));
    let done = tokio::task::spawn_blocking(move || {
        let (a, b) = (socket(), socket());
        let mut offer = Request::new(Command::Offer);
        offer.call_id = Some("c".to_owned());
        offer.from_tag = Some("a".to_owned());
        offer.sdp = Some(body(&a));
        offer.flags.set("record-call");
        ask(control, &offer);
        let mut answer = offer.clone();
        answer.command = Command::Answer;
        answer.to_tag = Some("b".to_owned());
        answer.sdp = Some(body(&b));
        let to_a = port(&ask(control, &answer));
        let mut buffer = [0; 2000];
        for sequence in 0..100 {
            a.send_to(&speech(0, sequence, 1), to_a).unwrap();
            assert_eq!(b.recv(&mut buffer).unwrap(), 172);
        }
    });
    done.await.unwrap();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
