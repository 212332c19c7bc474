//! Whether a browser's description is one that a browser writes: ICE and DTLS for every medium. A relay sends nothing to
//! somebody with ICE who has not answered for himself with a check; to anybody else it sends wherever his SDP says, which
//! a stranger would have be a host of ours.

use sdp::{Fingerprint, Media, Session, Token};

/// The attribute's value that says which media share a transport (RFC 9143).
const BUNDLE: &str = "BUNDLE";

/// True if no medium of it can make a relay send to an address that has not been heard from.
pub(super) fn is_webrtc(body: &[u8]) -> bool {
    let Ok(session) = Session::parse(&what_counts(body)) else {
        return false;
    };
    let in_use = || session.media.iter().filter(|media| !media.is_rejected());
    let proved = |media: &Media| {
        let (ice, keys) = (&media.ice, &media.fingerprints);
        ice.ufrag.is_some() && ice.pwd.is_some() && is_told(keys)
    };
    let rides = |media: &Media| {
        // RFC 8829 section 5.2.2: what another medium's transport carries need not say anything about it.
        media.mid.as_ref().is_some_and(|mid| {
            in_use().any(|other| proved(other) && is_bundled(&session, mid, other))
        })
    };
    in_use().all(|media| media.protocol.is_dtls() && (proved(media) || rides(media)))
}

/// The attributes that are looked at.
const ATTRIBUTES: [&[u8]; 5] = [
    b"fingerprint:",
    b"group:",
    b"ice-pwd:",
    b"ice-ufrag:",
    b"mid:",
];

/// A description without the attributes that are not looked at, which are most of it. Those with octets that some take for
/// the end of a line stay, for the parser to refuse.
fn what_counts(body: &[u8]) -> Vec<u8> {
    let counts = |line: &[u8]| {
        let Some(attribute) = line.strip_prefix(b"a=") else {
            return true;
        };
        let content = attribute.strip_suffix(b"\n").unwrap_or(attribute);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        ATTRIBUTES.iter().any(|name| content.starts_with(name))
            || content.contains(&b'\r')
            || content.contains(&0)
    };
    let lines = body.split_inclusive(|octet| *octet == b'\n');
    let mut kept = Vec::with_capacity(body.len());
    lines
        .filter(|line| counts(line))
        .for_each(|line| kept.extend_from_slice(line));
    kept
}

fn is_told(fingerprints: &[Fingerprint]) -> bool {
    !fingerprints.is_empty()
}

fn is_bundled(session: &Session, mid: &Token, other: &Media) -> bool {
    let mut groups = session.groups.iter();
    groups.any(|group| {
        let has = |mid: &Token| group.mids.contains(mid);
        group.semantics.as_str() == BUNDLE && has(mid) && other.mid.as_ref().is_some_and(has)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROOF: &str = "a=ice-ufrag:x30D\r\na=ice-pwd:Sr5TWFbN0dpNeWF4QXyGeXKn\r\na=fingerprint:sha-256 \
        6B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n";
    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n";
    const AUDIO: &str = "m=audio 4000 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n";
    const VIDEO: &str = "m=video 4000 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n";

    fn judge(parts: &[&str]) -> bool {
        is_webrtc([&[HEAD], parts].concat().concat().as_bytes())
    }

    #[test]
    fn a_browsers_medium_has_ice_and_dtls_of_its_own_or_the_sessions() {
        assert!(judge(&[AUDIO, PROOF]));
        assert!(judge(&[PROOF, AUDIO, VIDEO]));
        assert!(judge(&[AUDIO, PROOF, VIDEO, PROOF]));
        assert!(judge(&["a=group:BUNDLE 0 1\r\n", AUDIO, PROOF, VIDEO]));
    }

    #[test]
    fn a_medium_that_would_be_sent_to_wherever_its_sdp_says_is_not_a_browsers() {
        let plain = AUDIO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
        let sdes = AUDIO.replace("UDP/TLS/RTP/SAVPF", "RTP/SAVPF");
        assert!(!judge(&[&plain]) && !judge(&[&plain, PROOF]) && !judge(&[&sdes, PROOF]));
        for lacking in ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint"] {
            let less = PROOF.replace(lacking, "a=x-nothing");
            assert!(!judge(&[AUDIO, &less]), "{lacking}");
        }
        assert!(!judge(&[AUDIO, PROOF, VIDEO]), "not bundled");
        assert!(!judge(&["a=group:LS 0 1\r\n", AUDIO, PROOF, VIDEO]));
        let plain = VIDEO.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
        assert!(!judge(&["a=group:BUNDLE 0 1\r\n", AUDIO, PROOF, &plain]));
        assert!(!is_webrtc(b"v=0\r\nwhatever"));
    }

    #[test]
    fn no_line_hides_in_an_attribute() {
        for hidden in ["a=x-y\rm=audio 4002 RTP/AVP 0\r\n", "a=x-y\0z\r\n"] {
            assert!(!judge(&[AUDIO, PROOF, hidden]), "{hidden:?}");
        }
        assert!(judge(&[AUDIO, PROOF, "a=x-y:z\n", "a=sendrecv"]));
    }

    #[test]
    fn a_medium_that_is_refused_needs_nothing() {
        let refused = VIDEO.replace("4000", "0");
        assert!(judge(&[AUDIO, PROOF, &refused]));
    }
}
