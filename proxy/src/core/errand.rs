//! Client transactions that serve no request of anybody: requests of our own, and INVITEs that have gone elsewhere since.

use std::sync::Arc;
use std::time::Instant;

use sip::transaction::{Client, ClientEvent, Output};
use sip::{Error, Message};

use super::Core;
use super::alarms::Due;
use super::event::{Drop, Event};
use super::face::{Command, Source};
use super::left::LeftInvite;
use super::names::{MediaId, Side, TargetId};
use super::request::transport;
use super::response::same_place;
use super::schemes;
use super::sign_in::{Account, OwnUnproven};
use super::transactions::{Errand, ErrandId, client_key};

/// What a transaction is for.
pub(super) enum Purpose {
    /// A CANCEL, or a BYE to a call that never was: its response changes nothing.
    Ours,
    /// The BYE of a call that is over here, and its media free, whatever its answer. It goes once more where it has to be
    /// proved.
    HangUp(Option<Box<OwnUnproven>>),
    /// An OPTIONS that asks whether an address of the SIP server lives.
    Question(TargetId),
    /// An INFO that asks a browser that came back whether it still knows its call.
    Probe(MediaId, Side),
    /// An INVITE that was sent elsewhere when this address was silent.
    Left(Box<LeftInvite>),
}

impl Core {
    /// Sends a request of our own, whose response nobody waits for.
    pub(super) fn send_errand(&mut self, to: Source, request: &Message, now: Instant) {
        self.send_own(to, request, Purpose::Ours, None, now);
    }

    /// Shows both ends of a dialog to a browser as they were shown to it before.
    pub(super) fn name_for(&self, to: Source, request: &mut Message) -> Result<(), Error> {
        match to {
            Source::Flow(_) => {
                schemes::show(request, &self.config.domain)?;
                self.show_request(request)
            }
            Source::Upstream(_) => Ok(()),
        }
    }

    /// Sends a request of our own, which ends at `until` at the latest.
    pub(super) fn send_own(
        &mut self,
        to: Source,
        request: &Message,
        purpose: Purpose,
        until: Option<Instant>,
        now: Instant,
    ) {
        let mut request = request.clone();
        let (Some(key), Ok(())) = (client_key(&request), self.name_for(to, &mut request)) else {
            return;
        };
        let bytes = request.as_bytes().into();
        let machine = Client::new(false, bytes, transport(to), self.config.timers, now);
        let id = self.transactions.errand(key, to, machine, purpose, until);
        self.drain_errand(id, None, now);
    }

    /// A response to one of them.
    pub(super) fn errand_answered(
        &mut self,
        id: ErrandId,
        from: Source,
        response: Message,
        now: Instant,
    ) {
        let Some(errand) = self.transactions.errand_mut(id) else {
            return;
        };
        if !same_place(errand.to, from) {
            return self.drop_message(from, Drop::WrongPeer);
        }
        let status = response.status().unwrap_or_default();
        let ack = match &errand.purpose {
            Purpose::Left(left) if status >= 300 => left.ack_to(&response),
            _ => None,
        };
        let event = ClientEvent::Response { status, ack };
        errand.machine.receive(event, now);
        self.drain_errand(id, Some(response), now);
    }

    /// An errand's alarm.
    pub(super) fn errand_due(&mut self, id: ErrandId, now: Instant) {
        let Some(errand) = self.transactions.errand_mut(id) else {
            return;
        };
        if errand.until.is_some_and(|end| end <= now) {
            return self.end_errand(id, now);
        }
        if !errand.only_listens() {
            errand.machine.receive(ClientEvent::Timer, now);
        }
        self.drain_errand(id, None, now);
    }

    /// Something happened to its connection.
    pub(super) fn ask_errand(&mut self, id: ErrandId, event: ClientEvent, now: Instant) {
        if let Some(errand) = self.transactions.errand_mut(id) {
            errand.machine.receive(event, now);
            self.drain_errand(id, None, now);
        }
    }

    pub(super) fn drain_errand(
        &mut self,
        id: ErrandId,
        mut response: Option<Message>,
        now: Instant,
    ) {
        while let Some(errand) = self.transactions.errand_mut(id) {
            let to = errand.to;
            match errand.machine.poll() {
                Some(Output::Send(bytes)) => self.send(to, bytes.to_vec()),
                Some(Output::Ended) => self.end_errand(id, now),
                Some(Output::Deliver) => {
                    if let Some(response) = response.take() {
                        self.errand_learns(id, &response, now);
                    }
                }
                Some(Output::Failed(_)) => self.errand_failed(id, now),
                None => {
                    let deadline = errand.deadline();
                    return self.alarms.arm(Due::Errand(id), deadline);
                }
            }
        }
    }

    fn errand_learns(&mut self, id: ErrandId, response: &Message, now: Instant) {
        let Some(errand) = self.transactions.errand_mut(id) else {
            return;
        };
        match &errand.purpose {
            Purpose::Ours => {}
            Purpose::HangUp(_) => self.hang_up_answered(id, response, now),
            Purpose::Question(target) => {
                let target = *target;
                if response.status().is_some_and(|status| status >= 200) {
                    self.transactions.close_errand(id);
                    self.upstream_said(target, response, now);
                }
            }
            Purpose::Probe(media, side) => {
                let (media, side) = (*media, *side);
                if response.status() == Some(481) {
                    self.forgotten(media, side, response, now);
                }
            }
            Purpose::Left(_) => self.left_invite_answered(id, response, now),
        }
    }

    /// Hangs up, with what proves that it is this account's to do if that is asked for.
    pub(super) fn hang_up_by(
        &mut self,
        to: Source,
        bye: Message,
        account: Option<Arc<Account>>,
        now: Instant,
    ) {
        let request = bye.clone();
        let unproven = account.map(|account| Box::new(OwnUnproven { request, account }));
        self.send_own(to, &bye, Purpose::HangUp(unproven), None, now);
    }

    /// 481 says that the other side has no such call, which is well.
    fn hang_up_answered(&mut self, id: ErrandId, response: &Message, now: Instant) {
        let errand = self.transactions.errand_mut(id);
        let unproven = errand.and_then(|errand| match &mut errand.purpose {
            Purpose::HangUp(unproven) => Some((errand.to, unproven.take()?)),
            _ => None,
        });
        let again = unproven.and_then(|(to, unproven)| {
            let again = self.own_proven(&unproven, to, response)?;
            Some((to, again))
        });
        if let Some((to, again)) = again {
            return self.send_own(to, &again, Purpose::HangUp(None), None, now);
        }
        if let (Some(status @ 300..), Some(call_id)) = (response.status(), response.call_id())
            && status != 481
        {
            let call_id = call_id.to_owned();
            let event = Event::HangUpRefused { call_id, status };
            self.commands.push_back(Command::Report(event));
        }
    }

    fn errand_failed(&mut self, id: ErrandId, now: Instant) {
        let errand = self.transactions.errand_mut(id);
        if let Some(Purpose::Question(target)) = errand.map(|errand| &errand.purpose) {
            let target = *target;
            self.transactions.close_errand(id);
            self.upstream_silent(target, now);
        }
    }

    /// It is over. A question that is out of time had no answer.
    fn end_errand(&mut self, id: ErrandId, now: Instant) {
        let errand = self.transactions.close_errand(id);
        if let Some(Purpose::Question(target)) = errand.map(|errand| errand.purpose) {
            self.upstream_silent(target, now);
        }
    }
}

impl Errand {
    /// Whether nothing is to be sent any more before something comes: an INVITE that has gone elsewhere would ring twice.
    pub(super) fn only_listens(&self) -> bool {
        matches!(self.purpose, Purpose::Left(_)) && !self.machine.answered()
    }
}
