//! Each row: a file with one thing wrong, the line, a part of the cure.

use super::{GOOD, parse};

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
