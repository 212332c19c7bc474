//! The ng control protocol: what a proxy and a media relay say to each other.
//!
//! A datagram is a cookie, one space and a dictionary in bencode or JSON; in a byte stream [`Frames`]
//! tells where each ends. [`Envelope`] opens it,
//! [`Request`] and [`Response`] are its typed contents, [`Client`] is the asking side (one cookie for
//! each request, sent again until it is answered) and [`Replay`] the answering side's memory (a
//! request that arrives twice is executed once). With a [`Key`] both know that it is the other who speaks.
//!
//! Nothing here opens a socket, reads a clock or makes a random number: bytes and `now` come in,
//! commands go out. Whatever arrives, the worst outcome is one of the protocol's own error replies.
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Instant;
//! use causeway_control_proto::{Admission, Client, Command, Envelope, Event, Replay, Request, Response};
//!
//! let now = Instant::now();
//! let mut client = Client::new([7; 8]);
//! let ticket = client.ask(&Request::new(Command::Ping), now);
//! let Some(Event::Send(datagram)) = client.poll() else { panic!("a request is sent at once") };
//!
//! // The relay's side.
//! let peer: SocketAddr = "192.0.2.1:4000".parse().unwrap();
//! let mut replay = Replay::new(now);
//! let envelope = Envelope::open(&datagram).unwrap();
//! assert!(matches!(replay.admit(envelope.cookie, peer, now), Admission::New));
//! let request = envelope.request().unwrap();
//! assert_eq!(request.command, Command::Ping);
//! let reply = Response::pong().encode(envelope.cookie, envelope.format);
//! replay.finish(envelope.cookie, reply.clone().into());
//!
//! client.receive(&reply, now);
//! assert!(matches!(client.poll(), Some(Event::Answered(t, response)) if t == ticket && response.is_pong()));
//! ```

// What a packet can reach neither indexes, nor overflows, nor cuts a number short: such a thing is a `get`, a
// saturating, wrapping or checked operation, or a `try_from`, chosen on purpose.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::get_unwrap,
        clippy::unreachable,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]

mod apply;
mod bencode;
mod client;
mod command;
mod envelope;
mod error;
mod flags;
mod frames;
mod json;
mod options;
mod replay;
mod request;
mod response;
mod rtpp_flags;
mod signature;
mod value;

pub use client::{Client, Event, Failure, Ticket};
pub use command::Command;
pub use envelope::{Envelope, Format, MAX_COOKIE, MAX_DATAGRAM};
pub use error::Refusal;
pub use flags::{Flags, flag};
pub use frames::{Frame, Frames};
pub use options::{AddressFamily, Codec, Dtls, Ice, Replace, RtcpMux, Sdes, TransportProtocol};
pub use replay::{Admission, Replay};
pub use request::Request;
pub use response::{Outcome, Response};
pub use signature::{Key, Unauthentic};
pub use value::{Dictionary, Value};
