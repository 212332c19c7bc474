//! The HTTP/1.1 request head that a WebSocket begins with (RFC 6455 4.2.1).
//! No bodies, no keep-alive, no pipelining: one head, one answer.

use base64::Engine as _;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Octets of a request head; browsers send under 1 kB, cookies may double that.
const MAX_HEAD: usize = 8 * 1024;
/// Header lines of a request head.
const MAX_HEADERS: usize = 64;
/// RFC 6455 1.3.
const ACCEPT_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the client asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A WebSocket with subprotocol `sip`.
    Upgrade {
        /// `Sec-WebSocket-Key`.
        key: String,
        /// `Host`.
        host: String,
        /// `Origin`.
        origin: Option<String>,
    },
    /// A plain `GET`.
    Page {
        /// The path without its query.
        path: String,
    },
    /// Anything else: the status line and the sentence that is owed.
    Refused(&'static str, &'static str),
}

/// Reads up to the empty line. `None`: the peer closed or sent too much.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Head> {
    let mut head = Vec::with_capacity(1024);
    loop {
        if head.len() >= MAX_HEAD {
            return Some(Head::Refused(
                "431 Request Header Fields Too Large",
                "The request head is over 8 KiB.",
            ));
        }
        let scanned = head.len().saturating_sub(3);
        let room = MAX_HEAD.saturating_sub(head.len()) as u64;
        if stream.take(room).read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
        // Only the new octets (and three before them) are looked at: no re-scan.
        let tail = head.get(scanned..).unwrap_or_default();
        if let Some(at) = tail.windows(4).position(|w| w == b"\r\n\r\n") {
            // A client may not send frames before it has seen our 101.
            let complete = tail.len() == at.saturating_add(4);
            return Some(if complete {
                parse(&head)
            } else {
                Head::Refused("400 Bad Request", "Octets follow the request head.")
            });
        }
    }
}

/// Judges a complete head.
fn parse(bytes: &[u8]) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    if !matches!(request.parse(bytes), Ok(httparse::Status::Complete(_))) {
        return Head::Refused("400 Bad Request", "This is not an HTTP/1.1 request.");
    }
    if request.method != Some("GET") {
        return Head::Refused("405 Method Not Allowed", "Only GET is served here.");
    }
    // Where two might disagree about where a request ends, the next one can be smuggled.
    let is_framed = |header: &httparse::Header<'_>| {
        let none = header.name.eq_ignore_ascii_case("content-length") && header.value == b"0";
        let framing = ["content-length", "transfer-encoding"];
        !none
            && framing
                .iter()
                .any(|name| header.name.eq_ignore_ascii_case(name))
    };
    if request.headers.iter().any(is_framed) {
        return Head::Refused("400 Bad Request", "No request has a body here.");
    }
    let path = request.path.unwrap_or("/");
    let get = |name: &str| unique(request.headers, name);
    let Some(upgrade) = get("upgrade") else {
        let path = path.split('?').next().unwrap_or("/").to_owned();
        return Head::Page { path };
    };
    if !upgrade.eq_ignore_ascii_case("websocket") || !lists(get("connection"), "upgrade") {
        return Head::Refused(
            "400 Bad Request",
            "Only an upgrade to websocket is known here.",
        );
    }
    if get("sec-websocket-version") != Some("13") {
        return Head::Refused(
            "426 Upgrade Required",
            "Only WebSocket version 13 is spoken.",
        );
    }
    if !lists(get("sec-websocket-protocol"), "sip") {
        return Head::Refused(
            "400 Bad Request",
            "The WebSocket subprotocol must be 'sip' (RFC 7118): new WebSocket(url, \"sip\").",
        );
    }
    let (Some(key), Some(host)) = (get("sec-websocket-key"), get("host")) else {
        return Head::Refused(
            "400 Bad Request",
            "Sec-WebSocket-Key and Host are needed, once each.",
        );
    };
    let origin = origin(request.headers);
    Head::Upgrade {
        key: key.to_owned(),
        host: host.to_owned(),
        origin,
    }
}

/// What stands in Origin, if it stands there; twice or not as text it is nobody's.
fn origin(headers: &[httparse::Header<'_>]) -> Option<String> {
    let mut named = headers
        .iter()
        .filter(|it| it.name.eq_ignore_ascii_case("origin"));
    named.next()?;
    Some(unique(headers, "origin").unwrap_or_default().to_owned())
}

/// `Sec-WebSocket-Accept` for a key (RFC 6455 4.2.2).
pub(crate) fn accept_key(key: &str) -> String {
    let digest = Sha1::new()
        .chain_update(key)
        .chain_update(ACCEPT_GUID)
        .finalize();
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// The header's value if it stands there exactly once and is text.
pub(crate) fn unique<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a str> {
    let mut named = headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name));
    let value = named.next()?.value;
    match named.next() {
        None => std::str::from_utf8(value).ok().map(str::trim),
        Some(_) => None,
    }
}

/// Whether a comma-separated list has this token.
pub(crate) fn lists(value: Option<&str>, token: &str) -> bool {
    value.is_some_and(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case(token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET /x?y HTTP/1.1\r\nHost: edge.example:8443\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\nOrigin: https://a.example\r\n\r\n";

    #[test]
    fn the_accept_key_is_the_one_of_rfc_6455() {
        assert_eq!(
            accept_key("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn a_browsers_upgrade_is_understood() {
        assert_eq!(
            parse(GOOD.as_bytes()),
            Head::Upgrade {
                key: "dGhlIHNhbXBsZSBub25jZQ==".into(),
                host: "edge.example:8443".into(),
                origin: Some("https://a.example".into()),
            }
        );
    }

    #[test]
    fn an_upgrade_without_the_sip_subprotocol_is_refused() {
        let head = GOOD.replace("Sec-WebSocket-Protocol: sip\r\n", "");
        assert!(matches!(
            parse(head.as_bytes()),
            Head::Refused("400 Bad Request", _)
        ));
    }

    #[test]
    fn a_doubled_key_is_refused() {
        let head = GOOD.replace("Host:", "Sec-WebSocket-Key: b\r\nHost:");
        assert!(matches!(parse(head.as_bytes()), Head::Refused(..)));
    }

    #[test]
    fn a_plain_get_asks_for_a_page_and_a_post_for_nothing() {
        assert_eq!(
            parse(b"GET /phone.js?v=1 HTTP/1.1\r\nHost: a\r\n\r\n"),
            Head::Page {
                path: "/phone.js".into()
            }
        );
        assert!(matches!(
            parse(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n"),
            Head::Refused("405 Method Not Allowed", _)
        ));
    }

    #[test]
    fn an_origin_that_stands_there_twice_or_is_no_text_is_nobodys() {
        let origin_of = |head: String| match parse(head.as_bytes()) {
            Head::Upgrade { origin, .. } => origin,
            other => panic!("{other:?}"),
        };
        let line = "Origin: https://a.example\r\n";
        assert_eq!(origin_of(GOOD.replace(line, "")), None);
        let twice = format!("{line}oRIGIN: https://a.example\r\n");
        assert_eq!(origin_of(GOOD.replace(line, &twice)).as_deref(), Some(""));
        let head = GOOD.replace("a.example", "a.\u{fc}");
        assert_ne!(origin_of(head).as_deref(), Some("https://a.example"));
    }

    #[test]
    fn a_request_that_could_have_a_body_is_refused_whatever_it_says_of_its_length() {
        for bad in [
            "Content-Length: 5",
            "content-length: +0",
            "Content-Length: 0\r\nContent-Length: 7",
            "Content-Length: 18446744073709551617",
            "Transfer-Encoding: chunked",
            "Transfer-Encoding : chunked",
            "Transfer-Encoding:\tidentity, chunked",
            "Host : b",
            "X: a\r\n Transfer-Encoding: chunked",
        ] {
            let head = GOOD.replacen("Host:", &format!("{bad}\r\nHost:"), 1);
            let seen = parse(head.as_bytes());
            assert!(
                matches!(seen, Head::Refused("400 Bad Request", _)),
                "{bad}: {seen:?}"
            );
        }
        let none = GOOD.replacen("Host:", "Content-Length: 0\r\nHost:", 1);
        assert!(matches!(parse(none.as_bytes()), Head::Upgrade { .. }));
    }

    #[tokio::test]
    async fn a_head_without_end_is_cut_off_at_its_limit() {
        let mut endless = tokio::io::repeat(b'a');
        assert!(matches!(
            read(&mut endless).await,
            Some(Head::Refused("431 Request Header Fields Too Large", _))
        ));
    }

    #[tokio::test]
    async fn octets_behind_the_head_are_refused() {
        let mut bytes: &[u8] = &[GOOD.as_bytes(), b"\x81\x85smuggled"].concat();
        assert!(matches!(
            read(&mut bytes).await,
            Some(Head::Refused("400 Bad Request", _))
        ));
    }

    #[tokio::test]
    async fn a_head_that_arrives_octet_by_octet_is_read() {
        let (mut ours, mut theirs) = tokio::io::duplex(1);
        let send = tokio::spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut theirs, GOOD.as_bytes()).await
        });
        assert!(matches!(read(&mut ours).await, Some(Head::Upgrade { .. })));
        send.await.unwrap().unwrap();
    }
}
