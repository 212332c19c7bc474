//! What lies between two peers and the relay: a table in one program's memory, or real sockets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use control_proto::Request;

/// A datagram that the relay has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

pub trait Wire {
    fn now(&self) -> Instant;

    /// A peer's own address, for its port of that number.
    fn address(&mut self, peer: u8, port: u16) -> SocketAddr;

    /// The body that comes out of a command, which must succeed.
    fn body(&mut self, request: &Request) -> String;

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]);

    /// What came from the relay, and nobody has looked at yet.
    fn came(&mut self) -> &mut VecDeque<Sent>;

    /// Until something comes, or for that long.
    fn wait(&mut self, at_most: Duration);
}
