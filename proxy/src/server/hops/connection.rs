//! One open connection to the SIP server's side: octets become messages and messages octets, with a deadline for each
//! message in either direction, and keep-alives (RFC 5626 section 3.5.1). A slow, silent or garbled peer ends only this.

use std::time::Duration;

use net::stream::Stream;
use sip::{Frame, Frames};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout, timeout_at};

use super::{End, News};
use crate::core::Hop;

/// From the first octet of a message to its last.
const MESSAGE_DEADLINE: Duration = Duration::from_secs(10);
/// How long the other side may take to read a message.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// So long without a word of ours, and a connection that we opened is kept alive by a ping: SIP servers and NATs forget
/// connections after two minutes or more.
const KEEP_ALIVE: Duration = Duration::from_secs(50);
/// How long an answer may take to what has ended the connection.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Octets that are read at once.
const PIECE: usize = 16 * 1024;

const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// Serves the connection to its end. `ours`: we opened it.
pub(super) async fn serve(
    stream: Stream,
    hop: Hop,
    ours: bool,
    news: &mpsc::Sender<News>,
    mut queue: mpsc::Receiver<Vec<u8>>,
) -> End {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let pong = Notify::new();
    let end = {
        let writing = write(&mut writer, &mut queue, &pong, ours);
        tokio::pin!(writing);
        let end = tokio::select! {
            end = read(&mut reader, hop, &pong, news) => end,
            end = &mut writing => end,
        };
        if matches!(end, End::Unframed) {
            _ = timeout(LAST_WORDS, writing).await;
        }
        end
    };
    // Nothing more is taken, so that what comes now goes over the next connection.
    queue.close();
    net::tcp::farewell(&mut reader.unsplit(writer)).await;
    end
}

async fn read(
    reader: &mut ReadHalf<Stream>,
    hop: Hop,
    pong: &Notify,
    news: &mpsc::Sender<News>,
) -> End {
    let mut frames = Frames::new();
    let mut piece = vec![0; PIECE];
    let mut deadline = None;
    loop {
        deadline = match frames.is_midway() {
            true => deadline.or_else(|| Instant::now().checked_add(MESSAGE_DEADLINE)),
            false => None,
        };
        let reading = reader.read(&mut piece);
        let read = match deadline {
            None => reading.await,
            Some(deadline) => match timeout_at(deadline, reading).await {
                Ok(read) => read,
                Err(_) => return End::Incomplete,
            },
        };
        let length = match read {
            Ok(0) | Err(_) if frames.is_midway() => return End::Incomplete,
            Ok(0) | Err(_) => return End::ByPeer,
            Ok(length) => length,
        };
        let mut input = piece.get(..length).unwrap_or_default();
        while let Some(frame) = frames.take(&mut input) {
            // What stands behind it has a time of its own.
            deadline = None;
            let (bytes, last) = match frame {
                Frame::Ping => {
                    pong.notify_one();
                    continue;
                }
                Frame::Message(bytes) => (bytes, false),
                Frame::Broken(bytes) => (bytes, true),
            };
            if news.send(News::Message { hop, bytes }).await.is_err() {
                return End::ByUs;
            }
            if last {
                return End::Unframed;
            }
        }
    }
}

async fn write(
    writer: &mut WriteHalf<Stream>,
    queue: &mut mpsc::Receiver<Vec<u8>>,
    pong: &Notify,
    ours: bool,
) -> End {
    loop {
        let message = tokio::select! {
            message = queue.recv() => match message {
                Some(message) => message,
                None => return End::ByUs,
            },
            () = pong.notified() => PONG.to_vec(),
            () = tokio::time::sleep(KEEP_ALIVE), if ours => PING.to_vec(),
        };
        let written = async {
            writer.write_all(&message).await?;
            writer.flush().await
        };
        match timeout(SEND_DEADLINE, written).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return End::ByPeer,
            Err(_) => return End::Slow,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::JoinHandle;

    use super::*;

    const OPTIONS: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n";

    struct Peer {
        stream: DuplexStream,
        news: mpsc::Receiver<News>,
        queue: mpsc::Sender<Vec<u8>>,
        served: JoinHandle<End>,
    }

    fn connected(buffer: usize, ours: bool) -> Peer {
        let (stream, theirs) = duplex(buffer);
        let (sender, news) = mpsc::channel(16);
        let (queue, queued) = mpsc::channel(16);
        let hop = Hop::udp("192.0.2.5:5060".parse().unwrap());
        let served =
            tokio::spawn(async move { serve(Box::new(theirs), hop, ours, &sender, queued).await });
        Peer {
            stream,
            news,
            queue,
            served,
        }
    }

    async fn message(peer: &mut Peer) -> Vec<u8> {
        match peer.news.recv().await {
            Some(News::Message { bytes, .. }) => bytes,
            _ => panic!("a message should come"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_drips_ends_its_connection_and_silence_between_messages_does_not() {
        let mut peer = connected(1000, false);
        peer.stream.write_all(OPTIONS).await.unwrap();
        assert_eq!(message(&mut peer).await, OPTIONS);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        peer.stream.write_all(OPTIONS).await.unwrap();
        assert_eq!(message(&mut peer).await, OPTIONS);
        let started = Instant::now();
        for byte in OPTIONS {
            _ = peer.stream.write_all(&[*byte]).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(matches!(peer.served.await.unwrap(), End::Incomplete));
        assert!(started.elapsed() < Duration::from_secs(OPTIONS.len() as u64 + 2));
        assert!(peer.news.recv().await.is_none(), "half of one is nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_closed_within_a_message_leaves_it_out() {
        for (sent, whole) in [(OPTIONS.len(), true), (OPTIONS.len() - 1, false)] {
            let mut peer = connected(1000, false);
            peer.stream.write_all(&OPTIONS[..sent]).await.unwrap();
            drop(peer.stream);
            let end = peer.served.await.unwrap();
            assert_eq!(matches!(end, End::ByPeer), whole, "{end:?}");
            assert_eq!(matches!(end, End::Incomplete), !whole, "{end:?}");
            assert_eq!(peer.news.recv().await.is_some(), whole);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_closed() {
        let peer = connected(100, false);
        peer.queue.send(vec![b'x'; 1000]).await.unwrap();
        assert!(matches!(peer.served.await.unwrap(), End::Slow));
    }

    #[tokio::test(start_paused = true)]
    async fn a_ping_has_its_pong_and_a_connection_of_our_own_is_kept_alive() {
        let mut peer = connected(1000, false);
        peer.stream.write_all(PING).await.unwrap();
        let mut heard = [0; 2];
        peer.stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, PONG);

        let mut peer = connected(1000, true);
        let started = Instant::now();
        let mut heard = [0; 4];
        peer.stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, PING);
        assert_eq!(started.elapsed(), KEEP_ALIVE);
        peer.stream.write_all(PONG).await.unwrap();
        peer.stream.write_all(OPTIONS).await.unwrap();
        assert_eq!(message(&mut peer).await, OPTIONS);
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_a_connection_is_answered_on_it() {
        let mut peer = connected(1000, false);
        let head = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n";
        peer.stream.write_all(head).await.unwrap();
        peer.stream.write_all(&[b'x'; 500]).await.unwrap();
        assert_eq!(message(&mut peer).await, head);
        peer.queue.send(b"no".to_vec()).await.unwrap();
        let mut heard = [0; 2];
        peer.stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"no");
        drop(peer.stream);
        assert!(matches!(peer.served.await.unwrap(), End::Unframed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_is_dropped_says_what_it_had_to_say_and_closes() {
        let mut peer = connected(1000, false);
        peer.queue.send(b"last".to_vec()).await.unwrap();
        drop(peer.queue);
        let mut heard = Vec::new();
        peer.stream.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"last");
        drop(peer.stream);
        assert!(matches!(peer.served.await.unwrap(), End::ByUs));
    }
}
