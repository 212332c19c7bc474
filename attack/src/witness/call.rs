//! A call between a phone in the house and a browser, or a phone with SDES, in the street.

use std::net::SocketAddrV4;

use peers::answer::{Answer, is_client};
use peers::browser::{Browser, Identity};
use peers::clock::{self, SECOND};
use peers::ng::Ng;
use peers::random;
use peers::scenario::{Scenario, answer};
use peers::sdp::{self, Media};

use super::End;
use crate::field::{BROWSER, Field, PHONE};

/// What an endpoint's first port is.
const FIRST_PORT: u16 = 4000;
/// ICE and DTLS are given up after this.
const PATIENCE: u64 = 10 * SECOND;

/// A call of which both ends are ours.
pub(crate) struct Call {
    /// Its call-id.
    pub(crate) name: String,
    /// What the relay told the street's end.
    pub(crate) offered: Media,
    phone: End,
    browser: End,
}

impl Call {
    /// Offer, answer, and keys. Calls with different numbers have different ports.
    pub(crate) fn set_up(
        field: &Field,
        ng: &mut Ng,
        identity: &Identity,
        scenario: Scenario,
        number: usize,
    ) -> Result<Self, String> {
        let mut call = Self::new(field, number)?;
        call.negotiate(ng, [identity; 2], scenario, |_| ())
            .map_err(|why| format!("a witness call cannot be set up: {why}"))?;
        Ok(call)
    }

    /// Two ends that have not spoken yet.
    pub(crate) fn new(field: &Field, number: usize) -> Result<Self, String> {
        let port = Self::port(number);
        Ok(Self {
            name: format!("{}@witness", random::token(10)),
            offered: Media::default(),
            phone: End::new(&field.house, PHONE, port, 2 * number as u32)?,
            browser: End::new(&field.street, BROWSER, port, 2 * number as u32 + 1)?,
        })
    }

    /// The same in two steps, for those who want to differ. Of the identities, the first is the one that SDP tells of, the
    /// second the one that shakes hands; `told` is given the relay's port once it is known.
    pub(crate) fn negotiate(
        &mut self,
        ng: &mut Ng,
        [shown, used]: [&Identity; 2],
        scenario: Scenario,
        told: impl Fn(SocketAddrV4),
    ) -> Result<(), String> {
        let mut offer = scenario.offer(&self.name, sdp::phone(self.phone.address()));
        offer.direction = Some(["private".to_owned(), "public".to_owned()]);
        let (body, _) = ng.body(&offer, || {})?;
        let offered = Media::parse(&body);
        told(address(&offered)?);
        let mut ours = Answer::new(scenario, &offered)?;
        if scenario.is_dtls() {
            let mut browser = Browser::new(0);
            browser.take(&offered, is_client(&offered, true));
            self.browser.browser = Some(Box::new(browser));
        }
        let browser = self.browser.browser.as_deref();
        let body = ours.body(browser, self.browser.address(), &offered, shown);
        let (body, _) = ng.body(&answer(&self.name, body), || {})?;
        let answered = Media::parse(&body);
        let streams = [self.phone.stream, self.browser.stream];
        self.phone.join(address(&answered)?, streams[1], None);
        self.browser
            .join(address(&offered)?, streams[0], ours.take_keys());
        self.offered = offered;
        self.browser.shake(used);
        let end = clock::now() + PATIENCE;
        while !self.browser.is_ready()? {
            if clock::now() > end {
                return Err("no keys in time".to_owned());
            }
            self.tick();
            clock::sleep(SECOND / 1000);
        }
        self.phone.talk();
        self.browser.talk();
        Ok(())
    }

    /// The port of both ends of the call with a number.
    pub(crate) fn port(number: usize) -> u16 {
        FIRST_PORT + 2 * number as u16
    }

    pub(super) fn tick(&mut self) {
        self.phone.tick();
        self.browser.tick();
    }

    /// The plain end.
    pub(crate) fn phone(&self) -> &End {
        &self.phone
    }

    /// The secure end.
    pub(crate) fn browser(&self) -> &End {
        &self.browser
    }

    pub(super) fn ends(&mut self) -> impl Iterator<Item = &mut End> {
        [&mut self.phone, &mut self.browser].into_iter()
    }

    /// Phone and browser.
    pub(crate) fn halves(&mut self) -> [&mut End; 2] {
        [&mut self.phone, &mut self.browser]
    }
}

fn address(media: &Media) -> Result<SocketAddrV4, String> {
    media
        .address
        .ok_or_else(|| "no address in the relay's body".to_owned())
}
