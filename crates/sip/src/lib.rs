//! SIP: messages, URIs, headers, transactions, digest (RFC 3261 family).
//!
//! [`Message`] keeps every byte of what came and an index of it; typed values are parsed when asked for, edits splice
//! in place. [`validate`] says whether a message may be served, or which response is owed. Nothing here does IO, knows
//! the time or draws random numbers.
//!
//! ```
//! # use causeway_sip as sip;
//! use sip::{Message, Method, RequestBuilder, ResponseBuilder};
//!
//! # fn main() -> Result<(), sip::Error> {
//! let mut request = RequestBuilder::new(Method::Options, "sip:bob@example.com")
//!     .header("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport")
//!     .header("From", "<sip:alice@example.com>;tag=88sja8x")
//!     .header("To", "<sip:bob@example.com>")
//!     .header("Call-ID", "a84b4c76e66710")
//!     .cseq(63104)
//!     .build()?;
//! assert_eq!(sip::validate(&request), Ok(()));
//! request.prepend("Record-Route", "<sip:192.0.2.9;lr>")?;
//! let response = ResponseBuilder::new(&request, 200, "OK").to_tag("1928").build()?;
//! assert_eq!(response.to_tag(), Some("1928"));
//! assert_eq!(Message::parse(response.into_bytes())?.status(), Some(200));
//! # Ok(())
//! # }
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

mod build;
mod cseq;
pub mod digest;
mod edit;
mod error;
mod frames;
mod index;
pub mod limits;
mod message;
mod method;
mod name;
mod name_addr;
mod params;
mod scan;
mod splice;
mod text;
pub mod transaction;
mod unparsable;
mod uri;
mod validate;
mod via;

pub use build::{RequestBuilder, ResponseBuilder};
pub use cseq::CSeq;
pub use error::Error;
pub use frames::{Frame, Frames};
pub use message::{Framing, Message};
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::Params;
pub use text::HeaderText;
pub use unparsable::refusal_to_unparsable;
pub use uri::{Scheme, Uri};
pub use validate::{Refusal, validate};
pub use via::Via;
