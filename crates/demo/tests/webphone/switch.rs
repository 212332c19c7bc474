//! The smallest SIP server that two web phones can meet at: registrar with digest, and a proxy between WebSocket
//! flows that passes bodies as they are. So the phones' media flows from one to the other, and both ends are judged.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use net::ws::{Event, FlowId, FlowSender, Listener, Options};
use sip::digest::{Challenge, Credentials, Request};
use sip::{Message, Method, ResponseBuilder, Uri};
use tokio::sync::mpsc;

const REALM: &str = "switch";
pub(crate) const PASSWORD: &str = "secret";

/// How a switch treats what passes it, beyond passing it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Habits {
    /// Challenges every INVITE, as Kamailio does.
    pub(crate) challenges_invites: bool,
    /// Takes the offer out of an INVITE, so that the callee must offer.
    pub(crate) takes_offers_out: bool,
}

pub(crate) struct Switch {
    pub(crate) address: SocketAddr,
    /// Method of each request that passed, in order.
    pub(crate) passed: Arc<Mutex<Vec<String>>>,
}

struct State {
    habits: Habits,
    flows: HashMap<FlowId, FlowSender>,
    /// User to Contact and flow.
    users: HashMap<String, (String, FlowId)>,
    passed: Arc<Mutex<Vec<String>>>,
}

impl Switch {
    pub(crate) async fn start(habits: Habits) -> Self {
        Self::listen(habits, Options::default()).await
    }

    pub(crate) async fn listen(habits: Habits, options: Options) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), options)
            .await
            .unwrap();
        let address = listener.local_addr();
        let (events, mut inbox) = mpsc::channel(64);
        tokio::spawn(listener.run(events));
        let passed = Arc::new(Mutex::new(Vec::new()));
        let (flows, users) = (HashMap::new(), HashMap::new());
        let mut state = State {
            habits,
            flows,
            users,
            passed: Arc::clone(&passed),
        };
        tokio::spawn(async move {
            while let Some(event) = inbox.recv().await {
                state.take(event);
            }
        });
        Switch { address, passed }
    }

    pub(crate) fn methods(&self) -> Vec<String> {
        self.passed.lock().unwrap().clone()
    }
}

impl State {
    fn take(&mut self, event: Event) {
        match event {
            Event::Opened(opened) => {
                self.flows.insert(opened.flow, opened.sender);
            }
            Event::Message { flow, bytes } => {
                let message = Message::parse(bytes).unwrap();
                sip::validate(&message).unwrap();
                match message.is_request() {
                    true => self.request(flow, message),
                    false => self.response(message),
                }
            }
            Event::Closed { flow, .. } => {
                self.flows.remove(&flow);
            }
            Event::Other { peer, .. } => panic!("{peer} speaks no HTTP"),
        }
    }

    fn send(&self, flow: FlowId, message: Message) {
        if let Some(sender) = self.flows.get(&flow) {
            sender.send(message.into_bytes());
        }
    }

    fn request(&mut self, flow: FlowId, mut request: Message) {
        let method = request.method().unwrap().clone();
        self.passed.lock().unwrap().push(method.to_string());
        let is_new = request.to_tag().is_none();
        if method == Method::Register {
            return self.register(flow, request);
        }
        if method == Method::Invite && is_new && self.habits.challenges_invites && !proven(&request)
        {
            return self.challenge(flow, &request, 407);
        }
        let target = self.target(&request);
        let Some((contact, to)) = target else {
            return self.send(flow, respond(&request, 404, "Not Found").build().unwrap());
        };
        if method == Method::Invite && is_new {
            self.send(flow, Message::response(&request, 100, "Trying").unwrap());
        }
        let via = format!(
            "SIP/2.0/WS switch.invalid;branch=z9hG4bKs{}",
            request.top_via().unwrap().branch().unwrap()
        );
        // The flow to answer on rides in a parameter of the Via that comes back.
        request
            .prepend("Via", format!("{via};flow={}", flow.0))
            .unwrap();
        request.remove_first_value("Route").unwrap();
        if is_new {
            request.set_uri(&contact).unwrap();
            request
                .prepend("Record-Route", "<sip:switch.invalid;transport=ws;lr>")
                .unwrap();
        }
        if method == Method::Invite && is_new && self.habits.takes_offers_out {
            request.remove_body().unwrap();
        }
        self.send(to, request);
    }

    /// By the user of the Request-URI: an address of record before the dialog, a Contact within.
    fn target(&self, request: &Message) -> Option<(String, FlowId)> {
        let uri = request.uri()?;
        let is_contact =
            |contact: &str| Uri::parse(contact).is_ok_and(|it| it.user() == uri.user());
        let by_contact = || self.users.values().find(|(contact, _)| is_contact(contact));
        self.users.get(uri.user()?).or_else(by_contact).cloned()
    }

    fn response(&mut self, mut response: Message) {
        let flow = response
            .top_via()
            .and_then(|via| via.params().get("flow")?.parse().ok());
        let Some(flow) = flow else { return };
        response.remove_first_value("Via").unwrap();
        self.send(FlowId(flow), response);
    }

    fn register(&mut self, flow: FlowId, request: Message) {
        if !proven(&request) {
            return self.challenge(flow, &request, 401);
        }
        let contact = request
            .contacts()
            .next()
            .unwrap()
            .unwrap()
            .uri_text()
            .to_owned();
        let user = request
            .to()
            .unwrap()
            .uri()
            .unwrap()
            .user()
            .unwrap()
            .to_owned();
        let value = format!("<{contact}>;expires=600");
        self.users.insert(user, (contact, flow));
        self.send(
            flow,
            respond(&request, 200, "OK")
                .header("Contact", value)
                .build()
                .unwrap(),
        );
    }

    fn challenge(&self, flow: FlowId, request: &Message, status: u16) {
        let name = if status == 401 {
            "WWW-Authenticate"
        } else {
            "Proxy-Authenticate"
        };
        let challenge = Challenge::new(REALM, sip::digest::nonce([7; 16])).to_string();
        self.send(
            flow,
            respond(request, status, "Prove it")
                .header(name, challenge)
                .build()
                .unwrap(),
        );
    }
}

fn respond<'a>(request: &'a Message, status: u16, reason: &str) -> ResponseBuilder<'a> {
    ResponseBuilder::new(request, status, reason).to_tag("switch")
}

fn proven(request: &Message) -> bool {
    let header = if request.is(&Method::Register) {
        "Authorization"
    } else {
        "Proxy-Authorization"
    };
    let credentials = request
        .header(header)
        .and_then(|value| Credentials::parse(&value).ok());
    credentials.is_some_and(|credentials| {
        let method = request.method().unwrap();
        let asked = Request {
            method,
            uri: request.uri_text().unwrap(),
            body: request.body(),
        };
        credentials.verify(REALM, PASSWORD, &asked)
    })
}
