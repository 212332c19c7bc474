//! Provisional responses on their way to a browser, which drops one without To-tag (RFC 3261 section 12.1): then nothing rings.

use sip::{Error, Message};

use super::names::Names;

/// Gives a provisional response of no dialog a To-tag, the same for all of one call.
pub(super) fn tag(response: &mut Message, names: &Names) -> Result<(), Error> {
    let early = matches!(response.status(), Some(101..=199));
    if !early || response.to_tag().is_some() {
        return Ok(());
    }
    let (Some(call_id), Some(to)) = (response.call_id(), response.header("To")) else {
        return Ok(());
    };
    let tag = names.tag(call_id, response.from_tag().unwrap_or_default());
    let tagged = format!("{to};tag={tag}");
    response.set("To", tagged)
}
