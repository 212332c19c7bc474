//! What `SECURITY.md` says of attacks is true: each test that it names is there, and so is each attack that is made live.

#![allow(clippy::unwrap_used)] // a test may stop on the first surprise

#[path = "parts/named.rs"]
mod named;

use named::{names, read, rows, tests, text};

/// Whether a row's first column is a number of the catalogue.
fn is_number(cell: &str) -> bool {
    let digits = cell.get(1..).unwrap_or_default();
    cell.starts_with(['S', 'M', 'C'])
        && !digits.is_empty()
        && digits.bytes().all(|c| c.is_ascii_digit())
}

#[test]
fn every_attack_of_the_catalogue_has_its_row_and_every_row_tests_that_exist() {
    let document = read("SECURITY.md");
    let (tests, live) = (tests(), text("attack", ".rs"));
    let mut rows = rows(&document);
    rows.retain(|(number, _)| is_number(number));
    let mut wrong = Vec::new();
    for (kind, count) in [('S', 26), ('M', 20), ('C', 6)] {
        for number in (1..=count).map(|n| format!("{kind}{n}")) {
            if !rows.iter().any(|(row, _)| *row == number) {
                wrong.push(format!("there is no row {number}"));
            }
        }
    }
    for (number, holds) in rows {
        let names = names(holds);
        if names.is_empty() {
            wrong.push(format!("nothing holds {number}"));
        }
        for name in names {
            let is_there = match name.strip_prefix("attack: ") {
                Some(part) => live.contains(part),
                None => tests.contains_key(name),
            };
            if !is_there {
                wrong.push(format!("{number}: there is no {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
