//! The thread that writes recordings: of each call a packet capture, and of each party that speaks G.711 a WAV file. The shards
//! only hand packets over, and never wait: what the disk cannot take is left out, and a full disk ends the recording
//! and not the call.

mod pcap;
mod wav;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use crate::core::{Record, RecordedPacket};
use pcap::Capture;
use wav::Wave;

/// Bytes of packets that wait for the disk: some seconds of a thousand calls.
const MAX_WAITING: usize = 32 << 20;

/// How often what was written is given to the system, so that a crash loses little.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Sound files of one recording at most: a fork has many parties.
const MAX_WAVES: usize = 32;

/// A shard's end of the queue.
#[derive(Clone)]
pub(super) struct Recorder {
    queue: Sender<Record>,
    waiting: Arc<AtomicUsize>,
}

/// The thread's end.
pub(super) struct Writing {
    directory: PathBuf,
    queue: Receiver<Record>,
    waiting: Arc<AtomicUsize>,
    open: HashMap<String, Recording>,
    left_out: bool,
}

/// The files of one recording.
struct Recording {
    capture: Capture<BufWriter<File>>,
    /// By party and medium.
    waves: HashMap<(usize, usize), Wave<BufWriter<File>>>,
}

/// Both ends of a queue to `directory`, which must be there and be writable.
pub(super) fn recorder(directory: &Path) -> io::Result<(Recorder, Writing)> {
    let trial = directory.join(format!(".causeway-{}", std::process::id()));
    create(&trial)?;
    std::fs::remove_file(&trial)?;
    let (sender, receiver) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let recorder = Recorder {
        queue: sender,
        waiting: Arc::clone(&waiting),
    };
    let writing = Writing {
        directory: directory.to_owned(),
        queue: receiver,
        waiting,
        open: HashMap::new(),
        left_out: false,
    };
    Ok((recorder, writing))
}

impl Recorder {
    /// Bytes of packets that wait for the disk.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Hands something over, without waiting. Whether it was taken.
    pub(super) fn take(&self, record: Record) -> bool {
        if let Record::Packet(packet) = &record {
            let size = weight(packet);
            if self.waiting.fetch_add(size, Ordering::Relaxed) > MAX_WAITING {
                self.waiting.fetch_sub(size, Ordering::Relaxed);
                return false;
            }
        }
        // The thread ends after all shards have.
        self.queue.send(record).is_ok()
    }
}

impl Writing {
    /// Writes until every [`Recorder`] is gone, and what they left behind.
    pub(super) fn run(mut self) {
        loop {
            match self.queue.recv_timeout(FLUSH_EVERY) {
                Ok(record) => self.write(record),
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let open: Vec<String> = self.open.keys().cloned().collect();
        open.iter().for_each(|name| self.end(name));
    }

    fn write(&mut self, record: Record) {
        match record {
            Record::Begin { name, call_id } => self.begin(name, &call_id),
            Record::End { name } => self.end(&name),
            Record::Packet(packet) => {
                self.waiting.fetch_sub(weight(&packet), Ordering::Relaxed);
                let Some(recording) = self.open.get_mut(&packet.name) else {
                    return;
                };
                if let Err(error) = recording.packet(&packet, &self.directory) {
                    tracing::error!(%error, name = packet.name, "this recording ends here; the call goes on");
                    self.open.remove(&packet.name);
                }
            }
        }
    }

    fn begin(&mut self, name: String, call_id: &str) {
        let path = self.directory.join(format!("{name}.pcap"));
        let capture = create(&path).and_then(Capture::new);
        match capture {
            Ok(capture) => {
                // A call-id is the peer's text: written with its control characters escaped.
                tracing::info!(call = ?call_id, name, "recording");
                let waves = HashMap::new();
                self.open.insert(name, Recording { capture, waves });
            }
            Err(error) => {
                tracing::error!(call = ?call_id, path = %path.display(), %error, "not recorded")
            }
        }
    }

    fn end(&mut self, name: &str) {
        if let Some(recording) = self.open.remove(name)
            && let Err(error) = recording.finish()
        {
            tracing::error!(%error, name, "the end of this recording is lost");
        }
    }

    fn flush(&mut self) {
        let flushed = |recording: &mut Recording| recording.capture.flush().is_ok();
        self.open.retain(|name, recording| {
            let is_sound = flushed(recording);
            if !is_sound {
                tracing::error!(
                    name,
                    "this recording ends here, its disk takes no more; the call goes on"
                );
            }
            is_sound
        });
        let full = self.waiting.load(Ordering::Relaxed) > MAX_WAITING;
        if full && !self.left_out {
            tracing::warn!("the disk is too slow for the recordings: packets are left out");
        }
        self.left_out = full;
    }
}

impl Recording {
    fn packet(&mut self, packet: &RecordedPacket, directory: &Path) -> io::Result<()> {
        self.capture.packet(packet)?;
        let Some(sound) = packet.sound else {
            return Ok(());
        };
        let key = (packet.party, packet.medium);
        if !self.waves.contains_key(&key) {
            if self.waves.len() >= MAX_WAVES {
                return Ok(());
            }
            let party = packet.party.saturating_add(1);
            let medium = packet.medium.saturating_add(1);
            let path = directory.join(format!("{}-{party}-{medium}.wav", packet.name));
            self.waves.insert(key, Wave::new(create(&path)?)?);
        }
        match self.waves.get_mut(&key) {
            Some(wave) => wave.packet(packet, sound),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> io::Result<()> {
        self.capture.flush()?;
        self.waves.into_values().try_for_each(Wave::finish)
    }
}

/// A new file that only we may read; never one that is there already.
fn create(path: &Path) -> io::Result<BufWriter<File>> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(BufWriter::new)
}

fn weight(packet: &RecordedPacket) -> usize {
    packet
        .bytes
        .len()
        .saturating_add(size_of::<RecordedPacket>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Sound;

    fn packet(name: &str) -> Record {
        let mut bytes = vec![0x80; 12];
        bytes.extend([0; 160]);
        let any = "192.0.2.1:1".parse().unwrap();
        Record::Packet(Box::new(RecordedPacket {
            name: name.to_owned(),
            at: Duration::ZERO,
            from: any,
            to: any,
            party: 0,
            medium: 0,
            sound: Some(Sound::MuLaw),
            bytes,
        }))
    }

    fn directory(name: &str) -> PathBuf {
        let name = format!("causeway-recorder-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        directory
    }

    fn begin(name: &str) -> Record {
        Record::Begin {
            name: name.to_owned(),
            call_id: "c".to_owned(),
        }
    }

    #[test]
    fn a_recording_that_cannot_be_written_ends_and_its_neighbour_goes_on() {
        let directory = directory("bad");
        let (_recorder, mut writing) = recorder(&directory).unwrap();
        // What stands there already is never written over.
        std::fs::write(directory.join("bad-1-1.wav"), b"mine").unwrap();
        for name in ["bad", "good"] {
            writing.write(begin(name));
            writing.write(packet(name));
        }
        assert_eq!(writing.open.keys().collect::<Vec<_>>(), ["good"]);
        writing.write(packet("bad"));
        assert_eq!(
            std::fs::read(directory.join("bad-1-1.wav")).unwrap(),
            b"mine"
        );
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_disk_that_does_not_keep_up_leaves_packets_out_and_holds_a_bounded_number() {
        let directory = directory("slow");
        let (recorder, writing) = recorder(&directory).unwrap();
        let taken = (0..1_000_000)
            .take_while(|_| recorder.take(packet("x")))
            .count();
        assert!(taken > 1000);
        assert!(taken * 172 <= MAX_WAITING);
        assert!(
            recorder.take(begin("y")),
            "what begins and ends is never left out"
        );
        drop(recorder);
        writing.run();
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
