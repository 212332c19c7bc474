//! `tel:` and `sips:` in From, To and the Request-URI: browsers' libraries know `sip:` only, answer 416 to a To of another
//! scheme and cannot read such a From at all. A browser is shown a SIP URI that says what it was, and what it says of it later
//! is turned back, in whatever message: nothing is remembered.

use sip::{Error, Message, NameAddr, Scheme};

/// The URI parameter that names the scheme before.
const WAS: &str = ";was=";

/// For a browser. `domain` is where a telephone number is said to be, as RFC 3261 section 19.1.6 has it.
pub(super) fn show(message: &mut Message, domain: &str) -> Result<(), Error> {
    let uri = message.uri_text().and_then(|uri| as_sip(uri, domain));
    if let Some(uri) = uri {
        // What it was is of no use to the browser there: it cannot repeat it.
        message.set_uri(uri.split(WAS).next().unwrap_or(&uri))?;
    }
    both_ends(message, |uri| as_sip(uri, domain))
}

/// From a browser.
pub(super) fn restore(message: &mut Message) -> Result<(), Error> {
    both_ends(message, as_before)
}

fn both_ends(message: &mut Message, change: impl Fn(&str) -> Option<String>) -> Result<(), Error> {
    for name in ["From", "To"] {
        let changed = message.header(name).and_then(|value| {
            let uri = NameAddr::parse(value.as_bytes()).ok()?;
            with_uri(&value, uri.uri_text(), &change(uri.uri_text())?)
        });
        if let Some(changed) = changed {
            message.set(name, changed)?;
        }
    }
    Ok(())
}

/// The value with another URI, which stands in angle brackets.
fn with_uri(value: &str, before: &str, after: &str) -> Option<String> {
    let (head, tail) = match value.rsplit_once(&format!("<{before}>")) {
        Some(around) => around,
        None => ("", value.trim().strip_prefix(before)?),
    };
    Some(format!("{head}<{after}>{tail}"))
}

/// `None` for a URI that a browser understands.
fn as_sip(uri: &str, domain: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    let mut others = ["sips", "tel"].iter();
    if !others.any(|other| scheme.eq_ignore_ascii_case(other)) {
        return None;
    }
    match sip::Uri::parse(uri).ok()?.scheme() {
        Scheme::Sips => Some(format!("sip:{rest}{WAS}sips")),
        Scheme::Tel => Some(format!("sip:{rest}@{domain};user=phone{WAS}tel")),
        Scheme::Sip | Scheme::Other => None,
    }
}

/// `None` for a URI that was never another.
fn as_before(uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("sip:")?;
    if let Some(rest) = rest
        .strip_suffix("sips")
        .and_then(|rest| rest.strip_suffix(WAS))
    {
        return Some(format!("sips:{rest}"));
    }
    let rest = rest
        .strip_suffix("tel")
        .and_then(|rest| rest.strip_suffix(WAS))?;
    let (number, _) = rest.rsplit_once('@')?;
    Some(format!("tel:{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(from: &str, to: &str) -> Message {
        let text = format!("INVITE sips:a@b;p=1 SIP/2.0\r\nFrom: {from}\r\nTo: {to}\r\n\r\n");
        Message::parse(text.into_bytes()).unwrap()
    }

    #[test]
    fn what_a_browser_is_shown_turns_back_into_what_it_was() {
        for (from, to, from_shown) in [
            (
                "\"x\" <tel:+1-201;phone-context=example.org>;tag=1",
                "<sips:alice@example.com;p=1>",
                "\"x\" <sip:+1-201;phone-context=example.org@edge.example;user=phone;was=tel>;tag=1",
            ),
            (
                "<sips:a@b?x=y>",
                "sip:alice@example.com;tag=2",
                "<sip:a@b?x=y;was=sips>",
            ),
            (
                "<tel:+1>;tag=1;x=\"<tel:+2>\"",
                "<sip:b@c>",
                "<sip:+1@edge.example;user=phone;was=tel>;tag=1;x=\"<tel:+2>\"",
            ),
        ] {
            let mut message = shown(from, to);
            show(&mut message, "edge.example").unwrap();
            assert_eq!(message.uri_text(), Some("sip:a@b;p=1"));
            assert_eq!(message.header("From").unwrap(), from_shown);
            let schemes =
                [message.from(), message.to()].map(|end| end.unwrap().uri().unwrap().scheme());
            assert_eq!(schemes, [Scheme::Sip, Scheme::Sip]);
            restore(&mut message).unwrap();
            assert_eq!(message.header("From").unwrap(), from);
            assert_eq!(message.header("To").unwrap(), to);
        }
    }

    #[test]
    fn a_value_without_angle_brackets_gets_them() {
        let mut message = shown("tel:+1;tag=7", "sips:a@b");
        show(&mut message, "d").unwrap();
        assert_eq!(
            message.header("From").unwrap(),
            "<sip:+1@d;user=phone;was=tel>;tag=7"
        );
        assert_eq!(message.from_tag(), Some("7"));
        restore(&mut message).unwrap();
        assert_eq!(message.header("From").unwrap(), "<tel:+1>;tag=7");
        assert_eq!(message.header("To").unwrap(), "<sips:a@b>");
    }
}
