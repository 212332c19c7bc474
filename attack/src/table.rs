//! The table, in Markdown.

use crate::attack::Done;

/// Its head.
pub(crate) const HEAD: &str = "\
| rows | attack | sent | came back | witness without: lost, gap | during: lost, gap | verdict |
|---|---|---|---|---|---|---|";

/// A row.
pub(crate) fn row(done: &Done) -> String {
    let sent = &done.outcome.sent;
    let rate = sent.datagrams as f64 / sent.took.as_secs_f64().max(0.001);
    let report = |report: &crate::witness::Report| {
        let gap = report.gap as f64 / 1e6;
        format!("{} of {}, {gap:.1} ms", report.lost, report.sent)
    };
    let bites = done.bites();
    let note = match done.outcome.note.as_str() {
        "" => String::new(),
        note => format!(" ({note})"),
    };
    let verdict = match (done.spoiled(), bites.is_empty()) {
        (None, true) => format!("holds{note}"),
        (None, false) => format!("**BITES**: {}{note}", bites.join("; ")),
        (Some(why), true) => format!("**SAYS NOTHING**: {why}{note}"),
        (Some(why), false) => format!("**SAYS NOTHING**: {why}; {}{note}", bites.join("; ")),
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {verdict} |",
        done.rows,
        done.name,
        match sent.datagrams {
            0 => "-".to_owned(),
            count if sent.took.as_millis() < 100 => count.to_string(),
            count if rate < 1e3 => format!("{count}, {rate:.0}/s"),
            count => format!("{count}, {:.1} thousand/s", rate / 1e3),
        },
        match done.came.bytes {
            0 => "0 bytes".to_owned(),
            bytes if done.outcome.owed > 0 => format!("{bytes} bytes, {} owed", done.outcome.owed),
            bytes => format!("{bytes} bytes"),
        },
        report(&done.calm),
        report(&done.attacked),
    )
}
