//! The media half of Causeway: it moves packets between browsers (ICE, DTLS-SRTP) and phones (plain RTP or
//! SDES), as the ng protocol tells it to. It obeys; it knows no SIP and decides nothing.
//!
//! - [`core`] is the sans-IO relay: calls, legs, the packet path. It opens no socket and reads no clock.
//! - The server around it owns the sockets, the threads and the clock.

pub mod core;
pub mod server;
