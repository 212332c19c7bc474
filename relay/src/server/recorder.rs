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
            let (party, medium) = (packet.party + 1, packet.medium + 1);
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
