//! The import rules of ARCHITECTURE.md ("Who may import whom"), held from `cargo metadata`, so that
//! a forbidden arrow fails here and not in a review; and that no library has left out the lints of
//! CONTRIBUTING.md.

#![allow(clippy::unwrap_used, clippy::panic)] // a test may stop on the first surprise

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Each package of ours, and which others of ours it may name in `[dependencies]`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("sip", &[]),
    ("sdp", &[]),
    ("ice", &[]),
    ("rtp", &[]),
    ("srtp", &[]),
    ("dtls", &["srtp"]),
    ("control-proto", &[]),
    ("net", &[]),
    ("acme", &["net"]),
    ("testkit", &[]),
    ("proxy", &["sip", "sdp", "control-proto", "net"]),
    (
        "relay",
        &["ice", "dtls", "srtp", "rtp", "sdp", "control-proto", "net"],
    ),
    ("demo", &["sip", "sdp", "ice", "dtls", "srtp", "rtp", "net"]),
    (
        "causeway",
        &["proxy", "relay", "demo", "net", "acme", "sip", "sdp"],
    ),
    ("bench", &["relay", "control-proto", "peers"]),
    ("peers", &["control-proto"]),
    ("attack", &["demo", "peers", "control-proto"]),
    ("tests", &[]),
    (
        "fuzz",
        &[
            "sip",
            "sdp",
            "ice",
            "rtp",
            "srtp",
            "dtls",
            "control-proto",
            "net",
            "testkit",
            "proxy",
            "relay",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that mean sockets, clocks, tasks or randomness; a package of pure logic may not have them.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "libc",
    "getrandom",
    "rand",
    "net",
];
const PURE: &[&str] = &["sip", "sdp", "ice", "rtp", "srtp", "dtls", "control-proto"];

/// What a core's source may not name; its package's server may.
const IMPURE_WORDS: &[&str] = &[
    "tokio::",
    "std::net::UdpSocket",
    "std::net::Tcp",
    "Instant::now",
    "SystemTime::now",
    "getrandom",
    "net::",
    "std::thread",
    "std::fs",
];
const CORES: &[&str] = &["proxy/src/core", "relay/src/core"];

/// Packages that no packet of a stranger reaches. Every other one's library denies [`PANICS`].
const UNREACHED: &[&str] = &[
    "bench", "attack", "peers", "fuzz", "testkit", "demo", "causeway", "tests", "xtask",
];
const PANICS: &[&str] = &[
    "indexing_slicing",
    "string_slice",
    "get_unwrap",
    "unreachable",
    "arithmetic_side_effects",
    "cast_possible_truncation",
    "cast_possible_wrap",
    "cast_sign_loss",
];

/// An index by another name: each ends the process when its place or length is wrong. There are
/// `split_at_checked`, `first_chunk`, `zip` and whole numbers.
const INDEXING_WORDS: &[&str] = &[
    ".split_at(",
    ".split_at_mut(",
    ".copy_from_slice(",
    ".clone_from_slice(",
    ".mul_f64(",
    "::from_secs_f64(",
];

#[test]
fn nobody_imports_what_the_architecture_forbids() {
    for (package, imports) in dependencies() {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == package) else {
            panic!("{package} is new: give it a row in MAY_IMPORT and a line in ARCHITECTURE.md");
        };
        for import in imports
            .iter()
            .filter(|i| MAY_IMPORT.iter().any(|(ours, _)| ours == i))
        {
            assert!(
                allowed.contains(&import.as_str()),
                "{package} may not import {import}"
            );
        }
    }
}

#[test]
fn logic_has_no_sockets_clocks_tasks_or_randomness() {
    for (package, imports) in dependencies() {
        if PURE.contains(&package.as_str()) {
            let impure: Vec<_> = imports
                .iter()
                .filter(|i| IMPURE.contains(&i.as_str()))
                .collect();
            assert!(
                impure.is_empty(),
                "{package} is pure logic but imports {impure:?}"
            );
        }
    }
}

#[test]
fn cores_do_not_name_sockets_clocks_tasks_or_randomness() {
    for core in CORES {
        let files = sources(&root().join(core));
        assert!(!files.is_empty(), "{core} has moved: mend CORES");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            // Tests below a core may have a clock to start from. Where the checkout lies says nothing.
            let within = file.strip_prefix(root()).unwrap();
            if within.to_string_lossy().contains("test") {
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                let line = line.split("//").next().unwrap_or_default();
                for word in IMPURE_WORDS {
                    let named = line.match_indices(word).any(|(at, _)| {
                        let before = line.get(..at).and_then(|b| b.chars().next_back());
                        *word != "net::"
                            || before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':'))
                    });
                    assert!(
                        !named,
                        "{}:{}: a core may not name {word}",
                        file.display(),
                        number + 1
                    );
                }
            }
        }
    }
}

#[test]
fn every_library_that_a_packet_reaches_denies_indexing_and_unchecked_arithmetic() {
    for (package, folder) in folders() {
        if UNREACHED.contains(&package.as_str()) {
            continue;
        }
        let denied = bare(&folder.join("src/lib.rs"));
        let denied = denied
            .split_once("#![cfg_attr(not(test),deny(")
            .and_then(|(_, after)| after.split_once("))]"))
            .map_or("", |(lints, _)| lints);
        let denied: Vec<_> = denied.split(',').collect();
        for lint in PANICS {
            assert!(
                denied.contains(&format!("clippy::{lint}").as_str()),
                "{package} is reached by packets and does not deny clippy::{lint}"
            );
        }
        for file in sources(&folder.join("src")) {
            let text = bare(&file);
            // One place may have a reason to differ: `expect`, which wants one and ends with its cause.
            for lint in PANICS {
                assert!(
                    !text.contains(&format!("allow(clippy::{lint}")),
                    "{}: allows clippy::{lint}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn no_library_that_a_packet_reaches_indexes_by_another_name() {
    for (package, folder) in folders() {
        if UNREACHED.contains(&package.as_str()) {
            continue;
        }
        for file in sources(&folder.join("src")) {
            let within = file.strip_prefix(&folder).unwrap();
            if within.to_string_lossy().contains("test") {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                let line = line.split("//").next().unwrap_or_default();
                for word in INDEXING_WORDS {
                    assert!(
                        !line.contains(word),
                        "{}:{}: {word} panics",
                        file.display(),
                        number + 1
                    );
                }
            }
        }
    }
}

/// The order "verify, then learn" is one of types: `Authentic` can be made in its own file only, which makes it of what SRTP
/// has verified, and an address is learned with one. Each of these failing to compile elsewhere is what holds; this holds
/// that they stay so.
#[test]
fn a_proof_is_made_by_verification_alone_and_an_address_is_learned_with_one() {
    let core = root().join("relay/src/core");
    let proof = bare(&core.join("authentic.rs"));
    assert!(
        proof.contains("pub(super)structAuthentic<T>(T);"),
        "its field is private"
    );
    for way in [
        "keys.unprotect(packet).map(Authentic)",
        "keys.unprotect_rtcp(packet).map(Authentic)",
    ] {
        assert!(proof.contains(way), "{way} has gone: mend this test");
    }
    let made = proof.matches("map(Authentic)").count() + proof.matches("Authentic(").count();
    assert_eq!(made, 2, "a proof is made in another way, too");
    assert!(!proof.contains("Clone") && !proof.contains("Default"));
    let address = bare(&core.join("address.rs"));
    assert!(address.contains("fnlearn<T>(&mutself,from:SocketAddr,_proof:&Authentic<T>)"));
    // Elsewhere no one sets what is learned: the fields are private to the file.
    assert!(address.contains("heard:Option<SocketAddr>,") && !address.contains("pub(super)heard:"));
}

/// A file's text without white space; none of a file that is not there.
fn bare(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().collect()
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Rust files below `place`, and `place.rs` itself.
fn sources(place: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let module = place.with_extension("rs");
    if module.is_file() {
        found.push(module);
    }
    let mut folders = vec![place.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// Short package name -> names in `[dependencies]` (not dev or build).
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let names = |package: &serde_json::Value| {
        let imports = package["dependencies"].as_array().unwrap().iter();
        let normal = imports.filter(|d| d["kind"].is_null());
        normal.map(|d| short(d["name"].as_str().unwrap())).collect()
    };
    packages()
        .iter()
        .map(|package| (short(package["name"].as_str().unwrap()), names(package)))
        .collect()
}

/// Short package name -> where it lies.
fn folders() -> BTreeMap<String, std::path::PathBuf> {
    packages()
        .iter()
        .map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            let folder = manifest.parent().unwrap().to_owned();
            (short(package["name"].as_str().unwrap()), folder)
        })
        .collect()
}

fn short(name: &str) -> String {
    name.strip_prefix("causeway-").unwrap_or(name).to_owned()
}

fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}
