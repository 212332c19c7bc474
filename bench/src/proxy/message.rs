//! SIP as far as a load generator reads it: first line, headers by name, body. It takes what an edge sends as it stands
//! and never repairs anything.

/// A request or response, in its own text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    first: &'a str,
    headers: &'a str,
    pub(crate) body: &'a str,
}

impl<'a> Message<'a> {
    /// `None` without an empty line after the headers.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let (first, headers) = head.split_once("\r\n")?;
        Some(Self {
            first,
            headers,
            body,
        })
    }

    /// Of a response.
    pub(crate) fn status(&self) -> Option<u16> {
        let rest = self.first.strip_prefix("SIP/2.0 ")?;
        rest.get(..3)?.parse().ok()
    }

    /// Of a request.
    pub(crate) fn method(&self) -> Option<&'a str> {
        let (method, rest) = self.first.split_once(' ')?;
        rest.ends_with(" SIP/2.0").then_some(method)
    }

    /// The values of all lines of this name, in their order.
    pub(crate) fn lines(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.split("\r\n").filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found
                .trim_end()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim())
        })
    }

    /// The first of them.
    pub(crate) fn value(&self, name: &str) -> Option<&'a str> {
        self.lines(name).next()
    }

    /// The values of a list of URIs in brackets, whether in one line or in several.
    pub(crate) fn list(&self, name: &str) -> Vec<&'a str> {
        let values = self.lines(name).flat_map(|line| line.split(','));
        values.map(str::trim).collect()
    }

    /// A parameter of this kind: `name=value` or `name="value"`.
    pub(crate) fn parameter(value: &'a str, name: &str) -> Option<&'a str> {
        let words = value.split([',', ';', ' ']).filter_map(|word| {
            let (found, value) = word.trim().split_once('=')?;
            found.eq_ignore_ascii_case(name).then_some(value)
        });
        words.map(|value| value.trim_matches('"')).next()
    }

    /// What is between `<` and `>`.
    pub(crate) fn uri(value: &'a str) -> Option<&'a str> {
        Some(value.split_once('<')?.1.split_once('>')?.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_response_is_read_as_it_stands() {
        let text = "SIP/2.0 401 Unauthorized\r\nCSeq: 1 REGISTER\r\nRecord-Route: <sip:a;lr>, <sip:b;lr>\r\n\
                    record-route : <sip:c;lr>\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"n=\",qop=\"auth\"\r\n\r\nbody";
        let message = Message::read(text).unwrap();
        assert_eq!((message.status(), message.method()), (Some(401), None));
        assert_eq!(
            message.list("Record-Route"),
            ["<sip:a;lr>", "<sip:b;lr>", "<sip:c;lr>"]
        );
        let challenge = message.value("www-authenticate").unwrap();
        assert_eq!(Message::parameter(challenge, "nonce"), Some("n="));
        assert_eq!(Message::parameter(challenge, "qop"), Some("auth"));
        assert_eq!(message.body, "body");
        assert!(Message::read("SIP/2.0 200 OK\r\n").is_none());
    }
}
