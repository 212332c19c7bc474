//! What ng's `codec` asks for, as far as it can be done without a decoder: payload types are taken out of a body, or
//! put in another order.
//!
//! `mask` and `consume` hide a codec from one side in order to convert it for the other. We convert nothing, so they
//! are `strip`; and `accept`, `transcode` and `set` change nothing in a body.

use control_proto::{Codec, flag};
use control_proto::{Flags, Request};
use sdp::{Encoding, Formats, Media, Payload};

/// Takes out of `media` what the request does not want in it. `false` when nothing is left.
pub(super) fn select(media: &mut Media, request: &Request) -> bool {
    let Formats::Rtp(payloads) = &mut media.formats else {
        return true;
    };
    if payloads.is_empty() {
        return true;
    }
    let (mut left, stripped): (Vec<Payload>, Vec<Payload>) = std::mem::take(payloads)
        .into_iter()
        .partition(|payload| stays(payload, &request.codec));
    for name in &request.codec.offer {
        let back = stripped.iter().filter(|payload| is_named(payload, name));
        for payload in back {
            if !left.iter().any(|other| other.number == payload.number) {
                left.push(payload.clone());
            }
        }
    }
    single(&mut left, &request.flags);
    let numbers: Vec<u8> = left.iter().map(|payload| payload.number).collect();
    left.retain(|payload| repairs(payload).is_none_or(|number| numbers.contains(&number)));
    *payloads = left;
    !payloads.is_empty()
}

fn stays(payload: &Payload, words: &Codec) -> bool {
    let named = |names: &[String]| names.iter().any(|name| is_named(payload, name));
    let taken_out = [&words.strip, &words.mask, &words.consume]
        .into_iter()
        .any(|names| named(names) || names.iter().any(|name| is_all(name)));
    !taken_out || named(&words.except)
}

/// `single-codec`: the first codec, and with it what is no codec of its own.
fn single(payloads: &mut Vec<Payload>, flags: &Flags) {
    if !flags.has(flag::SINGLE_CODEC) {
        return;
    }
    let first = payloads
        .iter()
        .find(|payload| !is_beside(payload))
        .map(|payload| payload.number);
    payloads.retain(|payload| is_beside(payload) || Some(payload.number) == first);
}

/// Telephone events, comfort noise and repair packets go beside a codec.
fn is_beside(payload: &Payload) -> bool {
    const BESIDE: [&str; 6] = [
        "telephone-event",
        "CN",
        "rtx",
        "red",
        "ulpfec",
        "flexfec-03",
    ];
    let named = |encoding: &Encoding| {
        BESIDE
            .iter()
            .any(|name| encoding.name.eq_ignore_ascii_case(name))
    };
    payload.encoding.as_ref().is_some_and(named)
}

/// The payload type whose lost packets this one carries (RFC 4588).
fn repairs(payload: &Payload) -> Option<u8> {
    let encoding = payload.encoding.as_ref()?;
    if !encoding.name.eq_ignore_ascii_case("rtx") {
        return None;
    }
    let apt = |line: &sdp::Text| {
        line.split(';')
            .find_map(|field| field.trim().strip_prefix("apt=")?.parse().ok())
    };
    payload.fmtp.iter().find_map(apt)
}

/// `full` is all that an rtpengine could convert.
fn is_all(name: &str) -> bool {
    name.eq_ignore_ascii_case("all") || name.eq_ignore_ascii_case("full")
}

/// `name[/clock rate[/channels]]`, and whatever follows; or the number, of one that has no name.
fn is_named(payload: &Payload, name: &str) -> bool {
    let mut fields = name.split('/');
    let (name, clock_rate, channels) = (fields.next(), fields.next(), fields.next());
    let Some(encoding) = &payload.encoding else {
        return name.and_then(|name| name.parse().ok()) == Some(payload.number);
    };
    let is = |field: Option<&str>, value: &str| {
        field.is_none_or(|field| field.is_empty() || field.eq_ignore_ascii_case(value))
    };
    let count = encoding.parameters.as_deref().unwrap_or("1");
    name.is_some_and(|name| encoding.name.eq_ignore_ascii_case(name))
        && is(clock_rate, &encoding.clock_rate.to_string())
        && is(channels, count)
}
