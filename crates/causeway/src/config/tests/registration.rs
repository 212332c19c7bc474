//! Who registers whom: through the edge, at it, at both, and by token.

use std::path::Path;

use proxy::core::Registering;

use super::super::{Edge, KeysPlace, Relay};
use super::{GOOD, parse};

#[test]
fn a_browsers_time_and_the_servers_are_kept_apart() {
    let mid = |more: &str| parse(&format!("registration = \"mid\"\n{more}{GOOD}"));
    let times = |edge: Edge| match edge.registration.way {
        Registering::Mid(mid) => (*mid.client.end(), mid.upstream),
        _ => (0, 0),
    };
    assert_eq!(times(mid("").unwrap()), (600, 1800));
    let given = "client_expires = 300\nupstream_expires = 7200\n";
    assert_eq!(times(mid(given).unwrap()), (300, 7200));
    for (wrong, cure) in [
        ("client_expires = 5\n", "in seconds, 60 to 86400"),
        ("upstream_expires = 700\n", "at least twice client_expires"),
    ] {
        let error = mid(wrong).unwrap_err();
        assert!(
            error.what.contains(cure) && error.line == Some(2),
            "{error}"
        );
    }
    let error = parse(&format!("client_expires = 300\n{GOOD}")).unwrap_err();
    assert!(
        error.what.contains("write registration = \"mid\""),
        "{error}"
    );
}

#[test]
fn an_edge_whose_users_call_one_another_needs_no_sip_server_and_no_side_for_phones() {
    let text = "domain = \"example.com\"\nregistration = \"local\"\n[listen]\nws = \"127.0.0.1:8080\"\n[media]\npublic = \"127.0.0.1\"\n[users]\nalice = \"secret\"\n";
    let edge = parse(text).unwrap();
    assert!(edge.upstream.all.is_empty() && edge.listen.own().is_empty());
    assert!(edge.relay.media.addresses("private").is_empty());
    assert!(Relay::parse(Path::new("/etc/causeway/edge.toml"), text).is_ok());
    let error = parse(
        &text
            .replace("local", "through")
            .replace("[users]\nalice = \"secret\"\n", ""),
    );
    let what = error.unwrap_err().what;
    assert!(what.contains("upstream is missing"), "{what}");
    let error = parse(&format!("register_rate = 5\n{text}")).unwrap_err();
    assert!(error.what.contains("there is none"), "{error}");
}

#[test]
fn users_stand_in_the_file_or_in_one_of_their_own() {
    let local = |users: &str| parse(&format!("registration = \"local\"\n{GOOD}{users}"));
    let count = |edge: Edge| match edge.registration.way {
        Registering::Local(local) => local.users.len(),
        _ => 0,
    };
    let edge =
        local("[users]\nalice = \"secret\"\nbob = \"md5:0123456789abcdef0123456789abcdef\"\n");
    assert_eq!(count(edge.unwrap()), 2);
    let folder = std::env::temp_dir();
    let name = format!("causeway-config-users-{}", std::process::id());
    std::fs::write(folder.join(&name), "alice secret\n\ncarol\n").unwrap();
    let text = format!("registration = \"local\"\nusers = \"{name}\"\n{GOOD}");
    let error = Edge::parse(&folder.join("edge.toml"), &text).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(":3: user 'carol' has no password"),
        "{error}"
    );
    std::fs::write(folder.join(&name), "alice secret\n").unwrap();
    let edge = Edge::parse(&folder.join("edge.toml"), &text).unwrap();
    assert_eq!(
        edge.registration.users.as_ref().unwrap().path,
        folder.join(&name)
    );
    assert_eq!(count(edge), 1);
    std::fs::remove_file(folder.join(&name)).unwrap();
    for (users, cure) in [
        ("", "needs users; write users = "),
        ("[users]\n", "add one, as in alice"),
        ("[users]\nalice = \"\"\n", "user 'alice' has no password"),
        ("[users]\n\"a@b\" = \"x\"\n", "cannot be a user's name"),
    ] {
        let error = local(users).unwrap_err().to_string();
        assert!(error.contains(cure), "{error}");
    }
    let error = parse(&format!("{GOOD}[users]\nalice = \"secret\"\n")).unwrap_err();
    assert!(
        error.what.contains("write registration = \"local\""),
        "{error}"
    );
    let error = parse(&format!("registration = \"global\"\n{GOOD}")).unwrap_err();
    assert!(error.what.contains("write \"through\""), "{error}");
}

#[test]
fn sign_in_needs_an_issuer_an_audience_keys_and_accounts() {
    let folder = std::env::temp_dir();
    let name = |kind: &str| format!("causeway-sign-in-{kind}-{}", std::process::id());
    std::fs::write(folder.join(name("accounts")), "u7 alice open sesame\n").unwrap();
    let parse = |registration: &str, lines: &str| {
        let text = format!("{registration}{GOOD}[sign_in]\n{lines}");
        Edge::parse(&folder.join("edge.toml"), &text)
    };
    let issuer = "issuer = \"https://login.example.com/\"\naudience = \"sip\"\n";
    let url = "jwks = \"https://login.example.com/keys\"\n";
    let accounts = format!("accounts = \"{}\"\n", name("accounts"));
    let edge = parse("", &format!("{issuer}{url}{accounts}")).unwrap();
    let tokens = edge.sign_in.unwrap();
    assert_eq!(tokens.sign_in.issuer.claim, "sub");
    assert_eq!(tokens.sign_in.realm, "example.com");
    assert_eq!(tokens.sign_in.known.as_ref().unwrap().len(), 1);
    assert!(matches!(tokens.keys, KeysPlace::Url(url, None) if url.ends_with("/keys")));

    // The edge's own registrar believes a token's name, and needs no other users.
    let local = "registration = \"local\"\n";
    let edge = parse(local, &format!("{issuer}{url}")).unwrap();
    assert!(edge.sign_in.unwrap().sign_in.known.is_none());

    std::fs::write(folder.join(name("bad")), "u7 alice\n").unwrap();
    let bad = format!("accounts = \"{}\"\n", name("bad"));
    let http = "jwks = \"http://login.example.com/keys\"\n";
    for (lines, cure) in [
        (url.to_owned(), "needs issuer ="),
        (format!("issuer = \"x\"\n{url}"), "needs audience ="),
        (format!("{issuer}{accounts}"), "needs jwks ="),
        (format!("{issuer}{url}"), "needs accounts ="),
        (format!("{issuer}{http}{accounts}"), "by https alone"),
        (
            format!("{issuer}jwks = \"nowhere\"\n{accounts}"),
            "cannot be read",
        ),
        (
            format!("{issuer}{url}{bad}"),
            ":1: a line has the token's name",
        ),
    ] {
        let error = parse("", &lines).unwrap_err();
        assert!(error.what.contains(cure), "{error}");
    }
    for kind in ["accounts", "bad"] {
        std::fs::remove_file(folder.join(name(kind))).unwrap();
    }
}
