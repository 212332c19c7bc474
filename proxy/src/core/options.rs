//! Option tags (RFC 3261 section 19.2) that one side must not hear of.

use sip::{Error, Message};

/// Takes a tag out of Supported and Require; headers that say nothing else go with it.
pub(super) fn take_out(message: &mut Message, option: &str) -> Result<(), Error> {
    for name in ["Supported", "Require"] {
        if !message.lists(name, option) {
            continue;
        }
        let others = message
            .values(name)
            .filter(|value| !value.eq_ignore_ascii_case(option));
        let others: Vec<_> = others.map(|value| value.into_owned()).collect();
        match others.is_empty() {
            true => message.remove_all(name).map(|_| ())?,
            false => message.set(name, others.join(", "))?,
        }
    }
    Ok(())
}
