//! Reading a request: one key, one flag at a time, in whatever spelling it comes.
//!
//! Never refuses anything. What is not understood is kept and named in [`Request::unknown`], for
//! the reader to log.

use std::time::Duration;

use crate::command::Command;
use crate::flags::flag;
use crate::options::{Dtls, Ice, TransportProtocol};
use crate::request::Request;
use crate::rtpp_flags;
use crate::value::{Dictionary, Value};

/// The longest delay before a deletion that is listened to: a day.
const MAX_DELETE_DELAY: i64 = 86_400;

/// One spelling for keys and flags: lower case, words joined by hyphens.
pub(crate) fn canonical(text: &str) -> String {
    text.trim()
        .chars()
        .map(|c| {
            if matches!(c, ' ' | '_') {
                '-'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}

/// A request while it is being read.
pub(crate) struct Reading {
    pub(crate) request: Request,
    /// The first of the two names of `direction`, when they come one by one.
    half_direction: Option<String>,
}

impl Reading {
    pub(crate) fn new(command: Command) -> Self {
        Self {
            request: Request::new(command),
            half_direction: None,
        }
    }

    /// Takes one key of the dictionary.
    pub(crate) fn apply(&mut self, key: &[u8], value: Value) {
        let Ok(spelled) = std::str::from_utf8(key) else {
            self.request
                .unknown
                .push(String::from_utf8_lossy(key).into_owned());
            return;
        };
        let key = canonical(spelled);
        let understood = match key.as_str() {
            "command" => true,
            "call-id" => text(&value, &mut self.request.call_id),
            "from-tag" => text(&value, &mut self.request.from_tag),
            "to-tag" => text(&value, &mut self.request.to_tag),
            "via-branch" => text(&value, &mut self.request.via_branch),
            "label" | "from-label" => text(&value, &mut self.request.label),
            "set-label" | "to-label" => text(&value, &mut self.request.set_label),
            "sdp" => value
                .as_bytes()
                .map(|body| self.request.sdp = Some(body.to_vec()))
                .is_some(),
            "transport-protocol" => found(
                value.as_str().and_then(TransportProtocol::from_word),
                &mut self.request.transport_protocol,
            ),
            "ice" => found(
                value.as_str().and_then(Ice::from_word),
                &mut self.request.ice,
            ),
            "dtls" => each(&value, &mut |word| {
                found(Dtls::from_word(word), &mut self.request.dtls)
            }),
            "sdes" => each(&value, &mut |word| self.request.sdes.apply(word)),
            "rtcp-mux" => each(&value, &mut |word| self.request.rtcp_mux.apply(word)),
            "replace" => self.apply_replace(&value),
            "osrtp" => list(&value, &mut self.request.osrtp),
            "supports" => self.apply_supports(&value),
            "from-tags" => list(&value, &mut self.request.from_tags),
            "direction" => self.apply_direction(&value),
            "address-family" => found(
                value.as_str().and_then(crate::AddressFamily::from_word),
                &mut self.request.address_family,
            ),
            "media-address" => found(
                value
                    .as_str()
                    .and_then(|address| address.trim().parse().ok()),
                &mut self.request.media_address,
            ),
            "received-from" => self.apply_received_from(&value),
            "delete-delay" => self.apply_delete_delay(&value),
            "codec" => self.apply_codec(&value),
            "flags" => each(&value, &mut |word| {
                self.apply_flag(word);
                true
            }),
            "rtpp-flags" => value
                .as_str()
                .map(|line| rtpp_flags::apply(self, line))
                .is_some(),
            _ => {
                if !KNOWN_KEYS.contains(&key.as_str()) {
                    self.request.unknown.push(key.clone());
                }
                self.request.other.push(key, value);
                return;
            }
        };
        if !understood {
            // Enough for a log line to say what was meant.
            let shown: String = format!("{value:?}").chars().take(60).collect();
            self.request.unknown.push(format!("{key}={shown}"));
        }
    }

    /// Takes one bare word, which may stand for a key.
    pub(crate) fn apply_flag(&mut self, word: &str) {
        // Where a script's syntax has no room for them, `--` stands for `=` and `..` for a space.
        let word = &word.trim().replace("--", "=").replace("..", " ");
        let key = canonical(word);
        let argument = |prefix: &str| {
            key.starts_with(prefix)
                .then(|| word.get(prefix.len()..))
                .flatten()
        };
        if key.is_empty() {
            return;
        }
        if let Some(operation) = argument("codec-")
            && let Some((operation, codec)) = operation.split_once('-')
            && let Some(list) = self.request.codec.list(&canonical(operation))
        {
            return list.push(codec.to_owned());
        }
        if let Some(codec) = argument("transcode-") {
            return self.request.codec.transcode.push(codec.to_owned());
        }
        if let Some(option) = argument("sdes-") {
            if !self.request.sdes.apply(option) {
                self.request.unknown.push(key);
            }
            return;
        }
        if argument("rtcp-mux-").is_some_and(|option| self.request.rtcp_mux.apply(option))
            || argument("replace-").is_some_and(|option| self.request.replace.apply(option))
            || argument("ice-")
                .is_some_and(|option| found(Ice::from_word(option), &mut self.request.ice))
            || argument("dtls-")
                .is_some_and(|option| found(Dtls::from_word(option), &mut self.request.dtls))
        {
            return;
        }
        if let Some(option) = argument("osrtp-") {
            return self.request.osrtp.push(option.to_owned());
        }
        if let Some((name, value)) = word.split_once('=') {
            // A flag that brings flags of its own would nest without end.
            return match canonical(name).as_str() {
                "flags" | "rtpp-flags" => self.request.unknown.push(canonical(name)),
                _ => self.apply(name.as_bytes(), value.into()),
            };
        }
        match key.as_str() {
            "webrtc" => self.apply_webrtc(),
            "sdp-version" | "force-increment-sdp-ver" => _ = self.request.replace.apply(&key),
            "internal" | "external" => self.push_direction(&key),
            _ if word.contains('/')
                && found(
                    TransportProtocol::from_word(word),
                    &mut self.request.transport_protocol,
                ) => {}
            _ => {
                if !flag::KNOWN.contains(&key.as_str()) {
                    self.request.unknown.push(key.clone());
                }
                self.request.flags.set(&key);
            }
        }
    }

    /// `WebRTC` is short for all that a browser needs.
    fn apply_webrtc(&mut self) {
        self.request.transport_protocol = Some(TransportProtocol::UdpTlsRtpSavpf);
        self.request.ice = Some(Ice::Force);
        self.request.rtcp_mux.offer = true;
        self.request.rtcp_mux.require = true;
        self.request.sdes.off = true;
        for flag in [
            flag::TRICKLE_ICE,
            flag::NO_RTCP_ATTRIBUTE,
            flag::GENERATE_MID,
        ] {
            self.request.flags.set(flag);
        }
    }

    /// Some of these words have spaces inside, so a string is tried whole before it is split.
    fn apply_replace(&mut self, value: &Value) -> bool {
        let replace = &mut self.request.replace;
        value.as_str().is_some_and(|whole| replace.apply(whole))
            || each(value, &mut |word| replace.apply(word))
    }

    /// `load limit` has a space inside, so a string is one word.
    fn apply_supports(&mut self, value: &Value) -> bool {
        match value.as_str() {
            Some(whole) => self.request.supports.push(whole.to_owned()),
            None => return list(value, &mut self.request.supports),
        }
        true
    }

    fn apply_direction(&mut self, value: &Value) -> bool {
        let mut names = Vec::new();
        list(value, &mut names);
        match <[String; 2]>::try_from(names) {
            Ok(both) => {
                self.request.direction = Some(both);
                true
            }
            // Scripts may also give the two one by one.
            Err(names) => match names.as_slice() {
                [one] => {
                    self.push_direction(one);
                    true
                }
                _ => false,
            },
        }
    }

    fn push_direction(&mut self, name: &str) {
        match self.half_direction.take() {
            Some(first) => self.request.direction = Some([first, name.to_owned()]),
            None => self.half_direction = Some(name.to_owned()),
        }
    }

    fn apply_received_from(&mut self, value: &Value) -> bool {
        let mut words = Vec::new();
        list(value, &mut words);
        // OpenSIPS sends an empty list; an address without its family is as good as one with.
        words.is_empty()
            || found(
                words.last().and_then(|address| address.parse().ok()),
                &mut self.request.received_from,
            )
    }

    fn apply_delete_delay(&mut self, value: &Value) -> bool {
        let seconds = value
            .as_integer()
            .filter(|seconds| *seconds >= 0)
            .map(|seconds| seconds.min(MAX_DELETE_DELAY));
        found(
            seconds.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
            &mut self.request.delete_delay,
        )
    }

    fn apply_codec(&mut self, value: &Value) -> bool {
        let Some(operations) = value.as_dictionary() else {
            return false;
        };
        self.apply_codec_operations(operations)
    }

    fn apply_codec_operations(&mut self, operations: &Dictionary) -> bool {
        let mut understood = true;
        for (operation, codecs) in operations.iter() {
            let operation = canonical(&String::from_utf8_lossy(operation));
            understood &= match self.request.codec.list(&operation) {
                Some(names) => list(codecs, names),
                None => false,
            };
        }
        understood
    }
}

/// Keys that exist in the protocol but have no field of their own: kept in `other`, not worth a log
/// line.
const KNOWN_KEYS: &[&str] = &[
    "address",
    "all",
    "blob",
    "bundle",
    "call-ids",
    "code",
    "db-id",
    "delay-buffer",
    "digit",
    "drop-traffic",
    "dtls-fingerprint",
    "dtls-reverse",
    "dtmf-log-dest",
    "dtmf-security",
    "duration",
    "endpoint-learning",
    "extmap",
    "file",
    "frequencies",
    "frequency",
    "generate-rtcp",
    "ice-lite",
    "interface",
    "limit",
    "medias",
    "metadata",
    "moh",
    "output-destination",
    "pause",
    "ptime",
    "ptime-reverse",
    "record-call",
    "recording-dir",
    "recording-file",
    "recording-pattern",
    "repacketize",
    "repeat-times",
    "sdp-attr",
    "sip-code",
    "sip-message-type",
    "start-pos",
    "template",
    "to-call-id",
    "tos",
    "trigger",
    "t.38",
    "t38",
    "volume",
    "xmlrpc-callback",
];

fn text(value: &Value, field: &mut Option<String>) -> bool {
    let text = match value {
        Value::Integer(number) => Some(number.to_string()),
        _ => value.as_str().map(str::to_owned),
    };
    // An empty tag or branch is as good as none.
    found(text.filter(|text| !text.is_empty()), field) || value.as_bytes() == Some(b"")
}

fn found<T>(parsed: Option<T>, field: &mut Option<T>) -> bool {
    let understood = parsed.is_some();
    if understood {
        *field = parsed;
    }
    understood
}

fn list(value: &Value, field: &mut Vec<String>) -> bool {
    each(value, &mut |word| {
        field.push(word.to_owned());
        true
    })
}

/// Hands every word of a list to `apply`, also after one that it did not understand. The list may
/// have been sent as one string.
fn each(value: &Value, apply: &mut dyn FnMut(&str) -> bool) -> bool {
    let words: Vec<Option<&str>> = match value {
        Value::List(list) => list.iter().map(Value::as_str).collect(),
        Value::Bytes(_) => match value.as_str() {
            Some(line) => line
                .split([' ', ','])
                .filter(|word| !word.is_empty())
                .map(Some)
                .collect(),
            None => vec![None],
        },
        Value::Integer(_) | Value::Dictionary(_) => vec![None],
    };
    let mut understood = true;
    for word in words {
        understood &= word.is_some_and(&mut *apply);
    }
    understood
}
