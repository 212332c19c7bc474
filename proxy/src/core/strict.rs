//! Strict routers, as before RFC 3261: they put the next hop into the Request-URI and the target at the end of Route.
//! What one before us did is undone (RFC 3261 section 16.4); one behind us finds what it expects (section 16.6 step 6).

use sip::{Error, Message};

use super::names::Names;
use super::token::Token;

/// Puts the target back into the Request-URI, if a Record-Route value of ours stands there. Gives back its token.
pub(super) fn undo(request: &mut Message, names: &Names) -> Result<Option<Token>, Error> {
    let recorded = request.uri().is_some_and(|uri| uri.params().has("lr"));
    let (true, Some(token)) = (recorded, Token::addressed(request, names)) else {
        return Ok(None);
    };
    let Some(last) = request.routes().count().checked_sub(1) else {
        return Ok(None);
    };
    let target = request.routes().last().ok_or(Error::Missing)??;
    let target = target.uri_text().to_owned();
    request.set_uri(&target)?;
    request.remove_value("Route", last)?;
    Ok(Some(token))
}

/// Makes the next hop the Request-URI, if it asks for that by having no `lr`.
pub(super) fn yield_to(request: &mut Message) -> Result<(), Error> {
    let Some(next) = request.routes().next() else {
        return Ok(());
    };
    let next = next?;
    if next.uri()?.params().has("lr") {
        return Ok(());
    }
    let next = next.uri_text().to_owned();
    let target = request.uri_text().unwrap_or_default().to_owned();
    request.remove_first_value("Route")?;
    request.append("Route", format!("<{target}>"))?;
    request.set_uri(&next)
}
