//! What the tests of the binary set up: processes of it, the world around an edge, a browser's raw WebSocket.
#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod house;
pub(crate) mod process;
pub(crate) mod websocket;
