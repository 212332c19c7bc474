//! OpenMetrics text as a strict reader sees it: what Prometheus would refuse, or `promtool check metrics` would
//! complain of, stops the test.
#![allow(clippy::expect_used)] // a test may stop on the first surprise

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// The answer to a `GET` at a status door: its status and its body.
pub fn get(door: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(door).expect("the door is open");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {door}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is answered");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (status.expect("a status"), body.to_owned())
}

/// The samples of a text, by name with labels. Stops the test where the text is not as it should be.
pub fn samples(text: &str, prefix: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut families: BTreeMap<String, String> = BTreeMap::new();
    let mut helped = String::new();
    let mut family = (String::new(), String::new());
    let lines = text.strip_suffix("# EOF\n").expect("it ends with # EOF");
    for line in lines.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            assert!(help.len() > 3, "no help: {line}");
            name.clone_into(&mut helped);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a kind");
            assert_eq!(name, helped, "help stands right before: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let known = name.starts_with(prefix) || name.starts_with("process_");
            assert!(
                known && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{line}"
            );
            let units = [
                "_ms", "_millis", "_us", "_kb", "_minutes", "_percent", "_total", "_count", "_sum",
            ];
            let bad = units.iter().find(|unit| name.ends_with(*unit));
            assert_eq!(bad, None, "not a name that Prometheus likes: {line}");
            let again = families.insert(name.to_owned(), kind.to_owned());
            assert_eq!(again, None, "twice: {line}");
            family = (name.to_owned(), kind.to_owned());
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let name = series.split('{').next().unwrap_or_default();
            let (family, kind) = &family;
            let endings: &[&str] = match kind.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_sum", "_count", "_bucket"],
                _ => &[""],
            };
            let belongs = endings.iter().any(|end| *name == format!("{family}{end}"));
            assert!(belongs, "not of the family {family}: {line}");
            let value: f64 = value.parse().expect("a number");
            assert!(kind == "gauge" || value >= 0.0, "{line}");
            let again = samples.insert(series.to_owned(), value);
            assert_eq!(again, None, "twice: {line}");
        }
    }
    samples
}
