//! The relay core as its peers meet it: ng commands and datagrams, on a virtual clock and without a socket.

#![allow(unreachable_pub)] // the modules of a test program are nobody else's
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may stop on the first surprise

mod beside;
mod bodies;
mod browser;
mod bundle;
mod calls;
mod codecs;
mod conversions;
mod crossing;
mod dtls_terms;
mod dtmf;
mod endpoints;
mod exchanges;
mod extensions;
mod first_heard;
mod hostile;
mod interfaces;
mod keying;
mod media;
mod orders;
mod osrtp;
mod passing;
mod peer;
mod peers;
mod protocols;
mod recording;
mod reports;
mod restored;
mod rsa;
mod sdes;
mod shards;
mod shared;
mod subscription;
mod text;
mod trickle;
mod wire;
mod world;
