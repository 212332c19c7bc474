//! Is this body SDP? Also where it stands within a multipart body, whose other parts mean nothing to the other side.

use sip::Message;

/// Longest boundary that RFC 2046 section 5.1.1 allows.
const MAX_BOUNDARY: usize = 70;

/// A body, as far as media is concerned.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body<'a> {
    /// SDP: the relay rewrites it.
    Sdp(&'a [u8]),
    /// None, or something else: not the relay's.
    Other,
}

impl<'a> Body<'a> {
    pub(super) fn of(message: &'a Message) -> Self {
        let body = message.body();
        if body.is_empty() {
            return Self::Other;
        }
        if message.is_content_type("application/sdp") {
            return Self::Sdp(body);
        }
        let part = boundary(message).and_then(|boundary| sdp_part(body, &boundary));
        part.map_or(Self::Other, Self::Sdp)
    }
}

/// The delimiter of a multipart body, dashes included.
fn boundary(message: &Message) -> Option<Vec<u8>> {
    let value = message.header("Content-Type")?;
    let (kind, params) = value.split_once(';')?;
    if !kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let text = params.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| value.trim().trim_matches('"'))
    })?;
    (1..=MAX_BOUNDARY)
        .contains(&text.len())
        .then(|| format!("--{text}").into_bytes())
}

/// The first part that is SDP. One pass over the lines: a part without an end is no part.
fn sdp_part<'a>(body: &'a [u8], delimiter: &[u8]) -> Option<&'a [u8]> {
    // Where the open part's head begins, and where its contents do once the head has ended.
    let (mut head, mut contents) = (None, None);
    let mut at = 0;
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        let end = rest.windows(2).position(|two| two == b"\r\n");
        let next = at.saturating_add(end.map_or(rest.len(), |end| end.saturating_add(2)));
        let line = body.get(at..next)?;
        if line.starts_with(delimiter) {
            if let (Some(head), Some(contents)) = (head, contents)
                && is_sdp(body.get(head..contents)?)
            {
                // The line end before a delimiter belongs to the delimiter, but SDP wants one.
                return body.get(contents..at);
            }
            (head, contents) = (Some(next), None);
        } else if line == b"\r\n" && contents.is_none() {
            contents = Some(next);
        }
        at = next;
    }
    None
}

fn is_sdp(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.lines().any(|line| {
        line.strip_prefix("content-type:")
            .is_some_and(|kind| kind.trim().starts_with("application/sdp"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(content_type: &str, body: &str) -> Message {
        let text = format!(
            "INVITE sip:a@b SIP/2.0\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Message::parse(text.into_bytes()).unwrap()
    }

    #[test]
    fn sdp_is_found_by_its_type() {
        assert_eq!(
            Body::of(&message("Application/SDP; charset=utf-8", "v=0\r\n")),
            Body::Sdp(b"v=0\r\n")
        );
        assert_eq!(Body::of(&message("text/plain", "v=0\r\n")), Body::Other);
        assert_eq!(Body::of(&message("application/sdp", "")), Body::Other);
    }

    #[test]
    fn sdp_is_found_within_a_multipart_body() {
        let isup = "--x\r\nContent-Type: application/isup\r\n\r\n\u{1}\u{2}\r\n";
        let sdp = "--x\r\nContent-Disposition: session\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=-\r\n";
        for parts in [
            format!("{isup}{sdp}--x--\r\n"),
            format!("preamble\r\n{sdp}{isup}--x--"),
        ] {
            let message = message("multipart/mixed; boundary=\"x\"", &parts);
            assert_eq!(Body::of(&message), Body::Sdp(b"v=0\r\ns=-\r\n"), "{parts}");
        }
    }

    #[test]
    fn a_broken_multipart_body_holds_no_sdp() {
        let sdp = "--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n";
        for (kind, body) in [
            ("multipart/mixed", sdp.to_owned() + "--x--"),
            ("multipart/mixed;boundary=", sdp.to_owned() + "--x--"),
            ("multipart/mixed;boundary=x", sdp.to_owned()),
            ("multipart/mixed;boundary=y", sdp.to_owned() + "--x--"),
            (
                "multipart/mixed;boundary=x",
                "--x\r\n--x\r\n--x--".to_owned(),
            ),
        ] {
            assert_eq!(
                Body::of(&message(kind, &body)),
                Body::Other,
                "{kind} {body}"
            );
        }
    }
}
