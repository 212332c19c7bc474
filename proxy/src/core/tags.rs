//! One To-tag for a browser's call. Where the SIP server forks it, each phone that rings has a tag of its own; sip.js and JsSIP
//! make a dialog of each, and sip.js gives up a call whose early media came by another dialog than its answer. So all that
//! rings goes by the tag that the browser saw first, and so does who answers: his tag and the first one change places in
//! all that passes to the browser and comes from it. Everything else here knows only the phones' own tags.
//!
//! Such a call keeps the two tags as long as it is remembered (`calls.rs`), and they ride in the browser's route (`ridden.rs`): an
//! edge that was started anew learns them from the browser's first request. Where PRACK is used (100rel) every phone keeps its
//! tag, since each counts what is acknowledged to it.

mod ridden;
mod swaps;

use std::time::Instant;

use sip::{Error, Message, Method};

use self::ridden::Ridden;
pub(super) use self::swaps::Swaps;
use super::deadline::after;

use super::Core;
use super::face::Source;
use super::names::Side;
use super::transactions::ContextId;

/// The tag that a browser's INVITE was shown first, and that of who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Swap {
    first: String,
    answered: String,
}

impl Swap {
    /// The other side's name for a tag.
    fn of<'a>(&'a self, tag: &'a str) -> Option<&'a str> {
        match tag {
            tag if tag == self.first => Some(&self.answered),
            tag if tag == self.answered => Some(&self.first),
            _ => None,
        }
    }
}

impl Core {
    /// Shows a browser the response to a request of its own. A response to its INVITE decides what it is shown.
    pub(super) fn shown(&mut self, id: ContextId, response: &Message) -> Option<Message> {
        let context = self.transactions.get_mut(id)?;
        if !matches!(context.from, Source::Flow(_)) {
            return None;
        }
        if context.method != Method::Invite || context.in_dialog {
            return self.swapped(response, "To");
        }
        let tag = response.to_tag()?;
        let status = response
            .status()
            .filter(|status| (101..300).contains(status))?;
        if !context.may_share_tag() {
            return None;
        }
        let first = context.first_tag.get_or_insert_with(|| tag.to_owned());
        let (first, decides) = (first.clone(), context.final_status.is_none());
        // A dialog that could not be remembered keeps its name.
        if status >= 200 && decides && first != tag && self.dialog_of(id, response).is_some() {
            let (first, answered) = (first.clone(), tag.to_owned());
            self.transactions.get_mut(id)?.swap = Some(Swap { first, answered });
        }
        let swap = &self.transactions.get_mut(id)?.swap;
        let tag = match (swap, status) {
            (Some(swap), _) => swap.of(tag)?,
            (None, 200..) => return None,
            (None, _) => &first,
        };
        let mut shown = response.clone();
        retag(&mut shown, "To", tag).ok()?;
        if let (Some(swap), 200..) = (swap, status) {
            let swap = swap.clone();
            self.let_ride(&mut shown, response, swap).ok()?;
        }
        Some(shown)
    }

    /// A browser's route says who answered, since it is the 2xx that makes it (RFC 3261 section 13.2.2.4).
    fn let_ride(&self, shown: &mut Message, response: &Message, swap: Swap) -> Result<(), Error> {
        if response.to_tag() != Some(&swap.answered) {
            return Ok(());
        }
        let contact = response.contacts().next().and_then(Result::ok);
        let target = contact.map_or("", |contact| contact.uri_text()).to_owned();
        Ridden { swap, target }.write(shown, &self.names)
    }

    /// Gives a browser's request the tags, and the target, of the phone that it means. Libraries keep the Contact of the
    /// phone that they saw first.
    pub(super) fn meant(&mut self, request: &mut Message, now: Instant) -> Result<(), Error> {
        let ridden = Ridden::read(request, &self.names);
        if let (Some((media, ridden)), Some(call_id)) = (&ridden, request.call_id()) {
            let until = after(now, self.config.limits.longest_call);
            let most = self.config.limits.calls;
            let swaps = self.calls.swaps_mut();
            swaps.learn(call_id, (*media, ridden.swap.clone()), until, most, now);
        }
        if self.calls.swaps().is_empty() {
            return Ok(());
        }
        self.swap_in_refer_to(request)?;
        let known = request
            .call_id()
            .and_then(|call| self.calls.swaps().get(call));
        let (Some((media, swap)), Some(tag)) = (known, request.to_tag()) else {
            return Ok(());
        };
        let (media, Some(tag)) = (*media, swap.of(tag).map(str::to_owned)) else {
            return Ok(());
        };
        retag(request, "To", &tag)?;
        let said = ridden.filter(|(_, ridden)| ridden.swap.answered == tag);
        let said = said.map(|(_, ridden)| ridden.target);
        let target = self.calls.target(media, request, Side::Phone);
        match target.map(str::to_owned).or(said) {
            Some(target) if !target.is_empty() => request.set_uri(&target),
            _ => Ok(()),
        }
    }

    /// The same of a response of a browser.
    pub(super) fn meant_by_response(&self, response: &mut Message) {
        if let Some(meant) = self.swapped(response, "From") {
            *response = meant;
        }
    }

    /// Shows a browser a request of the other side.
    pub(super) fn show_request(&self, request: &mut Message) -> Result<(), Error> {
        if self.calls.swaps().is_empty() {
            return Ok(());
        }
        if let Some(shown) = self.swapped(request, "From") {
            *request = shown;
        }
        let Some(replaces) = request.header("Replaces") else {
            return Ok(());
        };
        match self.swap_in_replaces(&replaces, ["=", ";"]) {
            Some(shown) => request.set("Replaces", shown),
            None => Ok(()),
        }
    }

    /// The message with its call's tags changed in this header, if there is something to change.
    fn swapped(&self, message: &Message, name: &str) -> Option<Message> {
        let (_, swap) = self.calls.swaps().get(message.call_id()?)?;
        let tag = match name {
            "To" => message.to_tag(),
            _ => message.from_tag(),
        };
        let tag = swap.of(tag?)?;
        let mut swapped = message.clone();
        retag(&mut swapped, name, tag).ok()?;
        Some(swapped)
    }

    fn swap_in_refer_to(&self, request: &mut Message) -> Result<(), Error> {
        let Some(value) = request.header("Refer-To") else {
            return Ok(());
        };
        match self.swap_in_replaces(&value, ["%3D", "%3B"]) {
            Some(meant) => request.set("Refer-To", meant),
            None => Ok(()),
        }
    }

    /// A Replaces (RFC 3891), escaped or not, with the other tags of the call that it names.
    fn swap_in_replaces(&self, value: &str, [is, end]: [&str; 2]) -> Option<String> {
        let lower = value.to_ascii_lowercase();
        let names = |call: &str| {
            let escaped = call.replace('@', "%40");
            value.contains(call) || lower.contains(&escaped.to_ascii_lowercase())
        };
        let (_, swap) = self.calls.swaps().find(names)?;
        let mut parts = Vec::new();
        for part in split_ignoring_case(value, end) {
            let tag = [format!("to-tag{is}"), format!("from-tag{is}")]
                .iter()
                .find_map(|name| tag_after(part, name));
            let other = tag.and_then(|(at, tag)| Some((at, tag.len(), swap.of(tag)?)));
            parts.push(match other {
                Some((at, length, other)) => {
                    let (head, rest) = part.split_at_checked(at)?;
                    format!("{head}{other}{}", rest.get(length..)?)
                }
                None => part.to_owned(),
            });
        }
        Some(parts.join(end)).filter(|swapped| swapped != value)
    }
}

/// The parts between separators, in whatever case these are written.
fn split_ignoring_case<'a>(value: &'a str, separator: &str) -> Vec<&'a str> {
    let lower = value.to_ascii_lowercase();
    let mut parts = Vec::new();
    let mut begin = 0;
    for (at, found) in lower.match_indices(&separator.to_ascii_lowercase()) {
        parts.extend(value.get(begin..at));
        begin = at.saturating_add(found.len());
    }
    parts.extend(value.get(begin..));
    parts
}

/// Where a tag stands in a part that begins with its name, and the tag.
fn tag_after<'a>(part: &'a str, name: &str) -> Option<(usize, &'a str)> {
    let head = part.get(..name.len())?;
    let rest = part.get(name.len()..)?;
    let end = rest.find(['>', '&', ',', ';']).unwrap_or(rest.len());
    let tag = rest.get(..end)?;
    head.eq_ignore_ascii_case(name).then_some((name.len(), tag))
}

/// Another tag for From or To.
fn retag(message: &mut Message, name: &str, tag: &str) -> Result<(), Error> {
    let known = match name {
        "To" => message.to_tag(),
        _ => message.from_tag(),
    };
    let (Some(known), Some(value)) = (known, message.header(name)) else {
        return Ok(());
    };
    let lower = value.to_ascii_lowercase();
    let written = format!("tag={}", known.to_ascii_lowercase());
    let Some(at) = lower.rfind(&written) else {
        return Ok(());
    };
    let begin = at.saturating_add("tag=".len());
    let end = begin.saturating_add(known.len());
    let parts = value.get(..begin).zip(value.get(end..));
    let Some(changed) = parts.map(|(head, rest)| format!("{head}{tag}{rest}")) else {
        return Ok(());
    };
    message.set(name, changed)
}
