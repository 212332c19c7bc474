//! Session timers (RFC 4028) end at the edge: neither side hears that the other has any. So no server can find a browser's
//! 90 seconds too short (422), and no refresh can fail for want of UPDATE on the other side. Whoever refreshes without a
//! body is answered here for as long as the call stands; whether a browser lives the edge learns sooner, from its pings.

use sip::{Error, Message, Method};

use super::Core;
use super::names::{MediaId, Side};
use super::options;
use super::refusal::Answer;
use super::route::Route;
use super::transactions::ContextId;

/// Takes the timers out of a message that passes.
pub(super) fn take_out(message: &mut Message) -> Result<(), Error> {
    let about_sessions = [Method::Invite, Method::Update, Method::Prack];
    let method = message.cseq().map(|cseq| cseq.method);
    if !method.is_some_and(|method| about_sessions.contains(&method)) {
        return Ok(());
    }
    for name in ["Session-Expires", "Min-SE"] {
        message.remove_all(name)?;
    }
    options::take_out(message, "timer")
}

fn may_refresh(request: &Message) -> bool {
    request.is(&Method::Update) && request.body().is_empty()
}

impl Core {
    /// The answer to an UPDATE that changes nothing and would go this way.
    pub(super) fn refreshes_dialog(
        &mut self,
        id: ContextId,
        route: &Route,
        request: &Message,
    ) -> Option<Answer> {
        if !may_refresh(request) {
            return None;
        }
        let from = self.transactions.get_mut(id)?.from;
        let way_here = self.way_here(self.token_of(route, from), from);
        let sender = self.sender(route)?;
        self.refreshes(sender, route.media, way_here, request)
    }

    /// The answer to an UPDATE that changes nothing. A phone calls the browser by `way_here`, if there is one.
    pub(super) fn refreshes(
        &mut self,
        from: Side,
        media: Option<MediaId>,
        way_here: Option<String>,
        request: &Message,
    ) -> Option<Answer> {
        if !may_refresh(request) {
            return None;
        }
        let dialog = self.calls.dialog_mut(media?, request)?;
        let same_place = dialog.is_where_it_was(from, request);
        same_place.then(|| {
            let known = || dialog.target(from.other()).to_owned();
            let contact = format!("<{}>", way_here.unwrap_or_else(known));
            Answer::new(200, "OK").with("Contact", contact)
        })
    }
}
