//! The order of several challenges in one 401 or 407. Both sip.js and JsSIP know MD5 only and take the last challenge
//! they see; an upstream that also offers SHA-256 (RFC 8760) would lock them out.

use sip::{Error, HeaderText, Message};

/// Puts the challenges that browsers understand last. What each says is not touched.
pub(super) fn understood_last(response: &mut Message) -> Result<(), Error> {
    for name in ["WWW-Authenticate", "Proxy-Authenticate"] {
        let values: Vec<_> = response.headers(name).collect();
        let challenges = values.iter().flat_map(|value| one_by_one(value));
        let mut challenges: Vec<&str> = challenges.collect();
        if challenges.len() < 2 {
            continue;
        }
        challenges.sort_by_key(|challenge| is_md5(challenge));
        let challenges: Vec<_> = challenges.into_iter().map(HeaderText::new).collect();
        response.remove_all(name)?;
        for challenge in challenges {
            response.append(name, challenge?)?;
        }
    }
    Ok(())
}

/// The challenges of one header line: a comma stands between their parameters as well, so that a new one is known by its
/// first word, which is no parameter.
pub(super) fn one_by_one(value: &str) -> Vec<&str> {
    let mut challenges = Vec::new();
    let (mut quoted, mut begin, mut rest) = (false, 0, value);
    loop {
        // Quotes may hold commas.
        let end = rest.bytes().position(|octet| {
            quoted ^= octet == b'"';
            octet == b',' && !quoted
        });
        let at = value.len().saturating_sub(rest.len());
        let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let words = &mut part.split_ascii_whitespace();
        let is_parameter = words.next().is_some_and(|first| first.contains('='));
        if at > 0 && !is_parameter {
            challenges.extend(value.get(begin..at.saturating_sub(1)));
            begin = at;
        }
        let Some(after) = end.and_then(|end| rest.get(end.saturating_add(1)..)) else {
            break;
        };
        rest = after;
    }
    challenges.extend(value.get(begin..));
    challenges.into_iter().map(str::trim).collect()
}

/// Digest whose algorithm is MD5, or not named, which means the same (RFC 7616 section 3.3).
fn is_md5(challenge: &str) -> bool {
    let lower = challenge.to_ascii_lowercase();
    let algorithm = lower
        .split_once("algorithm")
        .map(|(_, after)| after.trim_start_matches([' ', '=', '"']));
    let is_plain_md5 = |text: &str| text.starts_with("md5") && !text.starts_with("md5-");
    lower.starts_with("digest") && algorithm.is_none_or(is_plain_md5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_comes_last_and_one_alone_stays_where_it_is() {
        let text = "SIP/2.0 401 Unauthorized\r\n\
            WWW-Authenticate: Digest realm=\"x\", algorithm=MD5, nonce=\"1\"\r\n\
            WWW-Authenticate: Digest realm=\"x\", algorithm=SHA-256, nonce=\"2\"\r\n\
            Proxy-Authenticate: Digest realm=\"y\", nonce=\"3\"\r\n\
            Server: x\r\n\r\n";
        let mut response = Message::parse(text.as_bytes().to_vec()).unwrap();
        understood_last(&mut response).unwrap();
        let order: Vec<_> = response
            .headers("WWW-Authenticate")
            .map(|value| value.into_owned())
            .collect();
        assert!(
            order[0].contains("SHA-256") && order[1].contains("MD5"),
            "{order:?}"
        );
        assert!(
            response
                .fields()
                .any(|(name, _)| name == "Proxy-Authenticate")
        );
        assert!(is_md5("Digest realm=\"x\", nonce=\"1\"") && !is_md5("Bearer realm=\"x\""));
        assert!(!is_md5("Digest algorithm = \"MD5-sess\""));
    }

    #[test]
    fn challenges_that_share_a_line_are_told_apart() {
        let text = "SIP/2.0 407 x\r\n\
            Proxy-Authenticate: Digest realm=\"a, Digest b\", nonce=\"1\", qop=\"auth,auth-int\",Digest \
            realm=\"y\", algorithm=SHA-256, nonce=\"2\"\r\n\r\n";
        let mut response = Message::parse(text.as_bytes().to_vec()).unwrap();
        understood_last(&mut response).unwrap();
        let seen: Vec<_> = response
            .headers("Proxy-Authenticate")
            .map(|value| value.into_owned())
            .collect();
        let md5 = "Digest realm=\"a, Digest b\", nonce=\"1\", qop=\"auth,auth-int\"";
        assert_eq!(
            seen,
            ["Digest realm=\"y\", algorithm=SHA-256, nonce=\"2\"", md5]
        );
    }
}
