//! Whole messages through the public API: what the RFCs' test messages, real clients, hostile bytes and edits come to.

// Clippy lets tests unwrap, but not the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod clients;
mod edits;
mod oracles;
mod torture;
