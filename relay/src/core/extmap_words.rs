//! Which header extensions (RFC 8285) are passed on. One that is not named to a side is not sent by it, so that what
//! stands in the SDP is enough.

use control_proto::{Dictionary, Request, Value, flag};
use sdp::Media;

/// Takes out of `media` the extensions that the request does not want in it.
pub(super) fn select(media: &mut Media, request: &Request) {
    if request.flags.has(flag::STRIP_EXTMAP) {
        media.extmaps.clear();
    }
    let Some(words) = request.other.get("extmap").and_then(Value::as_dictionary) else {
        return;
    };
    let named = |list: &str, uri: &str| names(words, list).any(|name| name == uri || name == "all");
    media.extmaps.retain(|extension| {
        let uri = extension.uri.as_str();
        let taken_out = named("strip", uri) || named("mask", uri);
        !taken_out || named("except", uri)
    });
}

fn names<'a>(words: &'a Dictionary, list: &str) -> impl Iterator<Item = &'a str> {
    let value = words.get(list);
    let one = value.and_then(Value::as_str);
    let several = value.and_then(Value::as_list).into_iter().flatten();
    one.into_iter().chain(several.filter_map(Value::as_str))
}
