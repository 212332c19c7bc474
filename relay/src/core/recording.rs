//! `start`, `pause` and `stop recording`: what passes is handed out as well, plain and with its addresses, for the server to
//! write. The core knows no files: a recording has a name of our own making, of which nothing is anyone's text.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use control_proto::{Command, Request, Response, Value, flag};

use super::call::Call;
use super::codecs::Kind;
use super::config::Anchor;
use super::leg::{Component, Leg};
use super::refused::Refused;
use super::table::Key;
use super::{Output, Shard};

/// Something to be recorded. Every recording begins once and ends once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A recording begins.
    Begin {
        /// What it goes by; no two of a machine's recordings have the same. Letters, digits and `-` only: fit for
        /// the name of a file.
        name: String,
        /// The ng call-id: the asker's text.
        call_id: String,
    },
    /// A packet has passed.
    Packet(Box<RecordedPacket>),
    /// The recording is over: by command, or because the call is.
    End {
        /// Which.
        name: String,
    },
}

/// A packet as it came from a party, without its protection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPacket {
    /// The recording it belongs to.
    pub name: String,
    /// When it came, since the Unix epoch.
    pub at: Duration,
    /// Where it came from.
    pub from: SocketAddr,
    /// The address of ours that it came to.
    pub to: SocketAddr,
    /// The number of the party that sent it, from 0 in the order they joined the call.
    pub party: usize,
    /// The number of the medium, from 0.
    pub medium: usize,
    /// How its payload is to be heard; `None` for anything but G.711, and for RTCP.
    pub sound: Option<Sound>,
    /// The RTP or RTCP packet.
    pub bytes: Vec<u8>,
}

/// The two laws of G.711, at 8000 Hz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// As in North America and Japan.
    MuLaw,
    /// As everywhere else.
    ALaw,
}

/// The recording of a call.
#[derive(Debug)]
pub(super) struct Recording {
    name: String,
    paused: bool,
}

/// On a leg whose packets are recorded: to which recording, and as whose.
#[derive(Debug)]
pub(super) struct Tap {
    name: String,
    party: usize,
    medium: usize,
}

impl Shard {
    /// Executes one of the three.
    pub(super) fn recording(
        &mut self,
        request: &Request,
        now: Instant,
    ) -> Result<Response, Refused> {
        let key = self.known_call(request)?;
        match request.command {
            Command::StartRecording => self.start_recording(key, now)?,
            Command::PauseRecording => {
                let recording = self
                    .calls
                    .get_mut(key)
                    .and_then(|call| call.recording.as_mut());
                recording.ok_or(Refused::NotRecording)?.paused = true;
            }
            _ => self.stop_recording(key),
        }
        self.set_taps(key);
        let response = Response::ok();
        // Where a recording goes is not for whoever can send a command to say.
        let places = [
            "recording-dir",
            "recording-file",
            "recording-pattern",
            "output-destination",
        ];
        if places.iter().any(|key| request.other.get(key).is_some()) {
            return Ok(response
                .with_warning("recordings have names of the relay's own, in its own directory"));
        }
        Ok(response)
    }

    /// `record-call` in an offer or answer.
    pub(super) fn take_recording_wish(
        &mut self,
        key: Key<Call>,
        request: &Request,
        now: Instant,
    ) -> Result<(), Refused> {
        let word = request.other.get("record-call").and_then(Value::as_str);
        let word = word.map(str::to_ascii_lowercase);
        let done = match word.as_deref() {
            Some("off" | "no" | "0") => {
                self.stop_recording(key);
                Ok(())
            }
            Some(_) => self.start_recording(key, now),
            None if request.flags.has(flag::RECORD_CALL) => self.start_recording(key, now),
            None => Ok(()),
        };
        self.set_taps(key);
        done
    }

    fn start_recording(&mut self, key: Key<Call>, now: Instant) -> Result<(), Refused> {
        if !self.config.recording {
            return Err(Refused::RecordingOff);
        }
        let random = self.random_u64();
        let at = self.config.anchor.unix_at(now).as_secs();
        let call = self.calls.get_mut(key).ok_or(Refused::UnknownCallId)?;
        if let Some(recording) = &mut call.recording {
            recording.paused = false;
            return Ok(());
        }
        let name = format!("{at}-{random:016x}");
        self.outputs.push_back(Output::Record(Record::Begin {
            name: name.clone(),
            call_id: call.id.clone(),
        }));
        call.recording = Some(Recording {
            name,
            paused: false,
        });
        Ok(())
    }

    fn stop_recording(&mut self, key: Key<Call>) {
        let recording = self
            .calls
            .get_mut(key)
            .and_then(|call| call.recording.take());
        self.outputs.extend(recording.map(Recording::end));
    }

    /// Brings what is recorded to the legs, those made later included.
    pub(super) fn set_taps(&mut self, key: Key<Call>) {
        let Some(call) = self.calls.get(key) else {
            return;
        };
        let recording = call
            .recording
            .as_ref()
            .filter(|recording| !recording.paused);
        for (number, party) in call.parties.iter().enumerate() {
            for (medium, leg) in party.legs.iter().enumerate() {
                if let Some(leg) = self.legs.get_mut(*leg) {
                    leg.tap = recording.map(|recording| {
                        Box::new(Tap {
                            name: recording.name.clone(),
                            party: number,
                            medium,
                        })
                    });
                }
            }
        }
    }
}

impl Recording {
    /// The end of it, also of the call's.
    pub(super) fn end(self) -> Output {
        Output::Record(Record::End { name: self.name })
    }
}

impl Leg {
    /// The copy of a plain packet of this side, where it is recorded.
    pub(super) fn recorded(
        &self,
        component: Component,
        from: SocketAddr,
        packet: &[u8],
        (anchor, now): (Anchor, Instant),
    ) -> Option<Output> {
        let tap = self.tap.as_ref()?;
        let transport = match component {
            Component::Rtp => self.rtp.as_ref(),
            Component::Rtcp => self.rtcp.as_deref(),
        };
        let number = rtp::Packet::parse(packet).map(|packet| packet.payload_type());
        let codec = number.ok().and_then(|number| self.codecs.get(number));
        let sound = match codec.map(|codec| codec.kind) {
            Some(Kind::Pcmu) => Some(Sound::MuLaw),
            Some(Kind::Pcma) => Some(Sound::ALaw),
            _ => None,
        };
        Some(Output::Record(Record::Packet(Box::new(RecordedPacket {
            name: tap.name.clone(),
            at: anchor.unix_at(now),
            from,
            to: transport.map(|transport| transport.local(transport.out))?,
            party: tap.party,
            medium: tap.medium,
            sound,
            bytes: packet.to_vec(),
        }))))
    }
}
