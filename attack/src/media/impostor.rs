//! A browser whose certificate is not the one that its SDP told of.

use std::time::Duration;

use peers::browser::Identity;
use peers::scenario::Scenario;

use crate::attack::{Outcome, Scene};
use crate::flood::Sent;
use crate::witness::Call;

/// Packets that it sends, if it comes so far.
const PACKETS: u64 = 100;

/// It shakes hands, and sends. Its phone must hear nothing.
pub(super) fn another_certificate(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let other = Identity::generate()?;
    let mut call = Call::new(scene.field, 10)?;
    let ids = [scene.identity, &other];
    let connected = call.negotiate(scene.ng, ids, Scenario::AvpDtlsActive, |_| ());
    let [phone, browser] = call.halves();
    browser.burst(PACKETS);
    std::thread::sleep(Duration::from_millis(300));
    let heard = phone.drain();
    _ = scene.ng.ask(&peers::scenario::delete(&call.name), || {});
    let bite = (heard > 0).then(|| format!("{heard} packets reached the phone"));
    let sent = Sent {
        datagrams: PACKETS,
        ..Sent::default()
    };
    let note = match connected {
        Ok(()) => "it thinks that it is connected".to_owned(),
        Err(why) => why,
    };
    Ok(Outcome::of(sent).biting(bite).saying(note))
}
