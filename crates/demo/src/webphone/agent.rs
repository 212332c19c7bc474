//! The web phone's one task: its WebSocket, its calls, what it asked and whom it owes an answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sip::{Message, RequestBuilder, ResponseBuilder};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;

use super::description::{Description, Direction, Ours, Setup};
use super::dialog::{Dialog, Face};
use super::link::Link;
use super::media::{Agreement, Beginning, Media};
use super::outgoing::Pending;
use super::progress::Progress;
use super::{Call, Config, End, Error, State, Unacceptable};
use crate::names::Names;
use crate::phone::Voice;

/// How many calls a web phone has at once; more are answered busy.
pub(super) const MAX_CALLS: usize = 64;

/// Nothing is due for that long when nothing is due.
const IDLE: Duration = Duration::from_secs(3600);

type Done<T> = oneshot::Sender<Result<T, Error>>;

/// What users of the web phone ask for.
#[derive(Debug)]
pub(super) enum Command {
    Register(Done<()>),
    Call {
        uri: String,
        voice: Voice,
        done: Done<Call>,
    },
    Reconnect(Done<()>),
    Answer(u64, Voice),
    Refuse(u64, u16),
    HangUp(u64),
    Hold(u64, bool, Done<()>),
    Digits(u64, String),
    Info(u64, char),
}

pub(super) struct Agent {
    pub(super) config: Config,
    pub(super) face: Face,
    pub(super) names: Names,
    pub(super) calls: HashMap<u64, Ongoing>,
    /// By the branch of the request.
    pub(super) pending: HashMap<String, Pending>,
    pub(super) registration: Registration,
    pub(super) announce: mpsc::Sender<Call>,
    link: Option<Link>,
    outbox: VecDeque<Vec<u8>>,
    identity: dtls::Identity,
    commands: mpsc::WeakUnboundedSender<Command>,
    oddities: Arc<AtomicU32>,
    next_id: u64,
}

/// What REGISTER needs to remember.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) call_id: String,
    pub(super) tag: String,
    pub(super) number: u32,
    pub(super) renew: Option<Instant>,
    pub(super) done: Option<Done<()>>,
}

/// One call.
pub(super) struct Ongoing {
    pub(super) dialog: Dialog,
    pub(super) state: watch::Sender<State>,
    pub(super) progress: Progress,
    pub(super) media: Option<Media>,
    /// What our last body said.
    pub(super) ours: Option<Ours>,
    /// What the peer's last body said.
    pub(super) peer: Option<Description>,
    /// Our DTLS role, once agreed.
    is_active: Option<bool>,
    is_held: bool,
    /// Our INVITE without final response.
    pub(super) invite: Option<Message>,
    /// It had a provisional response, so that it may be cancelled.
    pub(super) is_provisional: bool,
    pub(super) is_cancelled: bool,
    /// The peer's INVITE that we have not answered.
    pub(super) asked: Option<Message>,
    /// Our 2xx had an offer: the ACK has the answer.
    pub(super) awaits_answer: bool,
    /// The ACK of our last 2xx, for when that comes again.
    pub(super) ack: Option<(u32, Message)>,
    pub(super) held: Option<Done<()>>,
}

impl Agent {
    pub(super) async fn connect(
        config: Config,
        announce: mpsc::Sender<Call>,
        commands: mpsc::WeakUnboundedSender<Command>,
        oddities: Arc<AtomicU32>,
    ) -> Result<Self, Error> {
        let link = Link::open(&config.url).await?;
        let mut names = Names::random().map_err(|_| Error::Off)?;
        let is_secure = config.url.starts_with("wss:");
        let face = Face::new(&config.user, &config.domain, is_secure, &mut names);
        let registration = Registration {
            call_id: names.name(),
            tag: names.name(),
            number: 0,
            renew: None,
            done: None,
        };
        Ok(Self {
            face,
            calls: HashMap::new(),
            pending: HashMap::new(),
            registration,
            announce,
            link: Some(link),
            outbox: VecDeque::new(),
            identity: dtls::Identity::generate().map_err(|_| Error::Off)?,
            commands,
            oddities,
            next_id: 0,
            config,
            names,
        })
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        loop {
            let due = self.deadline().unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                message = receive(&mut self.link) => match message {
                    Some(bytes) => self.receive(bytes).await,
                    None => self.lose(),
                },
                command = inbox.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                _ = sleep_until(due.into()) => self.expire(Instant::now()),
            }
            self.flush().await;
        }
    }

    pub(super) fn send(&mut self, message: &Message) {
        self.outbox.push_back(message.as_bytes().to_vec());
    }

    /// Sends what was built; a failure to build is ours and is counted as odd.
    pub(super) fn respond(&mut self, response: ResponseBuilder<'_>) {
        match response
            .header("Contact", self.face.contact.as_str())
            .build()
        {
            Ok(response) => self.send(&response),
            Err(_) => self.odd(),
        }
    }

    pub(super) fn build(&mut self, request: RequestBuilder) -> Option<Message> {
        let built = request
            .header("Supported", "outbound, path")
            .header("User-Agent", "causeway-demo")
            .build();
        if built.is_err() {
            self.odd();
        }
        built.ok()
    }

    pub(super) fn odd(&self) {
        self.oddities.fetch_add(1, Ordering::Relaxed);
    }

    async fn receive(&mut self, bytes: Vec<u8>) {
        if bytes.iter().all(|byte| b"\r\n".contains(byte)) {
            if bytes == b"\r\n\r\n" {
                self.outbox.push_back(b"\r\n".to_vec()); // keep-alive, RFC 5626 section 4.4.1
            }
            return;
        }
        match Message::parse(bytes) {
            Ok(message) if sip::validate(&message).is_err() => self.odd(),
            Ok(message) if message.is_request() => self.asked(message).await,
            Ok(message) => self.answered(&message),
            Err(_) => self.odd(),
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Register(done) => self.register(Some(done)),
            Command::Call { uri, voice, done } => {
                let called = self.call(&uri, voice).await;
                let _ = done.send(called);
            }
            Command::Reconnect(done) => {
                self.link = None;
                let opened = Link::open(&self.config.url).await;
                let _ = done.send(opened.map(|link| self.link = Some(link)));
            }
            Command::Answer(id, voice) => self.answer(id, voice).await,
            Command::Refuse(id, status) => self.refuse(id, status),
            Command::HangUp(id) => self.hang_up(id),
            Command::Hold(id, is_held, done) => self.hold(id, is_held, done),
            Command::Digits(id, digits) => {
                if let Some(media) = self.calls.get(&id).and_then(|call| call.media.as_ref()) {
                    media.digits(digits);
                }
            }
            Command::Info(id, digit) => self.info(id, digit),
        }
    }

    /// The server has gone: what was asked gets no answer any more, calls live on.
    fn lose(&mut self) {
        self.link = None;
        if let Some(done) = self.registration.done.take() {
            let _ = done.send(Err(Error::Disconnected));
        }
    }

    async fn flush(&mut self) {
        while let Some(bytes) = self.outbox.pop_front() {
            let Some(link) = &mut self.link else { continue };
            if link.send(bytes).await.is_err() {
                self.lose();
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let pending = self.pending.values().map(|pending| pending.gives_up);
        pending.chain(self.registration.renew).min()
    }

    fn expire(&mut self, now: Instant) {
        if self.registration.renew.take_if(|at| *at <= now).is_some() {
            self.register(None);
        }
        let is_due = |pending: &Pending| pending.gives_up <= now;
        let due: Vec<_> = self
            .pending
            .iter()
            .filter(|(_, it)| is_due(it))
            .map(|(key, _)| key.clone())
            .collect();
        for branch in due {
            if let Some(pending) = self.pending.remove(&branch) {
                self.unanswered(pending);
            }
        }
    }

    /// A call to be, and the handle for its owner.
    pub(super) fn open(
        &mut self,
        dialog: Dialog,
        caller: String,
        called: String,
        state: State,
    ) -> (u64, Call) {
        self.next_id += 1;
        let id = self.next_id;
        let (state, watched) = watch::channel(state);
        let progress = Progress::new();
        let call = Call {
            id,
            caller,
            called,
            commands: self.commands.clone(),
            state: watched,
            progress: progress.clone(),
        };
        let ongoing = Ongoing {
            dialog,
            state,
            progress,
            media: None,
            ours: None,
            peer: None,
            is_active: None,
            is_held: false,
            invite: None,
            is_provisional: false,
            is_cancelled: false,
            asked: None,
            awaits_answer: false,
            ack: None,
            held: None,
        };
        self.calls.insert(id, ongoing);
        (id, call)
    }

    /// Takes a media port and makes the description we begin with.
    pub(super) async fn prepare(
        &mut self,
        id: u64,
        voice: Voice,
        is_offerer: bool,
    ) -> Result<(), Error> {
        let progress = self
            .calls
            .get(&id)
            .map(|call| call.progress.clone())
            .ok_or(Error::Off)?;
        let credentials = credentials()?;
        let begin = Beginning {
            ip: self.config.address,
            identity: self.identity.clone(),
            credentials: credentials.clone(),
            is_offerer,
            voice,
            progress,
        };
        let media = Media::start(begin).await.map_err(|_| Error::Off)?;
        let ours = Ours {
            session: id,
            version: 0,
            address: media.address,
            credentials,
            candidate: media.candidate.clone(),
            fingerprint: self.identity.fingerprint(dtls::Hash::Sha256).to_string(),
            setup: Setup::ActPass,
            direction: Direction::SendRecv,
            mid: "0".to_owned(),
            is_hiding: self.config.is_hiding,
            ssrc: media.ssrc,
        };
        if let Some(call) = self.calls.get_mut(&id) {
            call.media = Some(media);
            call.ours = Some(ours);
        }
        Ok(())
    }

    /// Ends a call and forgets it.
    pub(super) fn end(&mut self, id: u64, end: End) {
        if let Some(call) = self.calls.remove(&id) {
            call.state.send_replace(State::Ended(end));
        }
    }
}

impl Ongoing {
    /// Our next offer.
    pub(super) fn offer(&mut self) -> Option<String> {
        let direction = Direction::new(true, !self.is_held);
        let ours = self.ours.as_mut()?;
        ours.version += 1;
        ours.setup = Setup::ActPass;
        ours.direction = direction;
        Some(ours.offer())
    }

    /// From now on we hold, or not.
    pub(super) fn set_held(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// Our answer to the peer's offer, which is thereby agreed.
    pub(super) fn answer_to(&mut self, peer: Description) -> Result<String, Unacceptable> {
        self.check_unchanged(&peer)?;
        let is_active = *self.is_active.get_or_insert(peer.setup != Setup::Active);
        let restarts = self
            .peer
            .as_ref()
            .is_some_and(|before| before.credentials != peer.credentials);
        let restart = if restarts { credentials().ok() } else { None };
        let ours = self.ours.as_mut().ok_or(Unacceptable::NoAudio)?;
        if let Some(credentials) = &restart {
            ours.credentials = credentials.clone();
        }
        ours.version += 1;
        ours.setup = if is_active {
            Setup::Active
        } else {
            Setup::Passive
        };
        ours.direction = Direction::new(
            peer.direction.receives(),
            peer.direction.sends() && !self.is_held,
        );
        ours.mid.clone_from(&peer.mid);
        let body = ours.answer(&peer);
        self.agree(peer, is_active, restart);
        Ok(body)
    }

    /// The peer's answer to our offer. The same answer again (183, then 200) changes nothing.
    pub(super) fn answered_by(&mut self, peer: Description) -> Result<(), Unacceptable> {
        self.check_unchanged(&peer)?;
        if self
            .peer
            .as_ref()
            .is_some_and(|before| before.credentials != peer.credentials)
        {
            return Err(Unacceptable::Changed);
        }
        let is_active = *self.is_active.get_or_insert(peer.setup == Setup::Passive);
        self.agree(peer, is_active, None);
        Ok(())
    }

    /// The answer's mid must be ours.
    pub(super) fn mid(&self) -> Option<&str> {
        self.ours.as_ref().map(|ours| ours.mid.as_str())
    }

    fn check_unchanged(&self, peer: &Description) -> Result<(), Unacceptable> {
        match &self.peer {
            Some(before) if before.fingerprints != peer.fingerprints => Err(Unacceptable::Changed),
            _ => Ok(()),
        }
    }

    fn agree(&mut self, peer: Description, active: bool, restart: Option<ice::Credentials>) {
        let sends = peer.direction.receives()
            && !self.is_held
            && self
                .ours
                .as_ref()
                .is_some_and(|ours| ours.direction.sends());
        self.peer = Some(peer.clone());
        if let Some(media) = &self.media {
            media.agree(Agreement {
                peer,
                active,
                restart,
                sends,
            });
        }
    }
}

fn credentials() -> Result<ice::Credentials, Error> {
    let mut random = [0; ice::Credentials::RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(|_| Error::Off)?;
    Ok(ice::Credentials::from_random(&random))
}

/// Waits for ever where there is no link.
async fn receive(link: &mut Option<Link>) -> Option<Vec<u8>> {
    match link {
        Some(link) => link.receive().await,
        None => std::future::pending().await,
    }
}
