//! Clients of each door, as plain as can be. Each waits ten seconds for what comes in milliseconds.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use control_proto::{Frame, Frames};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

pub(crate) trait Door {
    /// Sends a message.
    fn say(&mut self, message: &[u8]);

    /// Waits for a message.
    fn hear(&mut self) -> Vec<u8>;

    fn exchange(&mut self, message: &[u8]) -> Vec<u8> {
        self.say(message);
        self.hear()
    }
}

pub(crate) struct Udp(UdpSocket);

impl Udp {
    pub(crate) fn connect(relay: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(PATIENCE).unwrap();
        socket.connect(relay).unwrap();
        Self(socket)
    }
}

impl Door for Udp {
    fn say(&mut self, message: &[u8]) {
        self.0.send(message).unwrap();
    }

    fn hear(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 65_535];
        let length = self.0.recv(&mut buffer).unwrap();
        buffer.truncate(length);
        buffer
    }
}

fn connect(relay: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(relay).unwrap();
    stream.set_read_timeout(PATIENCE).unwrap();
    stream.set_write_timeout(PATIENCE).unwrap();
    stream
}

pub(crate) struct Tcp {
    pub(crate) stream: TcpStream,
    frames: Frames,
    unread: Vec<u8>,
}

impl Tcp {
    pub(crate) fn connect(relay: SocketAddr) -> Self {
        Self {
            stream: connect(relay),
            frames: Frames::new(),
            unread: Vec::new(),
        }
    }

    pub(crate) fn read(&mut self) -> Vec<u8> {
        loop {
            let mut input = self.unread.as_slice();
            let frame = self.frames.take(&mut input);
            self.unread = input.to_vec();
            match frame {
                Some(Frame::Message(message)) => return message,
                Some(broken) => panic!("{broken:?}"),
                None => {}
            }
            let mut buffer = vec![0; 65_536];
            let length = self.stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the relay has closed the connection");
            self.unread.extend_from_slice(&buffer[..length]);
        }
    }
}

impl Door for Tcp {
    fn say(&mut self, message: &[u8]) {
        self.stream.write_all(message).unwrap();
    }

    fn hear(&mut self) -> Vec<u8> {
        self.read()
    }
}

pub(crate) struct Http {
    pub(crate) stream: TcpStream,
}

impl Http {
    pub(crate) fn connect(relay: SocketAddr) -> Self {
        Self {
            stream: connect(relay),
        }
    }
}

impl Door for Http {
    fn say(&mut self, message: &[u8]) {
        let head = format!(
            "POST /ng HTTP/1.1\r\nHost: relay\r\nContent-Type: application/x-rtpengine-ng\r\nContent-Length: {}\r\n\r\n",
            message.len()
        );
        self.stream
            .write_all(&[head.as_bytes(), message].concat())
            .unwrap();
    }

    fn hear(&mut self) -> Vec<u8> {
        let (status, body) = http_response(&mut self.stream);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        body
    }
}

/// Reads a response: its status and body.
pub(crate) fn http_response(stream: &mut TcpStream) -> (u16, Vec<u8>) {
    let head = head(stream);
    let number = |start: &str| {
        let (_, rest) = head.split_once(start).unwrap_or_else(|| panic!("{head}"));
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap()
    };
    let mut body = vec![0; number("Content-Length: ")];
    stream.read_exact(&mut body).unwrap();
    (u16::try_from(number("HTTP/1.1 ")).unwrap(), body)
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

pub(crate) struct WebSocket(TcpStream);

impl WebSocket {
    pub(crate) fn connect(relay: SocketAddr) -> Self {
        let mut stream = connect(relay);
        let request = "GET / HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Protocol: ng.rtpengine.com\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let head = head(&mut stream);
        for expected in [
            "HTTP/1.1 101 ",
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
            "Sec-WebSocket-Protocol: ng.rtpengine.com\r\n",
        ] {
            assert!(head.contains(expected), "{head}");
        }
        Self(stream)
    }

    /// The first byte of a frame and its payload.
    pub(crate) fn read_frame(&mut self) -> (u8, Vec<u8>) {
        let mut start = [0; 2];
        self.0.read_exact(&mut start).unwrap();
        let length = match start[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).unwrap();
                usize::from(u16::from_be_bytes(length))
            }
            127 => panic!("no reply is that long"),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).unwrap();
        (start[0], payload)
    }
}

impl Door for WebSocket {
    fn say(&mut self, message: &[u8]) {
        // One final binary frame, masked by zeroes.
        let mut frame = vec![0x82];
        match message.len() {
            length @ ..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            length @ ..65_536 => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend(u64::try_from(length).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend_from_slice(message);
        self.0.write_all(&frame).unwrap();
    }

    fn hear(&mut self) -> Vec<u8> {
        let (start, payload) = self.read_frame();
        assert_eq!(start, 0x82, "rtpengine answers in binary frames");
        payload
    }
}
