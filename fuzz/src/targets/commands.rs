//! A relay that is given commands and packets in any order: every reply is one that a client can read, the bodies
//! that it writes can be read, and in the end all calls and sockets are gone.

use std::time::{Duration, Instant};

use control_proto::{Client, Command, Envelope, Event, Format, Request, Response};
use relay::core::{HEADROOM, Output, Shard};
use sdp::Session;

use crate::Reached;
use crate::pieces::steps;
use crate::sockets::{Sockets, shard};
use crate::world::{at, start};

/// Each socket of each call has an end; a body has at most 8 media with four sockets each.
const MAX_SOCKETS: usize = 2048;

const MAX_DELAY: Duration = Duration::from_secs(100);

struct Scene {
    shard: Shard,
    sockets: Sockets,
    now: Instant,
}

/// An odd first byte: browsers share a port.
pub(super) fn run(input: &[u8]) -> Reached {
    let Some((&first, rest)) = input.split_first() else {
        return Reached::Refused;
    };
    let mut sockets = Sockets::default();
    let mut scene = Scene {
        shard: shard(&mut sockets, first & 1 == 1),
        sockets,
        now: start(),
    };
    let mut taken = false;
    for (what, with) in steps(rest) {
        match what & 3 {
            0 | 1 => taken |= scene.command(with),
            2 => scene.packet(usize::from(what >> 2), with),
            _ => scene.pass(Duration::from_millis(u64::from(what >> 2) * 100)),
        }
        scene.drain();
        assert!(scene.shard.calls() <= 16 && scene.sockets.open.len() <= MAX_SOCKETS);
    }
    scene.ends();
    Reached::taken(taken)
}

impl Scene {
    /// A datagram's payload. Whether it was done.
    fn command(&mut self, payload: &[u8]) -> bool {
        let datagram = [b"c ", payload].concat();
        let Some(Ok(mut request)) = Envelope::open(&datagram).map(|envelope| envelope.request())
        else {
            return false;
        };
        // Whoever asks for years is given them; this run ends sooner.
        request.delete_delay = request.delete_delay.map(|delay| delay.min(MAX_DELAY));
        let response = self.shard.command(&request, self.now, &mut self.sockets);
        is_readable(&response);
        response.is_ok() && response.sdp.is_some()
    }

    fn packet(&mut self, port: usize, bytes: &[u8]) {
        let Some(&socket) = self.sockets.open.keys().cycle().nth(port) else {
            return;
        };
        let mut buffer = [bytes, &[0xaa; HEADROOM]].concat();
        let from = at("198.51.100.20:4000");
        let sent = self
            .shard
            .receive(socket, from, &mut buffer, bytes.len(), self.now);
        if let Some(sent) = sent.sent() {
            assert!(sent.len <= buffer.len() && self.sockets.open.contains_key(&sent.socket));
        }
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.shard.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.shard.timeout(self.now, &mut self.sockets);
            self.drain();
            assert_ne!(
                self.shard.deadline(),
                Some(due),
                "a deadline that is never over"
            );
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.shard.poll() {
            if let Output::Datagram { socket, .. } = output {
                assert!(self.sockets.open.contains_key(&socket));
            }
        }
    }

    /// Whoever commands is gone; so is what it left behind, after a time.
    fn ends(mut self) {
        self.pass(Duration::from_secs(200));
        let shared = self.shard.shared_ports().count();
        assert_eq!((self.shard.calls(), self.sockets.open.len()), (0, shared));
        self.pass(Duration::from_secs(60));
        assert_eq!(self.shard.deadline(), None);
    }
}

fn is_readable(response: &Response) {
    let mut client = Client::new([0; 8]);
    client.ask(&Request::new(Command::Ping), start());
    let Some(Event::Send(question)) = client.poll() else {
        panic!("a question is sent at once");
    };
    let cookie = Envelope::open(&question).unwrap().cookie;
    assert!(client.receive(&response.encode(cookie, Format::Bencode), start()));
    assert!(matches!(client.poll(), Some(Event::Answered(_, heard)) if heard == *response));
    if let Some(body) = &response.sdp {
        let session = Session::parse(body).expect("a body that we wrote");
        assert_eq!(session.ignored, 0, "{}", String::from_utf8_lossy(body));
    }
}
