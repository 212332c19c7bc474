//! What sip.js 0.21.2 and JsSIP 3.13.8 put on the wire, by their sources: understood and kept to the byte.

use causeway_sip::{Framing, Message, Method, ResponseBuilder, validate};

const SIPJS_REGISTER: &str = "REGISTER sip:example.com SIP/2.0\r\n\
    Via: SIP/2.0/WSS 8kqcvg4h0d2p.invalid;branch=z9hG4bK4821377\r\n\
    To: <sip:alice@example.com>\r\n\
    From: <sip:alice@example.com>;tag=5g0bq3v5tq\r\n\
    CSeq: 1 REGISTER\r\n\
    Call-ID: 2r6m1jj6o3uuv3gn2kdl\r\n\
    Max-Forwards: 70\r\n\
    Contact: <sip:5ho2t1kc@8kqcvg4h0d2p.invalid;transport=ws>;expires=600\r\n\
    Allow: ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER\r\n\
    Supported: outbound\r\n\
    User-Agent: SIP.js/0.21.2\r\n\
    Content-Length: 0\r\n\r\n";

const JSSIP_REGISTER: &str = "REGISTER sip:example.com SIP/2.0\r\n\
    Via: SIP/2.0/WSS k5lh3vjc5brq.invalid;branch=z9hG4bK7033181\r\n\
    Max-Forwards: 69\r\n\
    To: <sip:bob@example.com>\r\n\
    From: \"Bob \\\"B\\\" Builder\" <sip:bob@example.com>;tag=f9k1b0n1v6\r\n\
    Call-ID: d0m6qb3qd91h6d8mjs6n7t\r\n\
    CSeq: 1 REGISTER\r\n\
    Contact: <sip:0qg2ki1u@k5lh3vjc5brq.invalid;transport=ws>;+sip.ice;reg-id=1;\
    +sip.instance=\"<urn:uuid:91b3bd54-1f0e-4d1c-8e5a-0d8b5f4c7a10>\";expires=600\r\n\
    Expires: 600\r\n\
    Allow: INVITE,ACK,CANCEL,BYE,UPDATE,MESSAGE,OPTIONS,REFER,INFO,NOTIFY\r\n\
    Supported: path,gruu,outbound\r\n\
    User-Agent: JsSIP 3.13.8\r\n\
    Authorization: Digest algorithm=MD5, username=\"bob\", realm=\"example.com\", nonce=\"f8a1\", \
    uri=\"sip:example.com\", response=\"1d0d3c7a17c9b0ef47b4b2d9c6f0e7a1\", qop=auth-int, cnonce=\"9b3v\", nc=00000001\r\n\
    Content-Length: 0\r\n\r\n";

const SDP: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
    a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 101\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=setup:actpass\r\n";

fn invite() -> String {
    format!(
        "INVITE sip:echo@example.com SIP/2.0\r\n\
         Via: SIP/2.0/WSS 8kqcvg4h0d2p.invalid;branch=z9hG4bK9310442\r\n\
         To: <sip:echo@example.com>\r\n\
         From: <sip:alice@example.com>;tag=kg5u1sfmrs\r\n\
         CSeq: 1 INVITE\r\n\
         Call-ID: 2r6m1b2n8fd0c4h5i6jq\r\n\
         Max-Forwards: 70\r\n\
         Contact: <sip:5ho2t1kc@8kqcvg4h0d2p.invalid;transport=ws;ob>\r\n\
         Allow: ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER\r\n\
         Supported: outbound\r\n\
         User-Agent: SIP.js/0.21.2\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

fn read(text: &str) -> Message {
    let message = Message::parse_framed(text.as_bytes().to_vec(), Framing::Exact).unwrap();
    assert_eq!(validate(&message), Ok(()));
    assert_eq!(message.as_bytes(), text.as_bytes());
    message
}

#[test]
fn registers_of_both_clients_are_understood() {
    let sipjs = read(SIPJS_REGISTER);
    let via = sipjs.top_via().unwrap();
    assert_eq!(
        (via.transport(), via.host(), via.port()),
        ("WSS", "8kqcvg4h0d2p.invalid", None)
    );
    let contact = sipjs.contacts().next().unwrap().unwrap();
    assert_eq!(
        (contact.uri().unwrap().user(), contact.expires()),
        (Some("5ho2t1kc"), Some(600))
    );
    assert_eq!(contact.uri().unwrap().param("transport"), Some("ws"));
    assert!(sipjs.lists("Supported", "outbound") && !sipjs.lists("Supported", "path"));

    let jssip = read(JSSIP_REGISTER);
    assert_eq!(jssip.from().unwrap().display_name(), "Bob \"B\" Builder");
    let contact = jssip.contacts().next().unwrap().unwrap();
    assert_eq!(contact.param("reg-id"), Some("1"));
    assert_eq!(
        contact.params().unquoted("+sip.instance").unwrap(),
        "<urn:uuid:91b3bd54-1f0e-4d1c-8e5a-0d8b5f4c7a10>"
    );
    assert_eq!((jssip.expires(), jssip.contacts().count()), (Some(600), 1));
    let credentials =
        causeway_sip::digest::Credentials::parse(&jssip.header("Authorization").unwrap()).unwrap();
    assert_eq!(
        (credentials.username.as_str(), credentials.count()),
        ("bob", Some(1))
    );
    let printed = format!("{jssip:?}{credentials:?}");
    assert!(
        !printed.contains("1d0d3c7a") && !printed.contains("49, 100, 48, 100"),
        "no proof of a password in a log"
    );
}

#[test]
fn a_proxied_invite_differs_only_where_it_was_edited() {
    let mut message = read(&invite());
    assert!(message.is(&Method::Invite) && message.is_content_type("application/sdp"));
    message
        .prepend("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnew;rport")
        .unwrap();
    message
        .prepend("Record-Route", "<sip:token@192.0.2.1;lr>")
        .unwrap();
    message.set("Max-Forwards", 69_u32).unwrap();
    message.set_body("application/sdp", b"v=0\r\n").unwrap();
    let expected = invite()
        .replace(
            "Via:",
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnew;rport\r\nVia:",
        )
        .replace("To:", "Record-Route: <sip:token@192.0.2.1;lr>\r\nTo:")
        .replace("Max-Forwards: 70", "Max-Forwards: 69")
        .replace(&format!("Length: {}", SDP.len()), "Length: 5")
        .replace(SDP, "v=0\r\n");
    assert_eq!(message.as_bytes(), expected.as_bytes());
}

#[test]
fn a_response_returns_the_clients_via_and_contact_byte_for_byte() {
    let register = read(JSSIP_REGISTER);
    let contact = register.raw("Contact").unwrap();
    let ok = ResponseBuilder::new(&register, 200, "OK")
        .to_tag("r1")
        .header("Contact", contact)
        .build()
        .unwrap();
    assert_eq!(ok.raw("Via"), register.raw("Via"));
    assert_eq!(ok.raw("Contact"), register.raw("Contact"));
    assert_eq!(ok.vias().count(), 1);
}
