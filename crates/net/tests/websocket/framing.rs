//! Frames written by hand, as no browser writes them.

use super::*;

/// A WebSocket of which every octet is written by hand.
async fn raw(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(UPGRADE.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"));
    stream
}

/// A frame from a client, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short if short < 126 => vec![0x80 | short as u8],
        long => [&[0xfe][..], &(long as u16).to_be_bytes()].concat(),
    };
    [&[first][..], &length, &[0; 4], payload].concat()
}

/// The close code that comes back; `None` if the connection just ends.
async fn close_code(stream: &mut TcpStream) -> Option<u16> {
    let mut answer = Vec::new();
    let patience = Duration::from_secs(20);
    _ = tokio::time::timeout(patience, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    let at = answer.iter().position(|octet| *octet == 0x88)?;
    let code = answer.get(at + 2..at + 4)?;
    Some(u16::from_be_bytes(code.try_into().unwrap()))
}

#[tokio::test]
async fn frames_that_rfc_6455_forbids_end_their_flow_with_the_code_that_it_names() {
    let (address, mut events) = listen(Options::default()).await;
    // A flow whose sender is dropped is closed.
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Some(event) = events.recv().await {
            kept.push(event);
        }
    });
    let cases: [(&str, Vec<u8>, u16); 15] = [
        ("unmasked", vec![0x81, 2, b'h', b'i'], 1002),
        ("a reserved bit", frame(0xc1, b"hi"), 1002),
        (
            "compressed without an agreement",
            frame(0xc2, &[0; 50]),
            1002,
        ),
        ("a reserved opcode", frame(0x83, b"hi"), 1002),
        ("a reserved control opcode", frame(0x8b, b"hi"), 1002),
        ("a ping over 125 octets", frame(0x89, &[b'a'; 126]), 1002),
        ("a close over 125 octets", frame(0x88, &[3; 200]), 1002),
        ("a ping in pieces", frame(0x09, b"hi"), 1002),
        ("a continuation of nothing", frame(0x80, b"hi"), 1002),
        (
            "a message within a message",
            [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
            1002,
        ),
        ("a close of one octet", frame(0x88, &[3]), 1002),
        (
            "a close with a code that nobody may send",
            frame(0x88, &1005_u16.to_be_bytes()),
            1002,
        ),
        ("text that is no UTF-8", frame(0x81, &[0xff, 0xfe]), 1007),
        (
            "text that is no UTF-8 in pieces",
            [frame(0x01, &[0xe2]), frame(0x80, &[0x28])].concat(),
            1007,
        ),
        (
            "a message over the limit",
            [&[0x82, 0xff][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat(),
            1009,
        ),
    ];
    for (what, octets, code) in cases {
        let mut stream = raw(address).await;
        stream.write_all(&octets).await.unwrap();
        assert_eq!(close_code(&mut stream).await, Some(code), "{what}");
    }
    // And what it allows is heard.
    let (address, mut events) = listen(Options::default()).await;
    let mut stream = raw(address).await;
    let _flow = opened(&mut events).await;
    let pieces = [
        frame(0x01, b"OP"),
        frame(0x89, b"?"),
        frame(0x00, b""),
        frame(0x80, b"TIONS"),
    ];
    stream.write_all(&pieces.concat()).await.unwrap();
    let Some(Event::Message { bytes, .. }) = events.recv().await else {
        panic!("no message")
    };
    assert_eq!(bytes, b"OPTIONS");
}

#[tokio::test]
async fn a_message_in_endless_pieces_ends_at_the_limit_of_messages() {
    let (address, mut events) = listen(Options::default()).await;
    let mut stream = raw(address).await;
    let _flow = opened(&mut events).await;
    let piece = frame(0x00, &[b'a'; 1000]);
    let _ = stream.write_all(&frame(0x02, b"a")).await;
    let sender = tokio::spawn(async move {
        for _ in 0..100 {
            if stream.write_all(&piece).await.is_err() {
                break;
            }
        }
        stream
    });
    match events.recv().await {
        Some(Event::Closed { why, .. }) => assert_eq!(why, Closing::Protocol),
        other => panic!("expected the flow's end, got {other:?}"),
    }
    drop(sender.await);
}

#[tokio::test]
async fn who_plays_with_pings_is_disconnected_and_so_is_who_does_not_take_his_pongs() {
    let (address, mut events) = listen(Options {
        ping: Some(Duration::from_secs(2)),
        ..Options::default()
    })
    .await;
    let mut stream = raw(address).await;
    let flow = opened(&mut events).await;
    for _ in 0..100 {
        stream.write_all(&frame(0x89, b"?")).await.unwrap();
    }
    stream.write_all(&frame(0x81, b"still here")).await.unwrap();
    assert!(matches!(events.recv().await, Some(Event::Message { .. })));
    // The rest of a second's worth is more than anybody needs.
    let mut pings = 0;
    while pings < 10_000 && stream.write_all(&frame(0x89, &[b'?'; 125])).await.is_ok() {
        pings += 1;
    }
    match events.recv().await {
        Some(Event::Closed { flow: gone, why }) => {
            assert_eq!(gone, flow.flow);
            assert_eq!(why, Closing::Protocol);
        }
        other => panic!("expected the flow's end, got {other:?}"),
    }
}
