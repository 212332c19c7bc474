//! Places for connections, by address and for handshakes.

use super::*;

/// A listener with so many places for an address.
async fn with_places(per_address: usize) -> (SocketAddr, mpsc::Receiver<Event>, Arc<Gate>) {
    let door = Door::new(DoorLimits {
        per_address,
        ..DoorLimits::default()
    });
    let gate = Arc::<Gate>::default();
    let options = Options {
        door,
        gate: gate.clone(),
        ..Options::default()
    };
    let (address, events) = listen(options).await;
    (address, events, gate)
}

/// Connections that found no place.
fn refused(gate: &Gate) -> u64 {
    let told = gate.told();
    told.into_iter().find(|it| it.0 == "crowded").unwrap().1
}

/// A browser with another address.
async fn another_connects(address: SocketAddr) -> TcpStream {
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(address).await.unwrap();
    other.write_all(UPGRADE.as_bytes()).await.unwrap();
    other
}

#[tokio::test]
async fn an_address_with_too_many_connections_gets_no_more_and_others_do() {
    let (address, mut events, gate) = with_places(2).await;
    let _first = connect(address, None).await.unwrap();
    let _flow = opened(&mut events).await;
    let second = connect(address, None).await.unwrap();
    let second_flow = opened(&mut events).await;
    assert!(connect(address, None).await.is_err());
    assert_eq!(refused(&gate), 1);
    let _other = another_connects(address).await;
    let _flow = opened(&mut events).await;
    // Who leaves makes room.
    drop((second, second_flow));
    assert!(matches!(events.recv().await, Some(Event::Closed { .. })));
    while connect(address, None).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connections_that_never_become_anything_leave_room_and_are_cut_off() {
    let (address, mut events, gate) = with_places(40).await;
    let mut held = Vec::new();
    while refused(&gate) == 0 {
        held.push(TcpStream::connect(address).await.unwrap());
        tokio::task::yield_now().await;
    }
    // Half of the places are not for handshakes, and others have their own.
    let _other = another_connects(address).await;
    let _flow = opened(&mut events).await;
    let began = std::time::Instant::now();
    for mut stream in held {
        assert!(stream.read_u8().await.is_err(), "nothing is said to them");
    }
    assert!(began.elapsed() < Duration::from_secs(15));
    assert!(
        connect(address, None).await.is_ok(),
        "their places are free"
    );
}
