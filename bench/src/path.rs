//! Packets on their way through the relay's core in this process: no socket, no kernel, no other thread. Run under
//! callgrind, which counts the instructions between entry and return of [`led_through`] alone; `cargo xtask instructions`
//! does, and compares them with the numbers that are committed.

mod world;

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use peers::kernel::ROOM;
use peers::scenario::Scenario;
use relay::core::{HEADROOM, Received, Shard, SocketId};
use world::{Call, Side};

/// From which leg to which. The names are those in `bench/instructions.toml`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Route {
    /// RTP/AVP to RTP/AVP
    PlainToPlain,
    /// RTP/AVP to SDES, AES_CM_128_HMAC_SHA1_80
    PlainToSdes,
    /// The other way
    SdesToPlain,
    /// RTP/AVP to a browser: ICE, and GCM with the keys of DTLS
    PlainToBrowser,
    /// The other way
    BrowserToPlain,
}

/// Packets before those that count: a source's counters are made with its first, addresses are learned.
const WARM: u64 = 64;

/// Time from packet to packet.
const PTIME: Duration = Duration::from_millis(20);

/// Leads packets along a route. Each must come out, and on the plain side be what was sent.
pub(crate) fn lead(route: Route, packets: u64) -> Result<(), String> {
    let (scenario, from) = match route {
        Route::PlainToPlain => (Scenario::AvpAvp, Side::Phone),
        Route::PlainToSdes => (Scenario::AvpSdes, Side::Phone),
        Route::SdesToPlain => (Scenario::AvpSdes, Side::Other),
        Route::PlainToBrowser => (Scenario::AvpDtlsActive, Side::Phone),
        Route::BrowserToPlain => (Scenario::AvpDtlsActive, Side::Other),
    };
    let mut call = Call::new(scenario)?;
    let mut buffer = [0; ROOM + HEADROOM];
    let mut now = call.now;
    for number in 0..WARM + packets {
        now += PTIME;
        let (socket, from, len) = call.packet(from, &mut buffer);
        let sent = if number < WARM {
            call.shard.receive(socket, from, &mut buffer, len, now)
        } else {
            led_through(&mut call.shard, socket, from, &mut buffer, len, now)
        };
        let sent = sent
            .sent()
            .ok_or_else(|| format!("packet {number} did not come out"))?;
        call.judge(&sent, &mut buffer)
            .map_err(|error| format!("packet {number}: {error}"))?;
    }
    println!("{packets} packets");
    Ok(())
}

/// What is counted. It stays a function of its own, with this name, in the optimised program.
#[inline(never)]
fn led_through(
    shard: &mut Shard,
    socket: SocketId,
    from: SocketAddr,
    buffer: &mut [u8],
    len: usize,
    now: Instant,
) -> Received {
    black_box(shard.receive(socket, from, buffer, len, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_leads_through() {
        for route in Route::value_variants() {
            assert_eq!(lead(*route, 10), Ok(()), "{route:?}");
        }
    }
}
