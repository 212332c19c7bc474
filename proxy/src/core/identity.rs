//! Who a caller is, among those who trust each other (RFC 3325). Where the operator says that the SIP server trusts the edge
//! (`assert_identity`), it is told which address has registered on the connection of whoever begins something, whatever
//! From says and also when the caller wants no name shown: Privacy goes along, and who passes the request on to somebody
//! else sees to it. A browser is somebody else.

use sip::{Error, Message, Method};

use super::Core;
use super::face::{FlowId, Source};
use super::names::ClientId;
use super::route::{Route, aor_of};

const ASSERTED: &str = "P-Asserted-Identity";
const PREFERRED: &str = "P-Preferred-Identity";

impl Core {
    /// Says of a browser's request on its way to the SIP server who it is from.
    pub(super) fn assert_identity(
        &self,
        request: &mut Message,
        from: Source,
        route: &Route,
    ) -> Result<(), Error> {
        let (Source::Flow(flow), Source::Upstream(_)) = (from, route.to) else {
            return Ok(());
        };
        if !self.config.policy.assert_identity {
            return Ok(());
        }
        let wished = aor_of(request, PREFERRED);
        request.remove_all(PREFERRED)?;
        let nothing_new = matches!(
            request.method(),
            Some(Method::Register | Method::Ack | Method::Cancel)
        );
        if nothing_new || request.to_tag().is_some() {
            return Ok(());
        }
        match self.identity_of(flow, route.client, wished) {
            Some(aor) => request.append(ASSERTED, format!("<sip:{}>", escaped(&aor))),
            None => Ok(()),
        }
    }

    /// The address that a client has registered on its flow: of several the one that it wishes.
    fn identity_of(
        &self,
        flow: FlowId,
        client: ClientId,
        wished: Option<String>,
    ) -> Option<String> {
        let flow = self.flows.get(flow)?;
        let wished = wished.filter(|aor| flow.is_of(aor));
        wished.or_else(|| flow.aor_of(client).map(str::to_owned))
    }
}

/// Takes out of what a browser is shown the name of who wants none shown (section 7).
pub(super) fn keep_private(message: &mut Message) -> Result<(), Error> {
    let Some(privacy) = message.header("Privacy") else {
        return Ok(());
    };
    // Values stand between semicolons (RFC 3323 section 4.2).
    let mut values = privacy.split([';', ',']).map(str::trim);
    match values.any(|value| value.eq_ignore_ascii_case("id")) {
        true => message.remove_all(ASSERTED).map(drop),
        false => Ok(()),
    }
}

/// An address of record as it stands in a URI: its user may have any characters.
fn escaped(aor: &str) -> String {
    let (user, host) = aor.rsplit_once('@').unwrap_or((aor, ""));
    let mut uri = String::new();
    for octet in user.bytes() {
        // RFC 3261 section 25.1: unreserved and user-unreserved.
        match octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&octet) {
            true => uri.push(octet.into()),
            false => uri += &format!("%{octet:02X}"),
        }
    }
    format!("{uri}@{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_leave_its_brackets() {
        assert_eq!(escaped("alice@example.com"), "alice@example.com");
        assert_eq!(
            escaped("a>\r\nX: b@c@d.org"),
            "a%3E%0D%0AX%3A%20b%40c@d.org"
        );
    }
}
