//! Where browsers connect and the SIP server is spoken to, with which certificate; and where numbers are read.

use std::path::Path;

use proxy::core::Transport;

use super::super::{Edge, OwnCertificate};
use super::{GOOD, parse};

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
fn how_often_browsers_are_pinged_can_be_said() {
    let ping = |line: &str| parse(&GOOD.replace("[media]", &format!("{line}\n[media]")));
    assert_eq!(ping("").unwrap().listen.ping, None);
    let seconds = std::time::Duration::from_secs;
    assert_eq!(ping("ping = 25").unwrap().listen.ping, Some(seconds(25)));
    assert!(ping("ping = 0").unwrap_err().what.contains("from 2 to"));
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
