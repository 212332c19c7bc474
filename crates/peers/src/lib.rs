//! The other ends of calls, for those who measure a relay (`bench`) and those who attack it (`attack`).
//!
//! They know nothing of a relay but ng, and share no line with the protocol crates that the relay is made of: an
//! error there must not hide behind its twin here.

pub mod answer;
pub mod browser;
pub mod clock;
pub mod histogram;
pub mod kernel;
pub mod ng;
pub mod packet;
pub mod process;
pub mod random;
pub mod scenario;
pub mod sdp;
pub mod seen;
pub mod srtp;
pub mod stun;
