//! The core between a scripted browser, a scripted upstream and a scripted relay: no sockets, a clock that we turn.

mod bench;
mod calls;
mod elsewhere;
mod forks;
mod hops;
mod household;
mod info;
mod large;
mod left;
mod local;
mod lost;
mod offers;
mod pacing;
mod records;
mod refreshed;
mod refused;
mod register;
mod relay;
mod repaired;
mod restored;
mod routing;
mod slim;
mod torture;
mod transfers;
mod traps;
mod upstreams;
