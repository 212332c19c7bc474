//! What is asked at the status door: every shard has a part in the answer, so it proves that all of them turn.

use std::sync::Arc;
use std::time::Instant;

use control_proto::{Command, Format, Request};
use net::status::{About, Answer, Question};
use tokio::sync::mpsc::Receiver;

use super::super::figures::Figures;
use super::super::gathering::Gathering;
use super::super::handshakes::Measures;
use super::super::recorder::Recorder;
use super::super::tally::Asked;
use super::super::worker::Job;
use super::Control;
use crate::core::Seats;

/// What the control thread knows for the status door alone.
pub(crate) struct Outlook {
    pub(crate) questions: Receiver<Question>,
    pub(crate) seats: Seats,
    pub(crate) handshakes: Arc<Measures>,
    pub(crate) recorder: Option<Recorder>,
    /// Names the next question.
    pub(crate) asked: u64,
}

impl Control {
    /// Takes what is asked, and asks every shard for its part.
    pub(super) fn questions(&mut self) {
        while let Ok(question) = self.outlook.questions.try_recv() {
            self.gathering.retain(|_, one| !one.is_abandoned());
            self.outlook.asked = self.outlook.asked.wrapping_add(1);
            // No cookie that comes in has a space.
            let cookie: Box<[u8]> = format!(" {}", self.outlook.asked).into_bytes().into();
            let job = Job {
                cookie: cookie.clone(),
                format: Format::Bencode,
                request: Box::new(Request::new(Command::Statistics)),
                max_reply: 0,
                asked: Asked {
                    host: std::net::Ipv4Addr::LOCALHOST.into(),
                    command: Command::Statistics,
                    at: Instant::now(),
                },
            };
            if self.ask_all(&job).is_some() {
                let why = "a media thread has more commands waiting than it can take";
                question.judge(Some(why.to_owned()));
            } else if let Some(gathering) = self.gathering.get_mut(&cookie) {
                gathering.question = Some(question);
            }
        }
    }

    /// All shards have answered.
    pub(super) fn tell(&self, question: Question, gathering: Gathering) {
        let figures = Figures {
            statistics: gathering.statistics().clone(),
            shards: gathering.shards,
            commands: self.tally.commands(),
            unauthentic: self.guard.unheard(),
            backend: self.tally.backend().to_string(),
            seats: self.outlook.seats.clone(),
            handshakes: Arc::clone(&self.outlook.handshakes),
            recorder_waiting: self.outlook.recorder.as_ref().map(Recorder::waiting),
        };
        match question.about {
            About::Metrics => {
                question.answer(Answer::Metrics(Box::new(move |page| figures.write(page))));
            }
            About::Health => question.judge(None),
            About::Ready => question.judge(figures.unready()),
        }
    }
}
