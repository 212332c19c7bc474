//! The head of a request: what it asks for, or the refusal that it is owed.

use super::Service;
use crate::ws::{accept_key, lists, unique};

/// Octets of a request head; programs send a few hundred.
pub(super) const MAX_HEAD: usize = 8 * 1024;

/// Header lines of a request head.
const MAX_HEADERS: usize = 64;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A message of so many octets follows.
    Post {
        length: usize,
        /// The client waits for `100 Continue` before it sends the message.
        expects: bool,
        /// The client wants the connection closed afterwards.
        last: bool,
    },
    /// A WebSocket with our subprotocol.
    Upgrade { key: String },
    /// Whether anybody is here.
    Ping { last: bool },
    /// Anything else: status and sentence.
    Refused(&'static str, &'static str),
}

pub(super) const TOO_LONG: Head = Head::Refused(
    "431 Request Header Fields Too Large",
    "The request head is over 8 KiB.\n",
);

/// Where the head ends, if it does; up to `scanned` was looked at before.
pub(super) fn end(buffer: &[u8], scanned: usize) -> Option<usize> {
    let from = scanned.saturating_sub(3);
    let at = buffer
        .get(from..)?
        .windows(4)
        .position(|octets| octets == b"\r\n\r\n")?;
    let end = from.checked_add(at)?.checked_add(4)?;
    (end <= MAX_HEAD).then_some(end)
}

/// The answer that makes a connection a WebSocket (RFC 6455 section 4.2.2).
pub(super) fn switching(key: &str, subprotocol: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Protocol: {subprotocol}\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept_key(key)
    )
}

/// Judges a whole head.
pub(super) fn judge(octets: &[u8], service: &Service) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    if !matches!(request.parse(octets), Ok(httparse::Status::Complete(_))) {
        return Head::Refused("400 Bad Request", "This is not an HTTP/1.1 request.\n");
    }
    let path = request.path.and_then(|path| path.split('?').next());
    let headers: &[httparse::Header<'_>] = request.headers;
    let last = request.version != Some(1) || lists(unique(headers, "connection"), "close");
    if has(headers, "upgrade") {
        return upgrade(request.method, headers, service);
    }
    match (request.method, path) {
        (Some("POST"), Some(path)) if path == service.path => post(headers, service, last),
        (Some("GET"), Some("/ping")) if !has_body(headers) => Head::Ping { last },
        (_, Some(path)) if path == service.path => {
            Head::Refused("405 Method Not Allowed", "Messages are POSTed here.\n")
        }
        _ => Head::Refused("404 Not Found", "Nothing is served under this path.\n"),
    }
}

fn post(headers: &[httparse::Header<'_>], service: &Service, last: bool) -> Head {
    let kind = unique(headers, "content-type").and_then(|kind| kind.split(';').next());
    if !kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(service.content_type)) {
        // Any other type could come from a web page that asked nobody's leave.
        return Head::Refused(
            "415 Unsupported Media Type",
            "Messages have a content type of their own; see the manual.\n",
        );
    }
    let digits = unique(headers, "content-length").filter(|_| !has(headers, "transfer-encoding"));
    let digits = digits.filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()));
    match digits.map(str::parse::<usize>) {
        None => Head::Refused("411 Length Required", "Say Content-Length, once.\n"),
        Some(Ok(length)) if length <= service.max_message => Head::Post {
            length,
            expects: unique(headers, "expect")
                .is_some_and(|text| text.eq_ignore_ascii_case("100-continue")),
            last,
        },
        Some(_) => Head::Refused("413 Content Too Large", "No message is that long.\n"),
    }
}

fn upgrade(method: Option<&str>, headers: &[httparse::Header<'_>], service: &Service) -> Head {
    let asks = unique(headers, "upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket"))
        && lists(unique(headers, "connection"), "upgrade")
        && method == Some("GET")
        && !has_body(headers);
    let key = unique(headers, "sec-websocket-key").filter(|_| asks);
    if has(headers, "origin") {
        return Head::Refused(
            "403 Forbidden",
            "No web page may connect here; send no Origin.\n",
        );
    }
    match key {
        None => Head::Refused(
            "400 Bad Request",
            "Only an upgrade to WebSocket is known.\n",
        ),
        Some(_) if unique(headers, "sec-websocket-version") != Some("13") => Head::Refused(
            "426 Upgrade Required",
            "Only WebSocket version 13 is spoken.\n",
        ),
        Some(key)
            if lists(
                unique(headers, "sec-websocket-protocol"),
                service.subprotocol,
            ) =>
        {
            Head::Upgrade {
                key: key.to_owned(),
            }
        }
        Some(_) => Head::Refused(
            "400 Bad Request",
            "The WebSocket's subprotocol is not known here.\n",
        ),
    }
}

fn has(headers: &[httparse::Header<'_>], name: &str) -> bool {
    headers
        .iter()
        .any(|header| header.name.eq_ignore_ascii_case(name))
}

fn has_body(headers: &[httparse::Header<'_>]) -> bool {
    has(headers, "content-length") || has(headers, "transfer-encoding")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Service = Service {
        path: "/ng",
        content_type: "application/x-ng",
        subprotocol: "ng.example",
        max_message: 100,
    };

    const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ng.example\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";

    fn post(headers: &str) -> Head {
        let head = format!(
            "POST /ng HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ng\r\n{headers}\r\n"
        );
        judge(head.as_bytes(), &SERVICE)
    }

    fn status(head: &Head) -> &str {
        match head {
            Head::Refused(status, _) => status.split(' ').next().unwrap(),
            _ => "taken",
        }
    }

    #[test]
    fn a_message_says_its_length_once_and_plainly() {
        assert_eq!(
            post("Content-Length: 100\r\n"),
            Head::Post {
                length: 100,
                expects: false,
                last: false
            }
        );
        for (headers, expected) in [
            ("Content-Length: 101\r\n", "413"),
            ("Content-Length: 99999999999999999999999\r\n", "413"),
            ("Content-Length: +5\r\n", "411"),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", "411"),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "411"),
            ("Transfer-Encoding: chunked\r\n", "411"),
            ("", "411"),
        ] {
            assert_eq!(status(&post(headers)), expected, "{headers}");
        }
    }

    #[test]
    fn what_a_web_page_could_send_is_refused() {
        let length = "Content-Length: 5\r\n";
        for kind in ["text/plain", "application/x-www-form-urlencoded"] {
            let head = format!("POST /ng HTTP/1.1\r\nContent-Type: {kind}\r\n{length}\r\n");
            assert_eq!(status(&judge(head.as_bytes(), &SERVICE)), "415", "{kind}");
        }
        let none = format!("POST /ng HTTP/1.1\r\n{length}\r\n");
        assert_eq!(status(&judge(none.as_bytes(), &SERVICE)), "415");
        let page = UPGRADE.replace("\r\n\r\n", "\r\nOrigin: http://127.0.0.1\r\n\r\n");
        assert_eq!(status(&judge(page.as_bytes(), &SERVICE)), "403");
        let leave = "OPTIONS /ng HTTP/1.1\r\nOrigin: http://a\r\n\r\n";
        assert_eq!(status(&judge(leave.as_bytes(), &SERVICE)), "405");
    }

    #[test]
    fn a_websocket_is_asked_for_by_its_subprotocol() {
        let head = |text: &str| judge(text.as_bytes(), &SERVICE);
        assert!(matches!(head(UPGRADE), Head::Upgrade { .. }));
        for (good, bad) in [
            ("ng.example", "sip"),
            ("Version: 13", "Version: 8"),
            ("websocket", "h2c"),
            ("GET", "POST"),
            ("Host: a", "Content-Length: 3"),
        ] {
            assert!(
                matches!(head(&UPGRADE.replace(good, bad)), Head::Refused(..)),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_client_that_wants_to_go_is_let_go() {
        let ping = |text: &str| judge(text.as_bytes(), &SERVICE);
        assert_eq!(
            ping("GET /ping HTTP/1.1\r\n\r\n"),
            Head::Ping { last: false }
        );
        for head in [
            "GET /ping HTTP/1.0\r\n\r\n",
            "GET /ping?x HTTP/1.1\r\nConnection: close\r\n\r\n",
        ] {
            assert_eq!(ping(head), Head::Ping { last: true });
        }
    }

    #[test]
    fn the_end_of_a_head_is_found_across_pieces() {
        let text = b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest";
        for scanned in 0..20 {
            assert_eq!(end(text, scanned), Some(24));
        }
        assert_eq!(end(b"GET / HTTP/1.1\r\n\r", 0), None);
        assert_eq!(
            end(&[vec![b'a'; MAX_HEAD], b"\r\n\r\n".to_vec()].concat(), 0),
            None
        );
    }
}
