//! What the operator is told. Each row: a file with one thing wrong, the line, a part of the cure.

use std::path::Path;

use proxy::core::{Callers, Method, Registering, Transport};
use relay::server::SharedPort;

use super::{ConfigError, Edge, KeysPlace, OwnCertificate, Relay, described};

const GOOD: &str = r#"domain   = "example.com"
upstream = "udp:127.0.0.5:5060"
[listen]
ws = "0.0.0.0:8080"
[media]
public  = "203.0.113.1"
private = "127.0.0.4"
ports   = "30000-39999"
"#;

fn parse(text: &str) -> Result<Edge, super::ConfigError> {
    Edge::parse(Path::new("/etc/causeway/edge.toml"), text)
}

#[test]
fn the_short_file_is_a_whole_edge() {
    let edge = parse(GOOD).unwrap();
    assert_eq!(edge.upstream.hop.to_string(), "udp:127.0.0.5:5060");
    let own = edge.listen.own();
    assert!(
        matches!(&own[..], [own] if own.address.ip().is_loopback()
            && (own.transport, own.address.port()) == (Transport::Udp, 5060)),
        "the address towards the upstream: {own:?}"
    );
    assert_eq!(edge.relay.media.ports, 30_000..=39_999);
    assert!(edge.relays.is_empty());
    assert!(
        edge.relay
            .controls
            .iter()
            .all(|c| c.address.ip().is_loopback()),
        "commands from this machine only unless told otherwise"
    );
}

#[test]
fn the_example_of_the_readme_needs_no_media_section() {
    let edge =
        parse("domain = \"a.example\"\nupstream = \"127.0.0.5\"\n[listen]\nws = \"0.0.0.0:80\"\n")
            .unwrap();
    assert_eq!(edge.upstream.hop.address.port(), 5060);
    assert_eq!(
        edge.relay.media.addresses("public"),
        edge.relay.media.addresses("private")
    );
}

#[test]
fn a_stream_to_the_sip_server_has_a_listener_of_its_own_transport() {
    let text = GOOD.replace("udp:127.0.0.5:5060", "tcp:[::1]:5070");
    let edge = parse(&text).unwrap();
    assert_eq!(edge.upstream.hop.to_string(), "tcp:[::1]:5070");
    assert_eq!(edge.listen.own()[0].to_string(), "tcp:[::1]:5060");
    let text = GOOD.replace("udp:127.0.0.5:5060", "tcp:127.0.0.5:5070");
    let text = text.replace("[media]", "udp = \"127.0.0.4:5090\"\n[media]");
    let own = parse(&text).unwrap().listen.own();
    let own: Vec<_> = own.iter().map(ToString::to_string).collect();
    assert!(
        matches!(&own[..], [udp, tcp] if udp == "udp:127.0.0.4:5090"
            && tcp.starts_with("tcp:127.0.0.") && tcp.ends_with(":5060")),
        "{own:?}"
    );
}

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
fn the_word_auto_in_place_of_files_makes_the_edge_get_its_certificate() {
    let wss = "wss = \"0.0.0.0:443\"\ncert = \"auto\"\n";
    let auto = |domain: &str, listen: &str, acme: &str| {
        let text = GOOD.replace("example.com", domain);
        let text = text.replace("ws = \"0.0.0.0:8080\"\n", &format!("{wss}{listen}"));
        parse(&format!("{text}{acme}"))
    };
    let settings = |edge: Edge| match edge.listen.certificate {
        Some(OwnCertificate::Acme(settings)) => settings,
        other => panic!("{other:?}"),
    };
    let plain = settings(auto("Example.com", "", "").unwrap());
    assert_eq!(plain.names, ["example.com"]);
    assert_eq!(plain.directory, acme::LETS_ENCRYPT);
    assert_eq!(plain.store, Path::new("/etc/causeway/acme"));
    assert_eq!((plain.contact, plain.ca), (None, None));

    let acme = "[acme]\nnames = [\"edge.example.com\"]\ncontact = \"mailto:ops@example.com\"\n\
        directory = \"https://ca.example/dir\"\nstore = \"/var/lib/causeway\"\n";
    let said = settings(auto("example.com", "", acme).unwrap());
    assert_eq!(said.names, ["edge.example.com"]);
    assert_eq!(said.contact.as_deref(), Some("ops@example.com"));
    assert_eq!(said.directory, "https://ca.example/dir");
    assert_eq!(said.store, Path::new("/var/lib/causeway"));

    for (domain, listen, acme, line, cure) in [
        ("example.com", "key = \"k.pem\"\n", "", 6, "remove key"),
        (
            "192.0.2.1",
            "",
            "",
            5,
            "[acme] names = [\"edge.example.com\"]",
        ),
        ("a.example:443", "", "", 5, "is not a host name"),
        (
            "example.com",
            "",
            "[acme]\nnames = [\"*.example.com\"]\n",
            11,
            "is not a host name",
        ),
        (
            "example.com",
            "",
            "[acme]\ndirectory = \"http://ca.example\"\n",
            11,
            "write it as \"https://",
        ),
        (
            "example.com",
            "",
            "[acme]\ncontact = \"ops\"\n",
            11,
            "not a mail address",
        ),
        (
            "example.com",
            "",
            "[acme]\nca = \"nowhere.pem\"\n",
            11,
            "cannot be read",
        ),
    ] {
        let error = auto(domain, listen, acme).unwrap_err();
        assert!(
            error.what.contains(cure) && error.line == Some(line),
            "{error}"
        );
    }
    let error = parse(&format!("{GOOD}[acme]\n")).unwrap_err();
    assert!(error.what.contains("write cert = \"auto\""), "{error}");
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
fn sip_and_websockets_may_share_a_port() {
    let text = GOOD.replace(
        "ws = \"0.0.0.0:8080\"",
        "ws = [\"0.0.0.0:8080\", \"[::]:8080\"]\ntcp = [\"127.0.0.4:8080\", \"127.0.0.4:5060\"]\nproxy_protocol = [\"10.0.0.0/8\"]",
    );
    let listen = parse(&text).unwrap().listen;
    assert_eq!(listen.proxy_protocol, ["10.0.0.0/8".parse().unwrap()]);
    let shared: Vec<_> = (listen.ws.iter())
        .map(|ws| listen.is_shared(*ws, Transport::Tcp))
        .collect();
    assert_eq!(shared, [true, false]);
    let own = listen.own().into_iter();
    let alone: Vec<_> = own.filter(|own| !listen.is_with_browsers(*own)).collect();
    let alone: Vec<_> = alone.iter().map(ToString::to_string).collect();
    assert!(
        alone.contains(&"tcp:127.0.0.4:5060".to_owned()),
        "{alone:?}"
    );
    assert!(
        !alone.contains(&"tcp:127.0.0.4:8080".to_owned()),
        "{alone:?}"
    );
}

#[test]
fn upstreams_are_addresses_and_names_with_their_shares() {
    let list = "[\"tcp:127.0.0.6\", { to = \"tls:sip.example.com\", weight = 3, priority = 1 }, \"sip.example.net\"]";
    let text = GOOD.replace("\"udp:127.0.0.5:5060\"", list);
    let text = text.replace(
        "[listen]",
        "dns = [\"127.0.0.2\", \"[::1]:5353\"]\nregister_rate = 50\n[listen]",
    );
    let text = text.replace(
        "[listen]",
        "[listen]\nudp = \"127.0.0.4:5060\"\ntcp = \"127.0.0.4:5060\"",
    );
    // A certificate for the TLS side; any file that can be read does here.
    let file = std::env::current_exe().unwrap();
    let certificate =
        format!("[listen]\ncert = {file:?}\nkey = {file:?}\ntls = \"127.0.0.4:5061\"");
    let edge = parse(&text.replace("[listen]", &certificate)).unwrap();
    let said = [
        "tcp:127.0.0.6:5060",
        "tls:sip.example.com (by DNS) (priority 1, weight 3)",
        "sip.example.net (by DNS)",
    ];
    assert_eq!(edge.upstream.described(), said);
    assert_eq!(edge.upstream.hop.to_string(), "tcp:127.0.0.6:5060");
    let dns: Vec<_> = edge.upstream.dns.iter().map(ToString::to_string).collect();
    assert_eq!(dns, ["127.0.0.2:53", "[::1]:5353"]);
    assert_eq!(edge.upstream.register_rate, Some(50));
}

#[test]
fn a_name_that_nobody_knows_today_is_no_mistake() {
    let text = GOOD.replace("udp:127.0.0.5:5060", "sip.no-such-host.invalid");
    let text = text.replace("[listen]", "[listen]\nudp = \"127.0.0.4:5060\"");
    let edge = parse(&text).unwrap();
    assert_eq!(
        edge.upstream.described(),
        ["sip.no-such-host.invalid (by DNS)"]
    );
    assert_eq!(edge.listen.own()[0].to_string(), "udp:127.0.0.4:5060");
}

#[test]
fn each_wrong_setting_is_one_sentence_with_line_and_cure() {
    let rows: &[(&str, &str, Option<usize>, &str)] = &[
        (
            "\"udp:127.0.0.5:5060\"",
            "[]",
            Some(2),
            "upstream is an empty list; write the SIP server",
        ),
        (
            "\"udp:127.0.0.5:5060\"",
            "{ weight = 1 }",
            Some(2),
            "upstream is \"udp:10.0.0.5:5060\" or a name, or a list",
        ),
        (
            "\"udp:127.0.0.5:5060\"",
            "[{ to = \"127.0.0.5\", weight = 100000 }]",
            Some(2),
            "not a number from 0 to 65535; leave it out for 1",
        ),
        (
            "udp:127.0.0.5:5060",
            "10.0.0.300",
            Some(2),
            "neither an address nor a name",
        ),
        (
            "udp:127.0.0.5:5060",
            "sip.example.com:0",
            Some(2),
            "neither an address nor a name",
        ),
        (
            "udp:127.0.0.5:5060",
            "sip:sip.example.com",
            Some(2),
            "not 'sip'; write upstream = \"udp:sip.example.com\"",
        ),
        (
            "[listen]",
            "dns = [\"ns.example.com\"]\n[listen]",
            Some(3),
            "is not an address; write it as dns = [\"10.0.0.2\"]",
        ),
        (
            "[listen]",
            "register_rate = 0\n[listen]",
            Some(3),
            "1 to 1000000",
        ),
        (
            "upstream = \"udp:127.0.0.5:5060\"",
            "",
            None,
            "upstream is missing; add the SIP server",
        ),
        (
            "udp:127.0.0.5:5060",
            "ws:127.0.0.5:5061",
            Some(2),
            "over udp, tcp or tls, not 'ws'; write upstream = \"udp:127.0.0.5:5061\"",
        ),
        (
            "udp:127.0.0.5:5060",
            "tls:127.0.0.5:5061",
            None,
            "calls us back over it; add cert",
        ),
        (
            "ws = \"0.0.0.0:8080\"",
            "ws = [\"0.0.0.0:8080\", \"[::]:8080\"]\ntcp = [\"127.0.0.4:5060\", \"127.0.0.4:5060\"]",
            Some(5),
            "tcp and tcp both want 127.0.0.4:5060",
        ),
        (
            "[media]",
            "proxy_protocol = [\"lb\"]\n[media]",
            Some(5),
            "proxy_protocol \"lb\" is not a network",
        ),
        (
            "[media]",
            "[tls]\nupstream_ca = \"ca.pem\"\n[media]",
            Some(6),
            "[tls] is for an upstream",
        ),
        (
            "ws = \"0.0.0.0:8080\"",
            "wss = \"0.0.0.0:443\"",
            Some(4),
            "wss needs a certificate",
        ),
        (
            "ws = \"0.0.0.0:8080\"",
            "ws = \"0.0.0.0:8080\"\ncert = \"c.pem\"",
            Some(5),
            "cert and key belong together",
        ),
        ("ws = \"0.0.0.0:8080\"", "", None, "neither ws nor wss"),
        (
            "ws = \"0.0.0.0:8080\"",
            "ws = \"8080\"",
            Some(4),
            "not an address with a port",
        ),
        (
            "ws = \"0.0.0.0:8080\"",
            "wz = \"0.0.0.0:8080\"",
            Some(4),
            "unknown field `wz`",
        ),
        (
            "ws = \"0.0.0.0:8080\"",
            "ws = \"0.0.0.0:8080\"\nudp = \"127.0.0.5:5060\"",
            Some(5),
            "is the upstream's",
        ),
        (
            "[media]",
            "[relay]\nbackend = \"fast\"\n[media]",
            Some(6),
            "write \"auto\", \"sockets\" or \"steered\"",
        ),
        (
            "203.0.113.1",
            "0.0.0.0",
            Some(6),
            "cannot be told to a peer",
        ),
        ("203.0.113.1", "my-host", Some(6), "not an IP address"),
        (
            "\"203.0.113.1\"",
            "[\"203.0.113.1\", \"203.0.113.1\"]",
            Some(6),
            "twice",
        ),
        ("\"203.0.113.1\"", "[]", Some(6), "no address"),
        (
            "203.0.113.1",
            "203.0.113.1!2001:db8::1",
            Some(6),
            "different families",
        ),
        (
            "[media]",
            "[media]\nadvertise = \"198.51.100.1\"\ninterfaces.lan = \"nowhere\"",
            Some(7),
            "neither an IP address nor one of the interfaces",
        ),
        (
            "[media]",
            "[media]\ninterfaces.public = \"10.0.0.1\"",
            Some(6),
            "'public' is there twice",
        ),
        (
            "[media]",
            "[media]\ninterfaces.\"my lan\" = \"10.0.0.1\"",
            Some(6),
            "cannot be named 'my lan'",
        ),
        ("[media]", "[media]\ntos = 300", Some(6), "0 to 255"),
        ("30000-39999", "40000-30000", Some(8), "too small a range"),
        ("30000-39999", "lots", Some(8), "is not a range"),
        (
            "[media]",
            "[media]\nice = \"none\"",
            Some(6),
            "\"lite\" or \"full\"",
        ),
        (
            "[media]",
            "[media]\ndtmf = \"tones\"",
            Some(6),
            "\"events\" or \"info\"",
        ),
        (
            "[media]",
            "[media]\nadvertise = \"2001:db8::1\"",
            Some(6),
            "different families",
        ),
        (
            "[media]",
            "[relay]\ncontrol = [\"tcp:127.0.0.9:2223\"]\n[media]",
            Some(6),
            "over udp",
        ),
        (
            "[media]",
            "[relay]\ncontrol = [{ to = \"udp:127.0.0.9:2223\", weight = -1 }]\n[media]",
            Some(6),
            "-1 of 'udp:127.0.0.9:2223' is not a number from 0 to 65535",
        ),
        (
            "[media]",
            "[relay]\nmax_calls = 0\n[media]",
            Some(6),
            "write calls, from 1 to 1000000",
        ),
        (
            "[media]",
            "[relay]\nanswer_timeout = 5\n[media]",
            Some(6),
            "write seconds, from 30 to",
        ),
        (
            "[media]",
            "[relay]\nsilence_timeout = -1\n[media]",
            Some(6),
            "silence_timeout = -1 cannot be meant",
        ),
        (
            "[media]",
            "[relay]\nfinal_timeout = \"1h\"\n[media]",
            Some(6),
            "expected i64",
        ),
        (
            "[media]",
            "[relay]\ncontrol_key = \"none\"\n[media]",
            Some(6),
            "/etc/causeway/none cannot be read",
        ),
        (
            "[media]",
            "[relay]\ncontrol_key = \"/dev/null\"\n[media]",
            Some(6),
            "fewer than 32 characters; make one with: openssl rand",
        ),
        (
            "[media]",
            "[calls]\ntoken_key = \"/dev/null\"\n[media]",
            Some(6),
            "fewer than 32 characters; make one with: openssl rand",
        ),
        (
            "\"example.com\"",
            "\"sip:example.com\\r\\n\"",
            Some(1),
            "not a host name",
        ),
        ("[listen]", "[listen", Some(3), "unclosed table"),
    ];
    for (good, bad, line, cure) in rows {
        let error = parse(&GOOD.replacen(good, bad, 1)).expect_err(bad);
        assert_eq!(error.line, *line, "{bad}: {error}");
        assert!(error.to_string().contains(cure), "{bad}: {error}");
        assert!(
            error.to_string().starts_with("/etc/causeway/edge.toml"),
            "{error}"
        );
        assert!(!error.to_string().contains('\n'), "one sentence: {error}");
    }
}

#[test]
fn interfaces_have_any_names_several_addresses_and_aliases() {
    let text = GOOD.replace(
        "public  = \"203.0.113.1\"",
        "public = [\"10.0.0.1\", \"2001:db8::1\"]\nadvertise = \"203.0.113.1\"\ntos = 184\nstrict_source = true",
    ) + "[media.interfaces]\nzone = [\"10.1.0.4!198.51.100.9\", \"fd00::4\"]\nlan = \"192.168.0.1\"\ninternal = \"private\"\n";
    let media = parse(&text).unwrap().relay.media;
    let names: Vec<_> = media.faces.iter().map(|face| face.name.as_str()).collect();
    assert_eq!(names, ["public", "private", "zone", "lan"]);
    let told = |name: &str| -> Vec<String> {
        let addresses = media.addresses(name).iter();
        addresses
            .map(|address| format!("{}!{}", address.bind, address.told))
            .collect()
    };
    assert_eq!(
        told("public"),
        ["10.0.0.1!203.0.113.1", "2001:db8::1!2001:db8::1"]
    );
    assert_eq!(told("zone"), ["10.1.0.4!198.51.100.9", "fd00::4!fd00::4"]);
    assert_eq!(told("internal"), told("private"));
    assert_eq!(media.tos, 184);
    assert!(media.strict_source && !parse(GOOD).unwrap().relay.media.strict_source);
}

#[test]
fn advertise_does_not_guess_which_of_two_addresses_it_is_for() {
    let text = GOOD.replace(
        "\"203.0.113.1\"",
        "[\"10.0.0.1\", \"10.0.0.2\"]\nadvertise = \"203.0.113.1\"",
    );
    let error = parse(&text).unwrap_err();
    assert_eq!(error.line, Some(7));
    assert!(
        error.to_string().contains("\"10.0.0.1!203.0.113.1\""),
        "{error}"
    );
}

#[test]
fn a_relay_alone_may_have_interfaces_of_other_names_only() {
    let path = Path::new("/etc/causeway/relay.toml");
    let text = "[media.interfaces]\nwan = \"203.0.113.1\"\ndmz = \"10.0.0.9\"\n";
    let media = Relay::parse(path, text).unwrap().media;
    let names: Vec<_> = media.faces.iter().map(|face| face.name.as_str()).collect();
    assert_eq!(names, ["wan", "dmz"]);
}

#[test]
fn certificates_are_looked_for_beside_the_file() {
    let text = GOOD.replace(
        "ws = \"0.0.0.0:8080\"",
        "wss = \"0.0.0.0:443\"\ncert = \"c.pem\"\nkey = \"k.pem\"",
    );
    let error = parse(&text).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("/etc/causeway/c.pem cannot be read"),
        "{error}"
    );
}

#[test]
fn a_relay_alone_needs_only_its_own_part() {
    let text = "[relay]\nlisten = [\"udp:10.0.0.9:2223\", \"tcp:10.0.0.9:2223\"]\n[media]\npublic = \"203.0.113.1\"\nprivate = \"10.0.0.9\"\n";
    let path = Path::new("/etc/causeway/relay.toml");
    let relay = Relay::parse(path, text).unwrap();
    let controls: Vec<_> = relay.controls.iter().map(ToString::to_string).collect();
    assert_eq!(controls, ["udp:10.0.0.9:2223", "tcp:10.0.0.9:2223"]);

    let one = text.replace(
        "[\"udp:10.0.0.9:2223\", \"tcp:10.0.0.9:2223\"]",
        "\"udp:10.0.0.9:2223\"",
    );
    assert_eq!(Relay::parse(path, &one).unwrap().controls.len(), 1);
    let odd = text.replace("tcp:", "smtp:");
    let error = Relay::parse(path, &odd).unwrap_err();
    assert_eq!(error.line, Some(2));
    assert!(
        error.to_string().contains("'smtp:10.0.0.9:2223'"),
        "{error}"
    );
    let homeless = text.replace("private = \"10.0.0.9\"", "");
    assert!(
        Relay::parse(path, &homeless)
            .unwrap_err()
            .to_string()
            .contains("private is missing")
    );
    assert!(
        Edge::parse(path, text)
            .unwrap_err()
            .to_string()
            .contains("domain is missing")
    );
}

#[test]
fn how_often_browsers_are_pinged_can_be_said() {
    let ping = |line: &str| parse(&GOOD.replace("[media]", &format!("{line}\n[media]")));
    assert_eq!(ping("").unwrap().listen.ping, None);
    let seconds = std::time::Duration::from_secs;
    assert_eq!(ping("ping = 25").unwrap().listen.ping, Some(seconds(25)));
    assert!(ping("ping = 0").unwrap_err().what.contains("from 2 to"));
}

#[test]
fn what_browsers_may_do_can_be_said_and_is_little_where_nothing_is() {
    let policy = |lines: &str| {
        let edge = parse(&format!("{GOOD}[browsers]\n{lines}\n"))?;
        Ok::<_, ConfigError>(crate::programs::core_config(&edge).policy)
    };
    let usual = policy("").unwrap();
    assert_eq!(usual.callers, Callers::Own);
    assert!(usual.methods.contains(&Method::Publish) && usual.strip.is_empty());
    let given = policy(
        "callers = \"anyone\"\nmethods = [\"REGISTER\", \"ACK\", \"CANCEL\", \"INVITE\"]\nstrip = [\"X-*\", \"Subject\"]",
    );
    let given = given.unwrap();
    assert_eq!((given.callers, given.methods.len()), (Callers::Anyone, 4));
    assert_eq!(given.strip, ["X-*", "Subject"]);
    for (bad, why) in [
        ("callers = \"all\"", "write \"own\""),
        ("methods = [\"INVITE\"]", "lacks REGISTER"),
        ("methods = [\"IN VITE\"]", "is no method"),
        ("strip = [\"*\"]", "would take out Via"),
        ("strip = [\"call-id\"]", "would take out Call-ID"),
        ("strip = [\"Co*\"]", "would take out Contact"),
        ("strip = [\"a b\"]", "no header's name"),
        ("strip = [\"X-*-Y\"]", "no header's name"),
    ] {
        let error = policy(bad).unwrap_err();
        assert!(error.what.contains(why) && error.line.is_some(), "{error}");
    }
}

#[test]
fn what_browsers_may_do_at_once_reaches_the_proxy_and_what_is_left_out_stays() {
    let limits = |lines: &str| {
        let edge = parse(&format!("{GOOD}[limits]\n{lines}\n"))?;
        Ok::<_, ConfigError>(crate::programs::core_config(&edge).limits)
    };
    let usual = limits("").unwrap();
    let given = limits(
        "messages_per_connection = 10\nmessages_per_address = 11\nringing_per_connection = 12\n\
         ringing_per_account = 13\ncalls_per_account = 14\nwrong_passwords_per_address = 15\n\
         wrong_passwords_per_account = 16\nsilent = 17\nunregistered = 18",
    );
    let numbers = |limits: proxy::core::Limits| {
        let (silent, unregistered) = (limits.silent.as_secs(), limits.unregistered.as_secs());
        let [flow, address] = [limits.messages_per_flow, limits.messages_per_address];
        let rings = [limits.ringing_per_flow, limits.ringing_per_account];
        let [calls, all, own] = [
            limits.calls_per_account,
            limits.guesses_per_address,
            limits.guesses_per_account,
        ];
        let rings = rings.map(|it| it as u64);
        let rates = [flow, address, calls, all, own].map(u64::from);
        [&rates[..2], &rings, &rates[2..], &[silent, unregistered]].concat()
    };
    assert_eq!(numbers(given.unwrap()), (10..=18).collect::<Vec<_>>());
    assert_eq!(numbers(usual), [100, 2000, 30, 60, 120, 60, 10, 10, 60]);
    for bad in [
        "silent = 0",
        "messages_per_connection = 1",
        "calls_per_account = -1",
    ] {
        let error = limits(bad).unwrap_err();
        assert!(error.what.contains("cannot be meant"), "{error}");
    }
}

#[test]
fn what_the_file_says_of_calls_reaches_the_proxy_and_what_is_left_out_stays() {
    let limits = |calls: &str| {
        let edge = parse(&format!("{GOOD}[calls]\n{calls}\n")).unwrap();
        crate::programs::core_config(&edge).limits
    };
    let (usual, given) = (limits(""), limits("grace = 5\nlongest = 7200"));
    let seconds = std::time::Duration::from_secs;
    assert_eq!((usual.grace, given.grace), (seconds(20), seconds(5)));
    assert_eq!(usual.longest_call, seconds(24 * 3600));
    assert_eq!(given.longest_call, seconds(7200));
    let records = |calls: &str| {
        let edge = parse(&format!("{GOOD}[calls]\n{calls}\n")).unwrap();
        edge.calls.records
    };
    assert_eq!(records(""), None);
    assert_eq!(
        records("records = \"calls.jsonl\"").as_deref(),
        Some(Path::new("/etc/causeway/calls.jsonl"))
    );
    let wrong = parse(&format!("{GOOD}[calls]\nlongest = 5\n"));
    assert!(wrong.unwrap_err().what.contains("from 60 to"));
}

#[test]
fn numbers_of_the_file_reach_the_relay_and_what_is_left_out_stays() {
    let path = Path::new("/etc/causeway/relay.toml");
    let config = |numbers: &str| {
        let text = format!("[relay]\n{numbers}\n[media]\nprivate = \"10.0.0.9\"\n");
        crate::programs::relay_config(&Relay::parse(path, &text).unwrap()).core
    };
    let usual = config("");
    let given = config(
        "answer_timeout = 90\nsilence_timeout = 30\nhold_timeout = 7200\nfinal_timeout = 14400\n\
         delete_delay = 0\naudio_packet_rate = 500\nmax_calls = 2",
    );
    let seconds = std::time::Duration::from_secs;
    assert_eq!(usual.answer_timeout, seconds(60));
    assert_eq!(given.answer_timeout, seconds(90));
    assert_eq!(given.silence_timeout, seconds(30));
    assert_eq!(given.hold_timeout, seconds(7200));
    assert_eq!(
        (usual.final_timeout, given.final_timeout),
        (None, Some(seconds(14400)))
    );
    assert_eq!(given.delete_delay, seconds(0));
    assert_eq!(given.packet_rates.audio, 500);
    assert_eq!(given.packet_rates.other, usual.packet_rates.other);
    assert!(format!("{:?}", given.seats).contains("limit: 2"));
}

#[test]
fn browsers_share_a_port_unless_the_file_says_otherwise() {
    let port =
        |line: &str| parse(&format!("{GOOD}{line}\n")).map(|edge| edge.relay.media.browser_port);
    assert_eq!(port("").unwrap(), SharedPort::First);
    assert_eq!(port("browser_port = 3478").unwrap(), SharedPort::At(3478));
    assert_eq!(port("browser_port = \"own\"").unwrap(), SharedPort::None);
    for bad in ["0", "65536", "-1", "\"any\""] {
        let error = port(&format!("browser_port = {bad}")).unwrap_err();
        assert_eq!(error.line, Some(9));
        assert!(error.what.contains("browser_port = 3478"), "{error}");
    }
}

#[test]
fn relays_are_addresses_and_names_with_shares() {
    let relays = |control: &str| {
        let section = format!("[relay]\ncontrol = {control}\n[media]");
        let edge = Edge::parse(Path::new("edge.toml"), &GOOD.replace("[media]", &section));
        edge.map(|edge| edge.relays.iter().map(described).collect::<Vec<_>>())
    };
    let list = "[\"udp:10.0.0.9:2223\", { to = \"10.0.0.10\", weight = 2 }, { to = \"udp:r.example.com\", priority = 1 }]";
    assert_eq!(
        relays(list).unwrap(),
        [
            "udp:10.0.0.9:2223",
            "udp:10.0.0.10:2223 (priority 0, weight 2)",
            "udp:r.example.com (by DNS) (priority 1, weight 1)",
        ]
    );
    let one = relays("\"relays.example.com:2300\"").unwrap();
    assert_eq!(one, ["udp:relays.example.com:2300 (by DNS)"]);
    let error = relays("\"10.0.0.9:x\"").unwrap_err();
    assert!(error.what.contains("udp:relays.example.com"), "{error}");
}

#[test]
fn metrics_are_on_this_machine_unless_something_else_is_said() {
    let edge = parse(GOOD).unwrap();
    let places = [edge.listen.metrics, edge.relay.metrics].map(Option::unwrap);
    for place in places {
        assert!(place.address.ip().is_loopback() && !place.named);
    }
    assert_ne!(places[0].address, places[1].address);
    let with = |line: &str| parse(&GOOD.replace("[media]", &format!("{line}\n[media]")));
    assert_eq!(with("metrics = \"off\"").unwrap().listen.metrics, None);
    let private = with("metrics = \"10.0.0.4:9100\"").unwrap();
    assert!(private.listen.metrics.unwrap().named);
    for public in ["0.0.0.0:9091", "203.0.113.1:9091", "[::]:9091"] {
        let line = format!("metrics = \"{public}\"");
        let refused = with(&line).unwrap_err().to_string();
        assert!(
            refused.contains(":5") && refused.contains("public_metrics"),
            "{refused}"
        );
        assert!(with(&format!("{line}\npublic_metrics = true")).is_ok());
        let relay = format!("{GOOD}[relay]\n{line}\n");
        assert!(parse(&relay).is_err(), "{public}");
        assert!(parse(&format!("{relay}public_metrics = true\n")).is_ok());
    }
    let odd = with("metrics = \"9091\"").unwrap_err().to_string();
    assert!(
        odd.contains("127.0.0.1:9091") && odd.contains("off"),
        "{odd}"
    );
}
