//! The SIP half: WebSocket browsers on one side, an existing SIP server on the other.

pub mod core;
pub mod server;
