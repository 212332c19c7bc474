//! The demo's web softphone, as files inside the binary: a page with its own JavaScript
//! (SIP over WebSocket, digest, calls), nothing to download, nothing to build.
//!
//! The page finds its server by itself: its WebSocket is `ws(s)://` of its own host,
//! subprotocol `sip`. This module only hands out bytes; it opens no sockets.

use std::borrow::Cow;

/// Content type and body.
pub type File = (&'static str, Cow<'static, [u8]>);

/// What the page's forms begin with, served as `/config.json`.
#[derive(Debug, Clone, Default)]
pub struct Prefill {
    /// SIP domain.
    pub domain: String,
    /// Users with their passwords, to choose from; the first is filled in.
    pub users: Vec<(String, String)>,
    /// Numbers with what is heard there, to choose from; the first is filled in.
    pub numbers: Vec<(String, String)>,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files, by path.
const FILES: [(&str, &str, &str); 14] = [
    ("/", HTML, include_str!("../assets/index.html")),
    (
        "/softphone.css",
        CSS,
        include_str!("../assets/softphone.css"),
    ),
    (
        "/softphone/agent.js",
        SCRIPT,
        include_str!("../assets/softphone/agent.js"),
    ),
    (
        "/softphone/call.js",
        SCRIPT,
        include_str!("../assets/softphone/call.js"),
    ),
    (
        "/softphone/digest.js",
        SCRIPT,
        include_str!("../assets/softphone/digest.js"),
    ),
    (
        "/softphone/hash.js",
        SCRIPT,
        include_str!("../assets/softphone/hash.js"),
    ),
    (
        "/softphone/main.js",
        SCRIPT,
        include_str!("../assets/softphone/main.js"),
    ),
    (
        "/softphone/media.js",
        SCRIPT,
        include_str!("../assets/softphone/media.js"),
    ),
    (
        "/softphone/message.js",
        SCRIPT,
        include_str!("../assets/softphone/message.js"),
    ),
    (
        "/softphone/softphone.js",
        SCRIPT,
        include_str!("../assets/softphone/softphone.js"),
    ),
    (
        "/softphone/sound.js",
        SCRIPT,
        include_str!("../assets/softphone/sound.js"),
    ),
    (
        "/softphone/stats.js",
        SCRIPT,
        include_str!("../assets/softphone/stats.js"),
    ),
    (
        "/softphone/transport.js",
        SCRIPT,
        include_str!("../assets/softphone/transport.js"),
    ),
    (
        "/softphone/view.js",
        SCRIPT,
        include_str!("../assets/softphone/view.js"),
    ),
];

/// The file at that path (without query), `None` when there is none. `/config.json` is
/// [`Prefill::to_json`]; a page without it leaves its forms to the user.
pub fn lookup(path: &str) -> Option<File> {
    let (_, mime, body) = FILES.iter().find(|(at, ..)| *at == path)?;
    Some((mime, Cow::Borrowed(body.as_bytes())))
}

impl Prefill {
    /// `/config.json`, or one of the page's files.
    pub fn lookup(&self, path: &str) -> Option<File> {
        match path {
            "/config.json" => {
                let body = self.to_json().into_bytes();
                Some(("application/json", Cow::Owned(body)))
            }
            _ => lookup(path),
        }
    }

    /// As the page reads it.
    pub fn to_json(&self) -> String {
        let pairs = |list: &[(String, String)], names: [&str; 2]| {
            let items = list.iter().map(|(first, second)| {
                let [a, b] = names;
                format!("{{\"{a}\":{},\"{b}\":{}}}", quoted(first), quoted(second))
            });
            items.collect::<Vec<_>>().join(",")
        };
        format!(
            "{{\"domain\":{},\"users\":[{}],\"numbers\":[{}]}}",
            quoted(&self.domain),
            pairs(&self.users, ["user", "password"]),
            pairs(&self.numbers, ["number", "what"]),
        )
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> String {
        let (_, body) = lookup(path).unwrap_or_else(|| panic!("{path} is not served"));
        String::from_utf8(body.into_owned()).unwrap()
    }

    #[test]
    fn every_file_that_the_page_asks_for_is_served() {
        let page = text("/");
        let main = text("/softphone/main.js");
        assert!(page.contains("softphone/main.js") && main.contains("softphone.js"));
        text("/softphone.css");
        for (path, _, body) in FILES.iter().filter(|(path, ..)| path.ends_with(".js")) {
            for (_, rest) in body
                .match_indices("from './")
                .map(|(at, m)| (at, &body[at + m.len()..]))
            {
                let (import, _) = rest.split_once('\'').unwrap();
                assert!(
                    lookup(&format!("/softphone/{import}")).is_some(),
                    "{path}: {import}"
                );
            }
        }
    }

    #[test]
    fn the_page_downloads_nothing_from_elsewhere() {
        for (path, _, body) in FILES {
            let foreign: Vec<_> = body
                .match_indices("//")
                .filter(|(at, _)| body[..*at].ends_with("http:") || body[..*at].ends_with("https:"))
                .filter(|(at, _)| !body[*at..].starts_with("//www.w3.org/2000/svg"))
                .collect();
            assert!(foreign.is_empty(), "{path}: {foreign:?}");
        }
    }

    #[test]
    fn nothing_else_is_served() {
        for path in [
            "",
            "/index.html",
            "/../Cargo.toml",
            "/softphone/",
            "//",
            "/config.json",
        ] {
            assert!(lookup(path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_settings_are_json_whatever_they_contain() {
        let prefill = Prefill {
            domain: "demo.\"test\"".into(),
            users: vec![
                ("alice".into(), "a\\b\n".into()),
                ("bob".into(), "b".into()),
            ],
            numbers: vec![("echo".into(), "hear yourself".into())],
        };
        assert_eq!(
            prefill.to_json(),
            r#"{"domain":"demo.\"test\"","users":[{"user":"alice","password":"a\\b\u000a"},{"user":"bob","password":"b"}],"numbers":[{"number":"echo","what":"hear yourself"}]}"#
        );
        let (mime, _) = prefill.lookup("/config.json").unwrap();
        assert_eq!(mime, "application/json");
    }
}
