//! Whole messages through the public API: what the RFCs' test messages, real clients, hostile bytes and edits come to.

mod bounds;
mod clients;
mod edits;
mod oracles;
mod torture;
