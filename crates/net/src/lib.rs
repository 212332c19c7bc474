//! The only sockets of the proxy and the relay: UDP, TCP, TLS, WebSocket; and the door at which both say how they are.
//!
//! Protocol cores never see this crate; the servers around them use it and nothing else.

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

pub mod bind;
pub mod cpu;
mod deadline;
pub mod http;
pub mod https;
pub mod limits;
pub mod memory;
#[cfg(target_os = "linux")]
mod name;
#[cfg(target_os = "linux")]
mod note;
#[cfg(target_os = "linux")]
mod option;
pub mod poll;
pub mod proxied;
pub mod status;
#[cfg(target_os = "linux")]
pub mod steer;
pub mod stream;
pub mod tcp;
pub mod tls;
pub mod udp;
pub mod ws;
