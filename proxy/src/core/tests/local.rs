//! `registration = "local"`: the edge is the registrar.

use std::time::Duration;

use sip::Message;

use super::super::*;
use super::bench::*;
use super::household::*;

#[test]
fn a_user_registers_with_a_proof_and_nobody_else_hears_of_it() {
    for preferred in ["SHA-256", "MD5"] {
        let mut bench = household();
        let flow = bench.open(1);
        bench.browser_sends(flow, register("alice", 1));
        let asked = bench.browser_gets(flow);
        assert_eq!(asked.status(), Some(401));
        let challenges: Vec<_> = asked
            .headers("WWW-Authenticate")
            .map(|value| value.into_owned())
            .collect();
        assert!(
            challenges[0].contains("SHA-256") && challenges[1].contains("MD5"),
            "browsers know MD5 only and take the last: {challenges:?}"
        );
        let proven = proven(
            register("alice", 2),
            &asked,
            preferred,
            "alice",
            "secret-alice",
            1,
        );
        bench.browser_sends(flow, proven);
        let accepted = bench.browser_gets(flow);
        assert_eq!(accepted.status(), Some(200), "{preferred}");
        assert_eq!(
            accepted.header("Contact").unwrap(),
            contact("alice") + ";expires=600"
        );
        assert_eq!(accepted.header("Require").unwrap(), "outbound");
        bench.silence();
        bench.assert_drained();
    }
}

#[test]
fn an_unknown_user_and_a_wrong_password_are_answered_alike() {
    let mut bench = household();
    let flow = bench.open(1);
    let mut answers = Vec::new();
    for (user, password) in [("alice", "wrong"), ("mallory", "secret-alice")] {
        bench.browser_sends(flow, register(user, 1));
        let asked = bench.browser_gets(flow);
        bench.browser_sends(
            flow,
            proven(register(user, 2), &asked, "MD5", user, password, 1),
        );
        let refused = bench.browser_gets(flow);
        let shape: Vec<String> = refused
            .fields()
            .filter(|(name, _)| !["Via", "From", "To", "Call-ID"].contains(name))
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value).into_owned();
                let nonce = value
                    .split("nonce=\"")
                    .nth(1)
                    .and_then(|rest| rest.split('"').next());
                format!("{name}: {}", value.replace(nonce.unwrap_or("-none-"), "N"))
            })
            .collect();
        answers.push((refused.status(), shape));
    }
    assert_eq!(answers[0].0, Some(401));
    assert_eq!(answers[0], answers[1]);
    assert!(!answers[0].1.iter().any(|line| line.contains("stale")));
}

#[test]
fn a_proof_is_good_once_on_its_own_flow_and_for_a_while() {
    let mut bench = household();
    let (flow, other) = (bench.open(1), bench.open(2));
    bench.browser_sends(flow, register("alice", 1));
    let asked = bench.browser_gets(flow);
    let with = |cseq, count| {
        proven(
            register("alice", cseq),
            &asked,
            "MD5",
            "alice",
            "secret-alice",
            count,
        )
    };
    let stale = |message: Message| {
        message.status() == Some(401)
            && message
                .headers("WWW-Authenticate")
                .all(|value| value.contains("stale=true"))
    };
    bench.browser_sends(other, with(2, 1));
    assert!(stale(bench.browser_gets(other)), "a nonce of another flow");
    bench.browser_sends(flow, with(2, 1));
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
    bench.browser_sends(flow, with(3, 1));
    assert!(stale(bench.browser_gets(flow)), "a replay");
    bench.browser_sends(flow, with(4, 2));
    assert_eq!(
        bench.browser_gets(flow).status(),
        Some(200),
        "the next count"
    );
    bench.wait(Duration::from_secs(301));
    bench.browser_sends(flow, with(5, 3));
    assert!(stale(bench.browser_gets(flow)), "an old nonce");
}

#[test]
fn who_guesses_passwords_loses_his_connection() {
    let mut bench = household();
    let flow = bench.open(1);
    for n in 0..20 {
        bench.browser_sends(flow, register("alice", 2 * n + 1));
        let asked = bench.browser_gets(flow);
        let guess = proven(
            register("alice", 2 * n + 2),
            &asked,
            "MD5",
            "alice",
            "guess",
            1,
        );
        bench.browser_sends(flow, guess);
        assert_eq!(bench.browser_gets(flow).status(), Some(401));
    }
    assert_eq!(bench.closed, [flow]);
}

#[test]
fn a_lifetime_too_brief_is_told_so_and_one_too_long_is_cut() {
    let mut bench = household();
    let flow = bench.open(1);
    let with = |cseq, expires: &str| {
        let mut request = Message::parse(register("alice", cseq)).unwrap();
        request.set("Contact", contact("alice") + expires).unwrap();
        request.into_bytes()
    };
    let brief = bench.sign_in(flow, "alice", with(1, ";expires=5"));
    assert_eq!(brief.status(), Some(423));
    assert_eq!(brief.header("Min-Expires").unwrap(), "60");
    let long = bench.sign_in(flow, "alice", with(3, ";expires=99999"));
    assert_eq!(
        long.header("Contact").unwrap(),
        contact("alice") + ";expires=3600"
    );
}

#[test]
fn a_registration_ends_by_its_time_by_a_word_or_by_a_star() {
    let mut bench = household();
    let (flow, desk) = (bench.open(1), bench.open(2));
    let mut calls = 0;
    let mut silent = |bench: &mut Bench| {
        calls += 1;
        bench.ignore_output();
        bench.upstream_sends(call_to("sip:alice@example.com", &format!("c{calls}")));
        let answers: Vec<_> = bench.upstream_has().iter().map(Message::status).collect();
        answers == [Some(100), Some(480)]
    };
    assert!(silent(&mut bench), "before she registers");
    bench.sign_in(flow, "alice", register("alice", 1));
    bench.wait(Duration::from_secs(601));
    assert!(silent(&mut bench), "after its time");

    bench.sign_in(flow, "alice", register("alice", 3));
    let mut end = Message::parse(register("alice", 5)).unwrap();
    end.set("Contact", contact("alice") + ";expires=0").unwrap();
    let ended = bench.sign_in(flow, "alice", end.into_bytes());
    assert!(ended.status() == Some(200) && !ended.has("Contact"));
    assert!(silent(&mut bench), "after its end");

    bench.sign_in(flow, "alice", register("alice", 7));
    bench.sign_in(desk, "alice", register_as("alice", "desk", "", 9));
    let mut star = Message::parse(register("alice", 11)).unwrap();
    star.set("Contact", "*").unwrap();
    let bad = bench.sign_in(flow, "alice", star.as_bytes().to_vec());
    assert_eq!(bad.status(), Some(400), "a star wants Expires: 0");
    star.set("Expires", "0").unwrap();
    star.set("CSeq", "13 REGISTER").unwrap();
    assert_eq!(
        bench.sign_in(flow, "alice", star.into_bytes()).status(),
        Some(200)
    );
    assert!(silent(&mut bench), "after a star");
    assert!(bench.core.bindings.is_empty());
}

#[test]
fn a_register_that_was_overtaken_changes_nothing() {
    let mut bench = household();
    let flow = bench.open(1);
    bench.sign_in(flow, "alice", register("alice", 10));
    let late = bench.sign_in(flow, "alice", register("alice", 3));
    assert_eq!(late.status(), Some(500));
}

#[test]
fn a_query_shows_every_client_and_binds_none() {
    let mut bench = household();
    let (flow, desk) = (bench.open(1), bench.open(2));
    bench.sign_in(flow, "alice", register("alice", 1));
    bench.wait(Duration::from_secs(100));
    bench.sign_in(desk, "alice", register_as("alice", "desk", "", 1));
    let mut query = Message::parse(register("alice", 3)).unwrap();
    query.remove_all("Contact").unwrap();
    let seen = bench.sign_in(flow, "alice", query.into_bytes());
    let contacts: Vec<_> = seen
        .values("Contact")
        .map(|value| value.into_owned())
        .collect();
    assert_eq!(contacts.len(), 2);
    assert!(contacts[0].ends_with(";expires=500") && contacts[1].ends_with(";expires=600"));
}

#[test]
fn a_users_clients_are_bounded_and_those_that_are_gone_leave_first() {
    let mut bench = household();
    let flows: Vec<_> = (1..=12).map(|n| bench.open(n)).collect();
    for (n, flow) in flows.iter().take(10).enumerate() {
        let register = register_as("alice", &format!("tab{n}"), "", 1);
        assert_eq!(bench.sign_in(*flow, "alice", register).status(), Some(200));
    }
    let eleventh = bench.sign_in(flows[10], "alice", register_as("alice", "tab10", "", 1));
    assert_eq!(eleventh.status(), Some(403));
    bench.close(flows[4]);
    let again = bench.sign_in(flows[10], "alice", register_as("alice", "tab10", "", 3));
    assert_eq!(again.status(), Some(200));
}

#[test]
fn nobody_registers_or_calls_under_anothers_name() {
    let mut bench = household();
    let flow = bench.open(1);
    let mut foreign = Message::parse(register("alice", 1)).unwrap();
    foreign.set("To", "<sip:bob@example.com>").unwrap();
    let refused = bench.sign_in(flow, "alice", foreign.into_bytes());
    assert_eq!(refused.status(), Some(403));

    let foreign = invite("c", "bob", "1", "", BROWSER_SDP);
    let refused = bench.prove(flow, "alice", foreign);
    assert_eq!(refused.status(), Some(403));
    bench.silence();
}

#[test]
fn a_call_to_elsewhere_goes_up_without_the_proof_that_was_for_us() {
    let mut bench = household();
    let flow = bench.open(1);
    let call = String::from_utf8(invite("c", "alice", "1", "Authorization: Digest username=\"a\", realm=\"trunk\", nonce=\"n\", uri=\"u\", response=\"r\"", BROWSER_SDP)).unwrap();
    let call = call.replace("sip:bob@", "sip:+4930123@");
    bench.browser_sends(flow, call.clone());
    assert_eq!(bench.browser_gets(flow).status(), Some(100));
    let asked = bench.browser_gets(flow);
    assert_eq!(asked.status(), Some(407));
    bench.browser_sends(
        flow,
        proven(
            renumbered(call.into(), 2),
            &asked,
            "MD5",
            "alice",
            "secret-alice",
            1,
        ),
    );
    let up = bench.upstream_gets();
    assert_eq!(up.uri_text(), Some("sip:+4930123@example.com"));
    assert!(!up.has("Proxy-Authorization"));
    assert!(
        up.header("Authorization").unwrap().contains("trunk"),
        "what is for others stays"
    );
}

#[test]
fn users_may_change_while_the_edge_runs() {
    let mut bench = household();
    let flow = bench.open(1);
    let mut users = Users::default();
    users.add("carol", "example.com", "new").unwrap();
    bench.input(Input::Users(users.into()));
    let gone = bench.sign_in(flow, "alice", register("alice", 1));
    assert_eq!(gone.status(), Some(401));
    bench.browser_sends(flow, register("carol", 1));
    let asked = bench.browser_gets(flow);
    bench.browser_sends(
        flow,
        proven(register("carol", 2), &asked, "MD5", "carol", "new", 1),
    );
    assert_eq!(bench.browser_gets(flow).status(), Some(200));
}

#[test]
fn a_gruu_reaches_its_device_and_no_other() {
    let mut bench = household();
    let (phone, desk, caller) = (bench.open(1), bench.open(2), bench.open(3));
    let first = bench.sign_in(phone, "alice", register_as("alice", "phone", "gruu", 1));
    bench.sign_in(desk, "alice", register_as("alice", "desk", "gruu", 1));
    let gruu = |message: &Message, name: &str| {
        let contact = message.contacts().next().unwrap().unwrap();
        contact.params().unquoted(name).unwrap().into_owned()
    };
    let public = gruu(&first, "pub-gruu");
    assert_eq!(public, "sip:alice@example.com;gr=urn:uuid:phone");
    let temporary = gruu(&first, "temp-gruu");
    assert!(temporary.ends_with("@example.com;gr") && !temporary.contains("alice"));
    for (n, uri) in [&public, &temporary].into_iter().enumerate() {
        bench.upstream_sends(call_to(uri, &format!("g{n}")));
        let got = bench.browser_gets(phone);
        assert_eq!(
            got.uri_text(),
            Some("sip:phonex7@phone.invalid;transport=ws")
        );
        assert!(bench.browser_has(desk).is_empty());
        let _ringing = bench.upstream_has();
    }
    // A browser reaches it, too.
    let call = String::from_utf8(invite("g", "bob", "1", "", BROWSER_SDP)).unwrap();
    let call = call.replace("sip:bob@example.com SIP", &format!("{public} SIP"));
    bench.place(caller, "bob", call.into());
    assert_eq!(bench.browser_gets(phone).call_id(), Some("g"));
    // A new call of REGISTERs makes the old temporary ones void.
    bench.browser_has(phone);
    let mut restarted = Message::parse(register_as("alice", "phone", "gruu", 1)).unwrap();
    restarted.set("Call-ID", "another").unwrap();
    let second = bench.sign_in(phone, "alice", restarted.into_bytes());
    assert_ne!(gruu(&second, "temp-gruu"), temporary);
    bench.upstream_sends(call_to(&temporary, "old"));
    assert_eq!(bench.upstream_has().last().unwrap().status(), Some(480));
    bench.upstream_sends(call_to(&gruu(&second, "temp-gruu"), "new"));
    assert_eq!(bench.browser_gets(phone).call_id(), Some("new"));
}

#[test]
fn a_client_that_comes_back_takes_its_name_and_calls_along_though_its_old_socket_seems_alive() {
    let mut bench = household();
    let (old, desk) = (bench.open(1), bench.open(2));
    bench.sign_in(old, "alice", register("alice", 1));
    bench.upstream_sends(call_to("sip:alice@example.com", "c"));
    let at_browser = bench.browser_gets(old);
    bench.browser_sends(
        old,
        reply(
            &at_browser,
            200,
            &[("Contact", &contact("alice"))],
            BROWSER_SDP,
        ),
    );
    let at_phone = bench.upstream_has().pop().unwrap();
    bench.upstream_sends(to_browser("ACK", &at_phone, 1, "", "ack"));
    assert!(bench.browser_gets(old).is(&sip::Method::Ack));

    assert_eq!(
        bench.sign_in(desk, "alice", register("alice", 3)).status(),
        Some(200)
    );
    assert!(bench.browser_gets(desk).is(&sip::Method::Info));
    bench.upstream_sends(to_browser("BYE", &at_phone, 2, "", "bye"));
    assert!(bench.browser_gets(desk).is(&sip::Method::Bye));
    bench.upstream_sends(call_to("sip:alice@example.com", "next"));
    assert_eq!(bench.browser_gets(desk).call_id(), Some("next"));
    assert!(bench.browser_has(old).is_empty());
}

#[test]
fn without_a_sip_server_users_call_one_another_and_calls_to_elsewhere_are_told_why_not() {
    let mut users = Users::default();
    for name in ["alice", "bob"] {
        let proof = format!("secret-{name}");
        users.add(name, "example.com", &proof).unwrap();
    }
    let mut bench = Bench::with(|config| {
        config.registering = Registering::Local(Local::new(users));
        config.advertised = Vec::new();
        config.alone = true;
    });
    bench.input(Input::Upstreams(Vec::new()));
    let [alice, bob] = [bench.open(1), bench.open(2)];
    bench.sign_in(alice, "alice", register("alice", 1));
    bench.sign_in(bob, "bob", register("bob", 1));
    for (branch, to, status, why) in [
        ("1", "sip:nobody@example.com", 404, "No Such User"),
        ("22", "sip:bob@elsewhere.example", 403, "No SIP Server"),
        ("333", "tel:+15550100", 403, "No SIP Server"),
    ] {
        let invite = String::from_utf8(invite(branch, "alice", branch, "", BROWSER_SDP)).unwrap();
        let invite = invite.replacen("INVITE sip:bob@example.com", &format!("INVITE {to}"), 1);
        let refused = bench.prove(alice, "alice", invite.into_bytes());
        assert_eq!(refused.status(), Some(status), "{to}");
        assert!(refused.reason().unwrap().contains(why), "{to}");
        bench.ignore_output();
    }
    assert!(bench.asked.is_empty(), "the relay has no part in it");
    bench.place(
        alice,
        "alice",
        invite("f", "alice", "4444", "", BROWSER_SDP),
    );
    let at_bob = bench.browser_gets(bob);
    let contact = [("Contact", &*contact("bob"))];
    bench.browser_sends(bob, reply(&at_bob, 200, &contact, BROWSER_SDP));
    let answer = bench.final_at(alice);
    assert_eq!(answer.status(), Some(200));
    let bye = String::from_utf8(in_dialog("BYE", &answer, 9, "", "bye")).unwrap();
    bench.browser_sends(
        alice,
        bye.replace("sip:bob@10.0.0.9", "sip:bobx7@bob.invalid;transport=ws"),
    );
    let bye = bench.browser_gets(bob);
    assert!(bye.is(&sip::Method::Bye));
    bench.browser_sends(bob, reply(&bye, 200, &[], ""));
    assert!(bench.calls_at_relay().is_empty());
    bench.ignore_output();
}
