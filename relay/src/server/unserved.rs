//! Words that are the protocol's but ask for something that this relay does not do. A script that sends one goes on
//! working as far as it can, and its operator is told, once for each word.

use control_proto::{Request, Value};

use crate::core::ice_roles;

/// Keys without effect here.
const KEYS: &[&str] = &[
    "delay-buffer",
    "drop-traffic",
    "dtmf-log-dest",
    "medias",
    "moh",
    "ptime",
    "ptime-reverse",
    "repacketize",
    "sdp-attr",
    "t.38",
    "t38",
    "template",
    "trigger",
    "xmlrpc-callback",
];

/// Flags without effect here.
const FLAGS: &[&str] = &[
    "always-transcode",
    "debug",
    "detect-dtmf",
    "new-branch",
    "unidirectional",
];

/// The words of `bundle` that are understood.
const BUNDLE: [&str; 4] = ["accept", "offer", "require", "strict"];

/// What of `request` this relay does not do, each as one would say it in a log.
pub(super) fn of(request: &Request, interfaces: &[String]) -> Vec<String> {
    let keys = request.other.iter().map(|(key, _)| key);
    let keys = keys.filter_map(|key| KEYS.iter().find(|known| known.as_bytes() == key));
    let flags = FLAGS.iter().filter(|flag| request.flags.has(flag));
    let mut words: Vec<String> = keys.chain(flags).map(|word| (*word).to_owned()).collect();
    if request.other.get("ice-lite").is_some() && ice_roles(request).is_none() {
        words.push("ICE-lite other than forward, backward, both and off".to_owned());
    }
    let reverse = request.other.get("dtls-reverse").and_then(Value::as_str);
    if reverse.is_some_and(|role| !["active", "passive"].contains(&role)) {
        words.push("DTLS-reverse other than active and passive".to_owned());
    }
    if request.osrtp.iter().any(|word| word.ends_with("legacy")) {
        words.push("OSRTP legacy".to_owned());
    }
    if !request.codec.transcode.is_empty() || !request.codec.set.is_empty() {
        words.push("codec transcode and set (no codec is converted)".to_owned());
    }
    if let Some(bundle) = request.other.get("bundle") {
        let list = bundle.as_list().unwrap_or(std::slice::from_ref(bundle));
        let named = list.iter().filter_map(Value::as_str);
        let named = named.flat_map(|words| words.split([' ', ',']));
        for word in named.filter(|word| !word.is_empty()) {
            if !BUNDLE.iter().any(|known| known.eq_ignore_ascii_case(word)) {
                words.push(format!("bundle={word}"));
            }
        }
    }
    for name in request.direction.iter().flatten() {
        let picks_a_family = ["internal", "external"].contains(&name.as_str());
        if !picks_a_family && !interfaces.contains(name) {
            words.push(format!(
                "direction={name} (the interfaces are {}; the first is taken)",
                interfaces.join(" and ")
            ));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use control_proto::{Command, flag};

    use super::*;

    fn of(request: &Request) -> Vec<String> {
        super::of(request, &["public".to_owned(), "private".to_owned()])
    }

    #[test]
    fn what_is_not_done_is_named_and_what_is_done_is_not() {
        let mut request = Request::new(Command::Offer);
        request.direction = Some(["private".into(), "public".into()]);
        request.flags.set(flag::STRICT_SOURCE);
        request.other.push("record-call", "on");
        request.other.push("dtls-reverse", "active");
        request.other.push("ice-lite", "both");
        request.other.push("bundle", "accept offer");
        assert!(of(&request).is_empty());

        request.direction = Some(["lan".into(), "external".into()]);
        request.flags.set("debug");
        request.other.push("moh", "x");
        request.other.push("ice-lite", "sometimes");
        request.other.push("bundle", "accept maximal");
        request.codec.transcode.push("opus".into());
        let words = of(&request).join("; ");
        for word in [
            "direction=lan",
            "public and private",
            "debug",
            "moh",
            "ICE-lite",
            "bundle=maximal",
            "transcode",
        ] {
            assert!(words.contains(word), "{word} in {words}");
        }
        assert!(!words.contains("external"));
    }
}
