//! What `proxy/CLIENTS.md` says of tests is true: each that it names is there, and no row is without one and without a reason.

#![allow(clippy::unwrap_used)] // a test may stop on the first surprise

#[path = "parts/named.rs"]
mod named;

use named::{names, read, rows, tests, text};

#[test]
fn every_row_names_a_test_that_exists_or_says_why_there_is_none() {
    let document = read("proxy/CLIENTS.md");
    let (tests, cases) = (tests(), text("tests/e2e/cases", ".mjs"));
    let mut wrong = Vec::new();
    let mut rows = rows(&document);
    rows.retain(|(_, holds)| holds.trim() != "held by");
    assert!(
        rows.len() > 40,
        "the tables have another shape: {} rows",
        rows.len()
    );
    for (what, holds) in rows {
        let names = names(holds);
        if names.is_empty() && !what.starts_with("*No*") {
            wrong.push(format!("nothing holds: {what}"));
        }
        for name in names {
            let is_there = match name.strip_prefix("e2e: ") {
                Some(part) => cases.contains(part),
                None => tests.contains_key(name),
            };
            if !is_there {
                wrong.push(format!("there is no {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
