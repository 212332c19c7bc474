//! What several tests of the whole set up: a relay in this process, and a telephone's sockets.
#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod phone;
pub(crate) mod relay;
