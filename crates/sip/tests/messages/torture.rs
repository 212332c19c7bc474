//! The 49 messages of RFC 4475 and those of RFC 5118, each with the outcome that a proxy owes.

use std::path::{Path, PathBuf};

use causeway_sip::{Error, Message, refusal_to_unparsable, validate};

/// What becomes of a message at the message layer.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// It is served (or, further up, answered for reasons of its own).
    Serve,
    /// A request that is answered with this status.
    Refuse(u16),
    /// A response, or no SIP at all: nothing is owed.
    Drop,
}
use Outcome::{Drop, Refuse, Serve};

const RFC_4475: [(&str, Outcome); 49] = [
    // 3.1.1 valid
    ("wsinv", Serve),
    ("intmeth", Serve),
    ("esc01", Serve),
    ("escnull", Serve),
    ("esc02", Serve),
    ("lwsdisp", Serve),
    ("longreq", Serve),
    ("dblreq", Serve),
    ("semiuri", Serve),
    ("transports", Serve),
    ("mpart01", Serve),
    ("unreason", Serve),
    ("noreason", Serve),
    // 3.1.2 invalid
    ("badinv01", Refuse(400)),
    ("clerr", Refuse(400)),
    ("ncl", Refuse(400)),
    ("scalar02", Refuse(400)),
    ("scalarlg", Drop),
    ("quotbal", Refuse(400)),
    ("ltgtruri", Refuse(400)),
    ("lwsruri", Refuse(400)),
    ("lwsstart", Refuse(400)),
    ("trws", Refuse(400)),
    ("escruri", Refuse(400)),
    ("baddate", Serve), // 3.1.2.12: a proxy need not understand Date
    ("regbadct", Refuse(400)),
    ("badaspec", Serve), // 3.1.2.14: nothing here turns on the To URI; passed on as it is
    ("baddn", Refuse(400)),
    ("badvers", Refuse(505)),
    ("mismatch01", Refuse(400)),
    ("mismatch02", Refuse(400)),
    ("bigcode", Drop),
    // 3.2 transaction layer
    ("badbranch", Serve),
    // 3.3 application layer
    ("insuf", Refuse(400)),
    ("unkscm", Refuse(416)),
    ("novelsc", Refuse(416)),
    ("unksm2", Serve),
    ("bext01", Serve), // 420 is the proxy core's
    ("invut", Serve),
    ("regaut01", Serve),
    ("multi01", Refuse(400)),
    ("mcl01", Refuse(400)),
    ("bcast", Serve),
    ("zeromf", Serve), // 483 is the proxy core's
    ("cparam01", Serve),
    ("cparam02", Serve),
    ("regescrt", Serve),
    ("sdp01", Serve),
    // 3.4 RFC 2543
    ("inv2543", Serve),
];

const RFC_5118: [(&str, Outcome); 11] = [
    ("4.1-good", Serve),
    ("4.2-bad", Refuse(400)),
    ("4.3-port-ambiguous", Serve),
    ("4.4-port-unambiguous", Serve),
    ("4.5-received-delimiters", Serve),
    ("4.5-received-no-delimiters", Serve),
    ("4.6-sdp", Serve),
    ("4.7-mixed-vias", Serve),
    ("4.8-mixed-sdp", Serve),
    ("4.9-mapped", Serve),
    ("4.10-three-colons", Serve),
];

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/messages")
        .join(name)
}

pub(crate) fn bytes(rfc: &str, name: &str) -> Vec<u8> {
    std::fs::read(folder(rfc).join(format!("{name}.dat"))).unwrap()
}

fn message(name: &str) -> Message {
    Message::parse(bytes("torture", name)).unwrap()
}

fn outcome(bytes: &[u8]) -> Outcome {
    let (status, answer) = match Message::parse(bytes.to_vec()) {
        Err(error) => match refusal_to_unparsable(bytes, error, "t") {
            Some(answer) => (answer.status().unwrap(), answer),
            None => return Drop,
        },
        Ok(message) => match validate(&message) {
            Ok(()) => {
                let kept = message.as_bytes();
                assert!(bytes.starts_with(kept), "what is served leaves as it came");
                return Serve;
            }
            Err(_) if !message.is_request() => return Drop,
            Err(refusal) => (refusal.status, refusal.response(&message, "t").unwrap()),
        },
    };
    assert_eq!(answer.status(), Some(status));
    assert!(
        answer.top_via().is_some() || answer.header("Via").is_some(),
        "an answer finds its way"
    );
    Refuse(status)
}

#[test]
fn every_message_of_rfc_4475_has_the_outcome_owed() {
    for (name, owed) in &RFC_4475 {
        assert_eq!(outcome(&bytes("torture", name)), *owed, "{name}");
    }
    assert_eq!(
        std::fs::read_dir(folder("torture")).unwrap().count(),
        RFC_4475.len()
    );
}

#[test]
fn every_message_of_rfc_5118_has_the_outcome_owed() {
    for (name, owed) in &RFC_5118 {
        assert_eq!(outcome(&bytes("ipv6", name)), *owed, "{name}");
    }
    assert_eq!(
        std::fs::read_dir(folder("ipv6")).unwrap().count(),
        RFC_5118.len()
    );
}

#[test]
fn the_tortuous_invite_is_understood_through_folds_and_compact_forms() {
    let invite = message("wsinv");
    assert_eq!(invite.uri().unwrap().host(), "chair-dnrc.example.com");
    assert_eq!(invite.to_tag(), Some("1918181833n"));
    let from = invite.from().unwrap();
    assert_eq!(
        (from.display_name().as_ref(), from.tag()),
        ("J Rosenberg \\\"", Some("98asjd8"))
    );
    assert_eq!(invite.max_forwards(), Some(68));
    assert_eq!(invite.cseq().unwrap().to_string(), "9 INVITE");
    let vias: Vec<_> = invite
        .vias()
        .map(|via| via.unwrap())
        .map(|via| (via.transport(), via.host(), via.branch()))
        .collect();
    assert_eq!(
        vias,
        [
            ("UDP", "192.0.2.2", Some("390skdjuw")),
            ("TCP", "spindle.example.com", Some("z9hG4bK9ikj8")),
            ("UDP", "192.168.255.111", Some("z9hG4bK30239")),
        ]
    );
    assert_eq!(invite.header("Subject").unwrap(), "");
    assert_eq!(
        invite.header("NewFangledHeader").unwrap(),
        "newfangled value continued newfangled value"
    );
    assert_eq!(
        invite.header("unknownheaderwithunusualvalue").unwrap(),
        ";;,,;;,;"
    );
    let route = invite.routes().next().unwrap().unwrap();
    assert_eq!(route.uri().unwrap().param("lr"), Some(""));
    let contact = invite.contacts().next().unwrap().unwrap();
    assert_eq!(
        (contact.display_name().as_ref(), contact.param("q")),
        ("Quoted string \"\"", Some("0.33"))
    );
    assert_eq!(invite.body().len(), 150);
}

#[test]
fn escapes_and_odd_tokens_are_data_not_structure() {
    let odd = message("intmeth");
    assert_eq!(
        odd.method().unwrap().as_str(),
        "!interesting-Method0123456789_*+`.%indeed'~"
    );
    let uri = odd.uri().unwrap();
    assert_eq!(
        uri.user(),
        Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
    );
    assert_eq!(
        uri.password(),
        Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
    );
    assert_eq!(
        odd.call_id(),
        Some("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")
    );
    assert_eq!(odd.from_tag(), Some("_token~1'+`*%!-."));
    assert_eq!(
        odd.to().unwrap().display_name(),
        "BEL:\u{7} NUL:\0 DEL:\u{7f}"
    );
    assert_eq!(
        message("esc01").uri().unwrap().decoded_user().unwrap(),
        "sips:user@example.com"
    );
    let escaped = message("esc02");
    assert_eq!(escaped.method().unwrap().as_str(), "RE%47IST%45R");
    assert_eq!(escaped.contacts().count(), 2, "C%6Fntact is another header");
    assert_eq!(
        message("semiuri").uri().unwrap().user(),
        Some("user;par=u%40example.net")
    );
    assert_eq!(message("semiuri").values("Accept").count(), 6);
}

#[test]
fn a_datagram_holds_one_message_and_the_rest_is_cut_off() {
    let register = message("dblreq");
    assert_eq!(register.method().unwrap().as_str(), "REGISTER");
    assert!(register.as_bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
    let whole = Message::parse_framed(bytes("torture", "dblreq"), causeway_sip::Framing::Exact);
    assert_eq!(whole.unwrap_err(), Error::BodyTooLong);
}

#[test]
fn long_names_values_and_many_vias_are_within_bounds() {
    let long = message("longreq");
    assert_eq!(long.vias().filter(|via| via.is_ok()).count(), 34);
    assert_eq!(long.from().unwrap().uri().unwrap().host(), "example.net");
    assert_eq!(long.to().unwrap().uri().unwrap().port(), Some(6000));
}

#[test]
fn parameters_belong_to_the_header_unless_brackets_say_otherwise() {
    let (bare, bracketed) = (message("cparam01"), message("cparam02"));
    let bare = bare.contacts().next().unwrap().unwrap();
    assert_eq!(
        (
            bare.param("unknownparam"),
            bare.uri().unwrap().param("unknownparam")
        ),
        (Some(""), None)
    );
    let bracketed = bracketed.contacts().next().unwrap().unwrap();
    assert_eq!(
        (
            bracketed.param("unknownparam"),
            bracketed.uri().unwrap().param("unknownparam")
        ),
        (None, Some(""))
    );
}

#[test]
fn reasons_may_be_absent_or_in_any_language() {
    assert_eq!(message("noreason").reason().unwrap(), "");
    assert!(
        message("unreason")
            .reason()
            .unwrap()
            .starts_with("= 2**3 * 5**2 \u{43d}\u{43e}")
    );
    let mpart = message("mpart01");
    assert_eq!(mpart.body().len(), 553);
    assert!(mpart.is_content_type("Multipart/Mixed"));
}

#[test]
fn numbers_past_their_range_are_the_greatest_where_they_are_times() {
    let scalars = message("scalar02");
    assert_eq!(scalars.expires(), Some(u32::MAX));
    assert_eq!(
        scalars.contacts().next().unwrap().unwrap().expires(),
        Some(u32::MAX)
    );
    assert_eq!(scalars.cseq(), None);
}

#[test]
fn ipv6_addresses_ports_and_received_are_told_apart() {
    let read = |name| Message::parse(bytes("ipv6", name)).unwrap();
    let ambiguous = read("4.3-port-ambiguous");
    assert_eq!(
        (
            ambiguous.uri().unwrap().host(),
            ambiguous.uri().unwrap().port()
        ),
        ("[2001:db8::10:5070]", None)
    );
    let clear = read("4.4-port-unambiguous");
    assert_eq!(
        (clear.uri().unwrap().host(), clear.uri().unwrap().port()),
        ("[2001:db8::10]", Some(5070))
    );
    for name in ["4.5-received-delimiters", "4.5-received-no-delimiters"] {
        assert_eq!(
            read(name).top_via().unwrap().received(),
            Some("2001:db8::9:255".parse().unwrap()),
            "{name}"
        );
    }
    let vias = read("4.7-mixed-vias");
    assert_eq!(vias.top_via().unwrap().port(), Some(6050));
    assert_eq!(read("4.10-three-colons").uri().unwrap().ip(), None);
}
