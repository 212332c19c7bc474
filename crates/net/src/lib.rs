//! The only sockets of the proxy and the relay: UDP, TCP, TLS, WebSocket.
//!
//! Protocol cores never see this crate; the servers around them use it and nothing else.

pub mod bind;
pub mod http;
pub mod poll;
pub mod tcp;
pub mod tls;
pub mod udp;
pub mod ws;
