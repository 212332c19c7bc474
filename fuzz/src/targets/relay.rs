//! A relay that carries a call between a browser and a phone while strangers, the browser and the phone send what
//! they like: no stranger hears anything, nothing leaves in the clear towards the browser, and the call goes on.

use std::time::Duration;

use crate::Reached;
use crate::call::{Call, STRANGER};
use crate::pieces::steps;
use crate::world::at;

/// The first byte: with its lowest bit ICE and DTLS are done before the steps begin, with the next one browsers share
/// a port.
pub(super) fn run(input: &[u8]) -> Reached {
    let Some((&first, rest)) = input.split_first() else {
        return Reached::Refused;
    };
    let mut call = Call::new(first & 2 == 2);
    if first & 1 == 1 {
        call.connect();
    }
    let mut taken = false;
    for (what, with) in steps(rest) {
        taken |= step(&mut call, what, with);
    }
    if first & 1 == 1 {
        call.pass(Duration::from_secs(2));
        call.speaks();
    }
    call.ends();
    Reached::taken(taken)
}

/// Whether a packet was passed on.
fn step(call: &mut Call, what: u8, with: &[u8]) -> bool {
    let port = usize::from(what >> 3);
    match what & 7 {
        0 => call.send(at(STRANGER), port, with),
        1 => call.browser_sends(with),
        2 => call.browser_protects(with),
        3 => call.browser_checks(with),
        4 | 5 => call.phone_sends(usize::from(what & 1), with),
        6 => call.stranger_checks(with),
        _ => {
            // All steps together stay below the silence that ends a call.
            let span: u64 = with.iter().map(|byte| u64::from(*byte)).sum();
            call.pass(Duration::from_millis(span.min(500)));
            false
        }
    }
}
