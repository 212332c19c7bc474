//! Whether the other side of a call must hear of a re-offer, by the bodies alone. The relay stands between the two: where
//! one of them sends and receives, its ICE and its keys are nothing to the other. What is left are the media, which way they
//! flow, and what they are made of.

use sdp::{Attribute, Direction, Formats, Group, Media, Payload, Session, Setup};

/// Attributes without a field of their own in [`Media`] that are between a party and the relay.
const OF_THE_LEG: [&str; 10] = [
    "extmap-allow-mixed",
    "ice-mismatch",
    "ice-pacing",
    "identity",
    "msid",
    "msid-semantic",
    "rtcp-rsize",
    "ssrc",
    "ssrc-group",
    "x-google-flag",
];

/// What was agreed on last: the body of the party that offers anew, and that of the other one.
pub(super) struct Agreed<'a> {
    pub(super) own: &'a [u8],
    pub(super) other: &'a [u8],
    /// Whether the other one's was the offer.
    pub(super) other_offered: bool,
}

/// The other side's answer to this offer, made of what it said last; `None` if it has to be asked.
pub(super) fn answer(agreed: &Agreed<'_>, offer: &[u8]) -> Option<Vec<u8>> {
    let [own, offer, mut other] =
        [agreed.own, offer, agreed.other].map(|body| Session::parse(body).ok());
    let (own, offer, other) = (own?, offer?, other.as_mut()?);
    let same = own
        .groups
        .iter()
        .map(group)
        .eq(offer.groups.iter().map(group))
        && own.bandwidths == offer.bandwidths
        && for_others(&own.attributes) == for_others(&offer.attributes)
        && own.media.len() == offer.media.len()
        && own.media.len() == other.media.len()
        && !own.media.is_empty();
    if !same {
        return None;
    }
    for ((own, offer), other) in own.media.iter().zip(&offer.media).zip(&mut other.media) {
        let used = used(own, other);
        if !is_same(own, offer) || !formats_stand(own, offer, &used) {
            return None;
        }
        if agreed.other_offered && !becomes_answer(own, offer, other, &used) {
            return None;
        }
        if !fits(other.direction, offer.direction) {
            return None;
        }
    }
    match agreed.other_offered {
        true => Some(other.to_bytes()),
        false => Some(agreed.other.to_vec()),
    }
}

/// What a group says, but for its type.
fn group(group: &Group) -> (&str, Vec<&str>) {
    let mids = group.mids.iter().map(|mid| mid.as_str());
    (group.semantics.as_str(), mids.collect())
}

/// The attributes that mean something to the other side, in any order.
fn for_others(attributes: &[Attribute]) -> Vec<(&str, Option<&str>)> {
    let mut kept: Vec<_> = attributes
        .iter()
        .map(|attribute| {
            let value = attribute.value.as_ref().map(|value| value.as_str());
            (attribute.name.as_str(), value)
        })
        .filter(|(name, _)| !OF_THE_LEG.contains(name))
        .collect();
    kept.sort_unstable();
    kept
}

/// Whether a medium is what it was, its formats aside.
fn is_same(own: &Media, offer: &Media) -> bool {
    own.kind == offer.kind
        && own.protocol == offer.protocol
        && own.mid == offer.mid
        && own.is_rejected() == offer.is_rejected()
        && own.direction == offer.direction
        && is_held(own) == is_held(offer)
        && own.ptime == offer.ptime
        && own.maxptime == offer.maxptime
        && own.bandwidths == offer.bandwidths
        && for_others(&own.attributes) == for_others(&offer.attributes)
}

/// The old way to hold (RFC 3264 section 8.4). A browser hides its address by it.
fn is_held(media: &Media) -> bool {
    let nowhere = media
        .connection
        .as_ref()
        .is_some_and(|c| c.is_unspecified());
    nowhere && media.ice.ufrag.is_none()
}

/// The formats of the last offer and answer that both sides have: nothing else may be in use.
fn used(own: &Media, other: &Media) -> Vec<u8> {
    let known = |payload: &&Payload| counterpart(payload, other).is_some();
    let both = own.payloads().iter().filter(known);
    both.map(|payload| payload.number).collect()
}

/// What the other side calls this format.
fn counterpart<'a>(payload: &Payload, other: &'a Media) -> Option<&'a Payload> {
    let same_encoding = |known: &&Payload| is_same_encoding(known, payload);
    let same_number = other.payload(payload.number);
    let by_name = || other.payloads().iter().find(same_encoding);
    same_number.filter(same_encoding).or_else(by_name)
}

fn is_same_encoding(one: &Payload, other: &Payload) -> bool {
    match (&one.encoding, &other.encoding) {
        (Some(one), Some(other)) => {
            one.is(&other.name, other.clock_rate) && one.parameters == other.parameters
        }
        (None, None) => one.number == other.number,
        _ => false,
    }
}

/// Whether all that is in use stays as it was, and nothing new is preferred to it.
fn formats_stand(own: &Media, offer: &Media, used: &[u8]) -> bool {
    let (Formats::Rtp(before), Formats::Rtp(now)) = (&own.formats, &offer.formats) else {
        return own.formats == offer.formats;
    };
    let is_used = |payload: &&Payload| used.contains(&payload.number);
    let stands = |payload: &Payload| {
        let now = offer.payload(payload.number);
        now.is_some_and(|now| is_same_encoding(now, payload) && now.fmtp == payload.fmtp)
    };
    let preferred = now.iter().take_while(|payload| !is_used(payload));
    let order =
        |list: &[Payload]| -> Vec<u8> { list.iter().filter(is_used).map(|p| p.number).collect() };
    (!used.is_empty() || own.is_rejected())
        && before.iter().filter(is_used).all(stands)
        && order(before) == order(now)
        && preferred
            .into_iter()
            .all(|new| own.payload(new.number).is_some())
}

/// Makes of the other side's last offer what it would answer now. False if that is not clear.
fn becomes_answer(own: &Media, offer: &Media, other: &mut Media, used: &[u8]) -> bool {
    if own.is_rejected() {
        return false;
    }
    let sends = other.direction.sends() && offer.direction.receives();
    let receives = other.direction.receives() && offer.direction.sends();
    other.direction = Direction::new(sends, receives);
    // It was offered the choice, and the relay has left the beginning of DTLS to it.
    if other.setup == Some(Setup::ActPass) {
        other.setup = Some(Setup::Active);
    }
    let names: Vec<Payload> = own
        .payloads()
        .iter()
        .filter(|payload| used.contains(&payload.number))
        .cloned()
        .collect();
    let kept = |payload: &Payload| names.iter().any(|name| is_same_encoding(name, payload));
    match &mut other.formats {
        Formats::Rtp(payloads) => {
            payloads.retain(kept);
            !payloads.is_empty()
        }
        Formats::Other(_) => true,
    }
}

/// Whether this direction may answer that one (RFC 3264 section 6.1).
fn fits(answer: Direction, offer: Direction) -> bool {
    (!answer.sends() || offer.receives()) && (!answer.receives() || offer.sends())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROWSER_OFFER: &str = "v=0\r\no=- 7 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        a=msid-semantic: WMS x\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 126\r\nc=IN IP4 0.0.0.0\r\n\
        a=ice-ufrag:old1\r\na=ice-pwd:oldpasswordoldpasswordo1\r\n\
        a=fingerprint:sha-256 3A:96:6D:57:B2:C2:C7:61:A0:46:3E:1C:97:39:D3:F7:0A:88:A0:B1:EC:03:FB:10:A5:5D:3A:37:AB:DD:02:AA\r\n\
        a=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:1 cname:a\r\n";
    const PHONE_ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=phone\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 0 126\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:126 telephone-event/8000\r\na=ptime:20\r\n";

    /// The phone offers anew, changed by these replacements.
    fn phone_again(changes: &[(&str, &str)]) -> Option<String> {
        let offer = changed(PHONE_ANSWER, changes);
        let agreed = Agreed {
            own: PHONE_ANSWER.as_bytes(),
            other: BROWSER_OFFER.as_bytes(),
            other_offered: true,
        };
        answer(&agreed, offer.as_bytes()).map(|body| String::from_utf8(body).unwrap())
    }

    /// The browser does.
    fn browser_again(changes: &[(&str, &str)]) -> Option<String> {
        let offer = changed(BROWSER_OFFER, changes);
        let agreed = Agreed {
            own: BROWSER_OFFER.as_bytes(),
            other: PHONE_ANSWER.as_bytes(),
            other_offered: false,
        };
        answer(&agreed, offer.as_bytes()).map(|body| String::from_utf8(body).unwrap())
    }

    fn changed(body: &str, changes: &[(&str, &str)]) -> String {
        changes.iter().fold(body.to_owned(), |body, (from, to)| {
            assert!(body.contains(from), "{from}");
            body.replace(from, to)
        })
    }

    #[test]
    fn where_a_party_is_and_its_keys_are_nothing_to_the_other() {
        for changes in [
            &[][..],
            &[("o=- 1 1", "o=- 1 2")],
            &[("10.0.0.9", "10.0.0.77"), ("audio 4000", "audio 6000")],
            &[("s=phone", "s=other"), ("t=0 0", "t=1 1")],
            // More to choose from, and less liked.
            &[("AVP 0 126", "AVP 0 126 8")],
            &[("a=ptime", "a=rtcp:4001\r\na=ptime")],
            &[("rtpmap:0 PCMU/8000", "rtpmap:0 pcmu/8000")],
        ] {
            assert!(phone_again(changes).is_some(), "{changes:?}");
        }
        for changes in [
            &[][..],
            &[("old", "new"), ("o=- 7 2", "o=- 7 3")],
            &[("cname:a", "cname:b"), ("WMS x", "WMS y")],
            &[(
                "a=setup:actpass",
                "a=setup:actpass\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host",
            )],
            &[("3A:96", "3A:97")],
        ] {
            assert_eq!(
                browser_again(changes).as_deref(),
                Some(PHONE_ANSWER),
                "{changes:?}"
            );
        }
    }

    #[test]
    fn what_changes_the_call_is_for_the_other_to_answer() {
        for changes in [
            &[("a=ptime", "a=sendonly\r\na=ptime")][..],
            &[("a=ptime", "a=inactive\r\na=ptime")],
            &[("c=IN IP4 10.0.0.9", "c=IN IP4 0.0.0.0")],
            &[("RTP/AVP 0 126", "RTP/AVP 8 126")],
            &[("RTP/AVP 0 126", "RTP/AVP 9 0 126")],
            &[("RTP/AVP 0 126", "RTP/AVP 0")],
            &[("RTP/AVP 0 126", "RTP/AVP 126 0")],
            &[(
                "rtpmap:126 telephone-event/8000",
                "rtpmap:126 telephone-event/16000",
            )],
            &[("a=ptime:20", "a=ptime:20\r\na=fmtp:0 x=1")],
            &[("a=ptime:20", "a=ptime:30")],
            &[("a=ptime:20", "a=ptime:20\r\na=content:slides")],
            &[("a=ptime:20", "a=ptime:20\r\nm=video 4002 RTP/AVP 34")],
            &[("RTP/AVP", "RTP/SAVP")],
            &[("audio 4000", "audio 0")],
            &[("audio 4000", "video 4000")],
            &[("t=0 0", "b=AS:64\r\nt=0 0")],
            // Nothing in common is no agreement.
            &[("RTP/AVP 0 126", "RTP/AVP 3")],
            &[("v=0", "v=1")],
        ] {
            assert_eq!(phone_again(changes), None, "{changes:?}");
        }
        for changes in [
            &[("a=sendrecv", "a=sendonly")][..],
            &[("a=sendrecv", "a=inactive")],
            &[("SAVPF 111 0 8 126", "SAVPF 111 8 126")],
            &[(
                "useinbandfec=1\r\na=rtpmap:126",
                "useinbandfec=1\r\na=fmtp:0 x=1\r\na=rtpmap:126",
            )],
            &[("a=group:BUNDLE 0", "a=group:BUNDLE 0 1")],
            &[("a=mid:0", "a=mid:1")],
        ] {
            assert_eq!(browser_again(changes), None, "{changes:?}");
        }
    }

    #[test]
    fn an_offer_becomes_the_answer_that_its_party_would_give() {
        let body = phone_again(&[("4000", "6000")]).unwrap();
        assert!(
            body.contains("m=audio 9 UDP/TLS/RTP/SAVPF 0 126\r\n"),
            "{body}"
        );
        for kept in [
            "a=setup:active",
            "a=ice-ufrag:old1",
            "a=sendrecv",
            "a=mid:0",
        ] {
            assert!(body.contains(kept), "{kept} in {body}");
        }
        assert!(!body.contains("opus"));
    }

    #[test]
    fn a_held_call_stays_held_both_ways() {
        let [own, other] = ["a=recvonly\r\n", "a=sendonly\r\n"]
            .map(|direction| PHONE_ANSWER.to_owned() + direction);
        for (other_offered, expected) in [(false, "a=sendonly"), (true, "a=sendonly")] {
            let agreed = Agreed {
                own: own.as_bytes(),
                other: other.as_bytes(),
                other_offered,
            };
            let body = answer(&agreed, own.as_bytes()).unwrap();
            assert!(String::from_utf8(body).unwrap().contains(expected));
        }
        // What was offered both ways and answered one way is answered one way.
        let agreed = Agreed {
            own: own.as_bytes(),
            other: PHONE_ANSWER.as_bytes(),
            other_offered: true,
        };
        let body = answer(&agreed, own.as_bytes()).unwrap();
        assert!(String::from_utf8(body).unwrap().contains("a=sendonly"));
    }
}
