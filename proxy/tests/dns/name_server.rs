//! A name server in a few lines.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::PATIENCE;
use super::parts::local;

/// What the name server knows, and what it was asked.
#[derive(Default)]
struct Zone {
    records: Vec<Record>,
    fails: bool,
    asked: Vec<String>,
}

/// A name server.
pub(super) struct Dns {
    pub(super) address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    /// One for each question.
    questions: mpsc::UnboundedReceiver<()>,
}

impl Dns {
    pub(super) async fn start(records: Vec<Record>) -> Self {
        let socket = UdpSocket::bind(local()).await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone {
            records,
            ..Zone::default()
        }));
        let (sender, questions) = mpsc::unbounded_channel();
        tokio::spawn(serve(socket, zone.clone(), sender));
        Self {
            address,
            zone,
            questions,
        }
    }

    pub(super) fn says(&self, records: Vec<Record>) {
        self.zone.lock().unwrap().records = records;
    }

    pub(super) fn fails(&self, fails: bool) {
        self.zone.lock().unwrap().fails = fails;
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.zone.lock().unwrap().asked.clone()
    }

    /// Waits for this many questions more than those that were asked until now.
    pub(super) async fn is_asked(&mut self, times: usize) {
        while self.questions.try_recv().is_ok() {}
        for _ in 0..times {
            let question = timeout(PATIENCE, self.questions.recv()).await;
            question.expect("nobody asks").unwrap();
        }
    }
}

async fn serve(socket: UdpSocket, zone: Arc<Mutex<Zone>>, questions: mpsc::UnboundedSender<()>) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let answer = answer(&buffer[..length], &zone);
        _ = questions.send(());
        _ = socket.send_to(&answer, from).await;
    }
}

fn answer(question: &[u8], zone: &Mutex<Zone>) -> Vec<u8> {
    let question = Message::from_vec(question).unwrap();
    let query = question.queries.first().unwrap().clone();
    let mut zone = zone.lock().unwrap();
    zone.asked.push(query.name().to_utf8());
    let is_asked = |record: &&Record| {
        record.name == *query.name() && record.data.record_type() == query.query_type()
    };
    let found: Vec<Record> = zone.records.iter().filter(is_asked).cloned().collect();
    let (id, op_code) = (question.metadata.id, question.metadata.op_code);
    let mut answer = match zone.fails {
        true => Message::error_msg(id, op_code, ResponseCode::ServFail),
        false => Message::response(id, op_code),
    };
    answer.add_query(query);
    if !zone.fails {
        answer.add_answers(found);
    }
    answer.to_vec().unwrap()
}

/// A record that holds for a second.
pub(super) fn record(name: &str, data: RData) -> Record {
    Record::from_rdata(Name::from_str(name).unwrap(), 1, data)
}

pub(super) fn loopback(host: &str) -> Record {
    record(host, RData::A(A(Ipv4Addr::LOCALHOST)))
}
