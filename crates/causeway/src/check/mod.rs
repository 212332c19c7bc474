//! `causeway check`: says what would run, and rehearses a call with a given message, without a socket.

mod certificate;
mod edge;
mod parts;
mod rehearsal;

use std::path::Path;

use crate::config::Edge;

/// Prints what `file` describes and, with a message, both SDPs that would be sent.
pub(crate) fn run(file: &Path, message: Option<&Path>) -> Result<(), String> {
    let edge = Edge::load(file).map_err(|e| e.to_string())?;
    edge::print(&edge)?;
    let Some(path) = message else { return Ok(()) };
    let text = std::fs::read(path).map_err(|e| {
        format!(
            "{} cannot be read ({e}); give a file with a SIP INVITE or an SDP in it",
            path.display()
        )
    })?;
    let made = rehearsal::rehearse(&edge, &text)?;
    println!(
        "\nthe {} offers; the {} would be sent:\n\n{}",
        made.offerer, made.answerer, made.offer
    );
    println!(
        "and when it answers, the {} would be sent:\n\n{}",
        made.offerer, made.answer
    );
    Ok(())
}
