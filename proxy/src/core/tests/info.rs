//! INFO that is about the media: keys, and pictures.

use control_proto::{Command as Ng, Request, Value, flag};
use sip::{Message, Method};

use super::super::*;
use super::bench::*;

/// The same INFO with a body.
fn with(info: Vec<u8>, kind: &str, body: &str) -> Vec<u8> {
    let mut info = Message::parse(info).unwrap();
    info.set_body(kind, body.as_bytes()).unwrap();
    info.into_bytes()
}

const KEY: &str = "Signal=5\r\nDuration=100";
const RELAY: &str = "application/dtmf-relay";
const WISH: &str = "<media_control><vc_primitive><to_encoder><picture_fast_update/></to_encoder></vc_primitive></media_control>";

fn last(bench: &Bench) -> &Request {
    bench.asked.last().unwrap()
}

/// Answers the open question with an error, as a relay does that cannot.
fn relay_refuses(bench: &mut Bench) {
    let (id, _) = bench.open_asks.pop_front().unwrap();
    let reply = Ok(control_proto::Response::error(
        "No telephone-event payload type negotiated",
    ));
    bench.input(Input::Relayed { id, reply });
}

#[test]
fn a_key_pressed_in_a_browser_is_played_by_the_relay_and_answered_here() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    let session = last(&bench).call_id.clone();
    assert!(
        bench
            .asked
            .iter()
            .all(|asked| asked.flags.has(flag::INJECT_DTMF))
    );
    let info = in_dialog("INFO", &call.at_browser, 2, "", "key");
    bench.browser_sends(flow, with(info, RELAY, KEY));
    let play = last(&bench);
    assert_eq!((play.command, &play.call_id), (Ng::PlayDtmf, &session));
    assert_eq!(
        play.from_tag.as_deref(),
        Some("alicetag"),
        "the browser presses it"
    );
    let of = |name: &str| play.other.get(name).cloned();
    assert_eq!(
        (of("code"), of("duration")),
        (Some("5".into()), Some(Value::from(100)))
    );
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    bench.silence();
    bench.assert_drained();
}

#[test]
fn a_key_that_the_relay_cannot_play_passes_as_it_is() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    bench.relay_answers = false;
    for gone in [false, true] {
        let cseq = 2 + u32::from(gone);
        let info = in_dialog("INFO", &call.at_browser, cseq, "", &format!("key{cseq}"));
        bench.browser_sends(flow, with(info, RELAY, KEY));
        bench.silence();
        match gone {
            false => relay_refuses(&mut bench),
            true => bench.wait(std::time::Duration::from_secs(8)),
        }
        let up = bench.upstream_gets();
        assert!(up.is(&Method::Info) && up.is_content_type(RELAY));
        assert_eq!(body(&up), KEY);
        bench.upstream_sends(reply(&up, 200, &[], ""));
        assert_eq!(bench.browser_gets(flow).status(), Some(200));
    }
    bench.silence();
}

#[test]
fn keys_pass_as_they_are_where_the_file_says_so_and_from_phones() {
    let mut bench = Bench::with(|config| config.dtmf_events = false);
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    assert!(
        !bench
            .asked
            .iter()
            .any(|asked| asked.flags.has(flag::INJECT_DTMF))
    );
    let info = in_dialog("INFO", &call.at_browser, 2, "", "key");
    bench.browser_sends(flow, with(info, RELAY, KEY));
    assert!(bench.upstream_gets().is(&Method::Info));

    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    let info = from_callee("INFO", &call.at_phone, 1, "", "key");
    bench.upstream_sends(with(info, RELAY, KEY));
    assert!(bench.browser_gets(flow).is(&Method::Info));
    assert_eq!(bench.count(Ng::PlayDtmf), 0);
}

#[test]
fn a_phones_wish_for_a_picture_is_the_relays_to_fulfil_or_else_the_browsers() {
    let mut bench = Bench::new();
    let flow = bench.open(1);
    let call = bench.call_phone(flow, "c");
    bench.relay_answers = false;
    let kind = "application/media_control+xml";
    for (cseq, can) in [(1, true), (2, false)] {
        let info = from_callee("INFO", &call.at_phone, cseq, "", &format!("wish{cseq}"));
        bench.upstream_sends(with(info, kind, WISH));
        let asked = last(&bench);
        assert_eq!(
            (asked.command, asked.from_tag.as_deref()),
            (Ng::RequestPicture, Some("alicetag"))
        );
        match can {
            true => bench.relay_replies(),
            false => {
                relay_refuses(&mut bench);
                let down = bench.browser_gets(flow);
                assert_eq!(body(&down), WISH);
                bench.browser_sends(flow, reply(&down, 200, &[], ""));
            }
        }
        assert_eq!(bench.upstream_gets().status(), Some(200));
    }
    // From a browser it is the phone's business.
    let info = in_dialog("INFO", &call.at_browser, 2, "", "wish");
    bench.browser_sends(flow, with(info, kind, WISH));
    assert!(bench.upstream_gets().is(&Method::Info));
    bench.silence();
}
