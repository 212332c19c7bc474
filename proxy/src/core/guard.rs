//! Step 5 of the walk: does the request go round in circles, does it ask for what a proxy here cannot do
//! (RFC 3261 sections 16.3 and 16.4).

use std::net::IpAddr;

use sip::{Message, Method, Via};

use super::hop::Hop;
use super::names::Side;
use super::refusal::Answer;

/// Times that one request may have passed this edge before: once, when one of our browsers calls another through
/// the upstream.
const MAX_PASSES: usize = 1;

/// The refusal owed, if one is.
pub(super) fn check(request: &Message, from: Side, own: &[Hop]) -> Result<(), Answer> {
    // An OPTIONS at its end is answered here instead (section 11).
    let answered_here = request.is(&Method::Options) && request.to_tag().is_none();
    if request.max_forwards() == Some(0) && !answered_here {
        return Err(Answer::new(483, "Too Many Hops"));
    }
    let passes = own_vias(request, own);
    let allowed = if from == Side::Browser { 0 } else { MAX_PASSES };
    if passes > allowed {
        return Err(Answer::new(482, "Loop Detected"));
    }
    // Not one branch more may come of it (RFC 5393 section 5.3).
    if breadth(request) == Some(0) {
        return Err(Answer::new(440, "Max-Breadth Exceeded"));
    }
    let required: Vec<_> = request.values("Proxy-Require").collect();
    if !required.is_empty() {
        return Err(Answer::new(420, "Bad Extension").with("Unsupported", required.join(", ")));
    }
    Ok(())
}

/// How often an address of our own stands in Via. A Via of TCP may name the one where we take UDP.
fn own_vias(request: &Message, own: &[Hop]) -> usize {
    let is_own = |via: &Via<'_>| {
        let host = via.host().trim_matches(['[', ']']).parse::<IpAddr>();
        own.iter().any(|own| {
            let port = via.port().unwrap_or(own.transport.default_port());
            host == Ok(own.address.ip()) && port == own.address.port()
        })
    };
    let vias = request.vias().filter_map(Result::ok);
    vias.filter(is_own).count()
}

/// How many branches a request may have at once; `None` where it does not say.
pub(super) fn breadth(request: &Message) -> Option<u32> {
    request.header("Max-Breadth")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(headers: &str, from: Side) -> Option<u16> {
        let text = format!("INVITE sip:a@b SIP/2.0\r\n{headers}\r\n\r\n");
        let request = Message::parse(text.into_bytes()).unwrap();
        let own = [Hop::udp("192.0.2.1:5060".parse().unwrap())];
        check(&request, from, &own)
            .err()
            .map(|answer| answer.status)
    }

    #[test]
    fn a_request_at_the_end_of_its_hops_stops() {
        assert_eq!(status("Max-Forwards: 0", Side::Browser), Some(483));
        assert_eq!(status("Max-Forwards: 1", Side::Browser), None);
        assert_eq!(status("Subject: old client", Side::Browser), None);
    }

    #[test]
    fn a_second_pass_is_a_browser_calling_a_browser_and_a_third_is_a_loop() {
        let own = "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1";
        assert_eq!(status(own, Side::Phone), None);
        assert_eq!(status(&format!("{own}\r\n{own}"), Side::Phone), Some(482));
        assert_eq!(status(own, Side::Browser), Some(482));
    }

    #[test]
    fn a_request_that_may_have_no_branch_stops() {
        assert_eq!(status("Max-Breadth: 0", Side::Phone), Some(440));
        assert_eq!(status("Max-Breadth: 1", Side::Phone), None);
    }

    #[test]
    fn what_only_another_proxy_could_do_is_refused() {
        assert_eq!(status("Proxy-Require: privacy", Side::Phone), Some(420));
    }
}
