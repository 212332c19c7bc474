//! How soon each side of a call was heard, as the figures tell it.

use std::net::SocketAddr;
use std::time::Duration;

use control_proto::Command;

use crate::bodies::{OTHER_PHONE, PHONE, PHONE_RTP};
use crate::world::*;

const OTHER_RTP: &str = "10.0.0.30:5000";

fn speaks(world: &mut World, from: &str, to: SocketAddr) {
    world.send(from.parse().unwrap(), to, &rtp(1, 0xf0e, b"hello"));
}

#[test]
fn the_time_from_the_answer_to_the_first_packet_is_told_of_each_side() {
    let mut world = World::new();
    let (for_answerer, _) = addresses(&world.sdp(&plain_offer("c", "a", PHONE)));
    world.advance(Duration::from_secs(5));
    let (for_offerer, _) = addresses(&world.sdp(&answer("c", "a", "b", OTHER_PHONE)));
    world.advance(Duration::from_millis(100));
    speaks(&mut world, PHONE_RTP, for_offerer);
    world.advance(Duration::from_millis(200));
    speaks(&mut world, OTHER_RTP, for_answerer);
    // A second answer, and more packets, change nothing.
    world.advance(Duration::from_secs(1));
    world.sdp(&answer("c", "a", "b", OTHER_PHONE));
    speaks(&mut world, PHONE_RTP, for_offerer);
    let mut end = request(Command::Delete, "c");
    end.delete_delay = Some(Duration::ZERO);
    world.command(&end);
    let [offerer, answerer] = world.shard.statistics().first_heard;
    assert_eq!((offerer.media, answerer.media), (1, 1));
    assert_eq!(offerer.took, Duration::from_millis(100));
    assert_eq!(answerer.took, Duration::from_millis(300));
}
