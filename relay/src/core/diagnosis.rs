//! Why one side of a call heard nothing: a sentence for the operator, from what was seen of the two legs of a medium. It
//! says what to look at, and nothing where media passed both ways.

use super::call::Call;
use super::leg::{DtlsStage, Leg};
use super::table::Key;
use super::{Drop, Shard};

/// What was seen of one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// Who is at its other end.
    who: &'static str,
    /// Our port.
    port: u16,
    /// With ICE: whether a check with the right password has come.
    checked: Option<bool>,
    /// With DTLS: how far the handshake has come.
    dtls: Option<DtlsStage>,
    /// Whether it said that it would send.
    sends: bool,
    /// Packets of media that were taken from there, and all that was sent there.
    received: u64,
    sent: u64,
    /// Checks without the right user name and password.
    refused_checks: u64,
    /// Why most of what else came from there went nowhere.
    dropped: Option<(Drop, u64)>,
}

/// What is wrong, if anything: the first cause on the way of packets from one side to the other.
fn diagnose(sides: [&Seen; 2]) -> Option<String> {
    let [one, other] = sides;
    let connected = sides.into_iter().find_map(unconnected);
    connected
        .or_else(|| passage(one, other))
        .or_else(|| passage(other, one))
}

/// Why a side could not speak to us at all.
fn unconnected(side: &Seen) -> Option<String> {
    let Seen { who, port, .. } = side;
    if side.checked == Some(false) {
        return Some(match side.refused_checks {
            0 => format!(
                "no check from the {who} came to UDP port {port}: is it open in every firewall on the way, and is the address that the {who} was told ours?"
            ),
            n => format!(
                "{n} checks came to UDP port {port}, none with the {who}'s user name and password: does something between change the SDP?"
            ),
        });
    }
    match side.dtls.as_ref()? {
        DtlsStage::Unheard => Some(format!(
            "the {who} did not begin DTLS at UDP port {port}: did it get our answer?"
        )),
        DtlsStage::UnderWay => Some(format!(
            "the DTLS handshake with the {who} at UDP port {port} did not finish: are long datagrams lost on the way?"
        )),
        DtlsStage::Failed(reason) => Some(format!(
            "the DTLS handshake with the {who} failed: {reason}"
        )),
        DtlsStage::Keyed => None,
    }
}

/// Why what one side sent did not reach the other.
fn passage(from: &Seen, to: &Seen) -> Option<String> {
    if !from.sends || from.received > 0 && to.sent > 0 {
        return None;
    }
    let (Seen { who, port, .. }, listener) = (from, to.who);
    let dropped = from.dropped.map(|(reason, n)| (reason.name(), n));
    Some(match (from.received, dropped) {
        (0, None) => format!(
            "the {who} sent nothing to UDP port {port}: is that open, and was it told the right address?"
        ),
        (0, Some((reason, n))) => format!(
            "nothing that the {who} sent to UDP port {port} was taken ({n} packets: {reason})"
        ),
        (n, None) => format!("{n} packets of the {who} were not for the {listener}"),
        (_, Some((reason, n))) => format!(
            "what the {who} sent was not passed on to the {listener} ({n} packets: {reason})"
        ),
    })
}

impl Shard {
    /// What is wrong with the media of a call as it is now; `None` where all passes, or nobody has answered.
    pub(super) fn diagnosis(&self, key: Key<Call>) -> Option<String> {
        let call = self.calls.get(key).filter(|call| call.answered.is_some())?;
        self.diagnosis_of(call)
    }

    /// The same of a call that is not in the table any more.
    pub(super) fn diagnosis_of(&self, call: &Call) -> Option<String> {
        let first = call.parties.first()?;
        let faults = first.legs.iter().filter_map(|leg| {
            let one = self.legs.get(*leg)?;
            let other = self.legs.get(one.peer?)?;
            let (mut offerer, mut answerer) = (seen(one)?, seen(other)?);
            if offerer.who == answerer.who {
                (offerer.who, answerer.who) = ("side that called", "side that was called");
            }
            let fault = diagnose([&offerer, &answerer])?;
            Some(format!("{}: {fault}", one.terms.kind.as_str()))
        });
        let faults: Vec<_> = faults.collect();
        (!faults.is_empty()).then(|| faults.join("; "))
    }
}

/// `None` of a leg that has no port of its own, or whose media are the two sides' own matter.
fn seen(leg: &Leg) -> Option<Seen> {
    let rtp = leg.rtp.as_ref().filter(|_| leg.passing.is_none())?;
    let agent = rtp.agent.as_deref();
    let streams = leg.sources.iter().map(|source| source.packets);
    let received = streams.fold(0, u64::saturating_add);
    let other_drops = Drop::ALL
        .into_iter()
        .filter(|why| ![Drop::StunRefused, Drop::StunGuesses].contains(why));
    let worst = other_drops
        .map(|why| (why, rtp.received.dropped(why)))
        .max_by_key(|(_, count)| *count);
    let has_dtls = leg.terms.dtls.role().is_some();
    let keyed = leg.keys.is_some();
    Some(Seen {
        who: if agent.is_some() { "browser" } else { "phone" },
        port: rtp.local(rtp.out).port(),
        checked: agent.map(|agent| agent.selected().is_some() || received > 0 || keyed),
        dtls: has_dtls.then(|| match keyed {
            true => DtlsStage::Keyed,
            false => rtp.dtls.stage(),
        }),
        sends: !leg.terms.held && leg.terms.direction.sends(),
        received,
        sent: rtp.sent.packets,
        refused_checks: rtp.received.dropped(Drop::StunRefused),
        dropped: worst.filter(|(_, count)| *count > 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browser() -> Seen {
        Seen {
            who: "browser",
            port: 3478,
            checked: Some(true),
            dtls: Some(DtlsStage::Keyed),
            sends: true,
            received: 500,
            sent: 500,
            refused_checks: 0,
            dropped: None,
        }
    }

    fn phone() -> Seen {
        Seen {
            who: "phone",
            port: 30_000,
            checked: None,
            dtls: None,
            ..browser()
        }
    }

    /// What is said of these two, after one thing was changed in each.
    fn said(of_browser: impl Fn(&mut Seen), of_phone: impl Fn(&mut Seen)) -> Option<String> {
        let (mut browser, mut phone) = (browser(), phone());
        of_browser(&mut browser);
        of_phone(&mut phone);
        let said = diagnose([&browser, &phone]);
        assert_eq!(said.is_some(), diagnose([&phone, &browser]).is_some());
        said
    }

    #[test]
    fn a_call_that_both_sides_heard_has_no_fault() {
        assert_eq!(said(|_| {}, |_| {}), None);
        // Some of it was dropped: nobody has heard nothing.
        assert_eq!(
            said(|b| b.dropped = Some((Drop::Replayed, 3)), |_| {}),
            None
        );
        // Reports alone are no sound.
        assert!(
            said(
                |b| (b.received, b.sent) = (0, 9),
                |p| (p.received, p.sent) = (0, 9)
            )
            .is_some()
        );
        // On hold nobody is to send.
        let silent = |side: &mut Seen| (side.sends, side.received, side.sent) = (false, 0, 0);
        assert_eq!(said(silent, silent), None);
    }

    #[test]
    fn the_first_cause_on_the_way_is_named() {
        let nothing = |side: &mut Seen| (side.received, side.sent) = (0, 0);
        let unchecked = |side: &mut Seen| {
            (side.checked, side.dtls) = (Some(false), Some(DtlsStage::Unheard));
            (side.received, side.sent) = (0, 0);
        };
        type Change = Box<dyn Fn(&mut Seen)>;
        let same = || -> Change { Box::new(|_| {}) };
        let rows: Vec<(Change, Change, &[&str])> = vec![
            (
                Box::new(unchecked),
                Box::new(|p| p.sent = 0),
                &["no check from the browser", "3478", "firewall"],
            ),
            (
                Box::new(move |b| {
                    unchecked(b);
                    b.refused_checks = 7;
                }),
                same(),
                &["7 checks", "3478", "none with the browser's"],
            ),
            (
                Box::new(move |b| {
                    nothing(b);
                    b.dtls = Some(DtlsStage::Unheard);
                }),
                same(),
                &["browser did not begin DTLS"],
            ),
            (
                Box::new(move |b| {
                    nothing(b);
                    b.dtls = Some(DtlsStage::UnderWay);
                }),
                same(),
                &["handshake", "did not finish"],
            ),
            (
                Box::new(move |b| {
                    nothing(b);
                    b.dtls = Some(DtlsStage::Failed("another fingerprint".into()));
                }),
                same(),
                &["handshake", "failed: another fingerprint"],
            ),
            (
                Box::new(|b| b.sent = 0),
                Box::new(|p| p.received = 0),
                &["the phone sent nothing", "30000"],
            ),
            (
                Box::new(|b| b.sent = 0),
                Box::new(|p| (p.received, p.dropped) = (0, Some((Drop::WrongSource, 57)))),
                &["nothing that the phone sent", "57 packets: wrong source"],
            ),
            (
                Box::new(|b| b.dropped = Some((Drop::PeerUnknown, 500))),
                Box::new(|p| p.sent = 0),
                &[
                    "what the browser sent was not passed on to the phone",
                    "peer address unknown",
                ],
            ),
            (
                Box::new(|b| b.received = 0),
                Box::new(|p| p.sent = 0),
                &["the browser sent nothing", "3478"],
            ),
        ];
        for (of_browser, of_phone, words) in rows {
            let said = said(of_browser, of_phone).expect("a fault");
            for word in words {
                assert!(said.contains(word), "{word} is not in: {said}");
            }
        }
    }
}
