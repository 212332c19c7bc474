//! Whatever a stranger can throw at media ports without knowing anything.

use std::net::SocketAddrV4;
use std::time::Duration;

use peers::kernel::ROOM;
use peers::random::{self, Same};
use peers::stun::{self, Writer};

use crate::attack::{Outcome, Scene};
use crate::field::{ATTACKER, PRIVATE, PUBLIC, Place};
use crate::flood::{Sent, together};
use crate::programs::PORTS;

/// Packets a second.
const RATE: u64 = 200_000;
const FOR: Duration = Duration::from_secs(5);
/// So many go to one place together.
const TRAIN: u64 = 8;
/// The longest junk; longer datagrams would be cut into fragments.
const LONGEST: u64 = 1472;

/// First octets that the relay sorts by (RFC 7983): STUN, DTLS of each kind, RTP, RTCP, and none of these.
const KINDS: [[u8; 2]; 8] = [
    [0, 1],
    [1, 1],
    [20, 254],
    [22, 254],
    [23, 254],
    [0x80, 0],
    [0x80, 200],
    [0xff, 0xff],
];

/// At every port of the range, and half of it at those of the witness.
pub(super) fn everywhere(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let mut targets = all_ports();
    let known = [scene.witness.public_ports(), scene.witness.private_ports()].concat();
    let times = targets.len() / known.len().max(1);
    targets.extend(known.repeat(times));
    at(&scene.field.alley, &targets).map(reached)
}

/// What less would show is something else.
pub(super) fn reached(sent: Sent) -> Outcome {
    Outcome::of(sent).at_a_rate_of(RATE)
}

/// Both sides of the range.
pub(super) fn all_ports() -> Vec<SocketAddrV4> {
    let both = |port| {
        [
            SocketAddrV4::new(PUBLIC, port),
            SocketAddrV4::new(PRIVATE, port),
        ]
    };
    PORTS.flat_map(both).collect()
}

/// Random bytes of all lengths that begin like what is spoken there.
pub(super) fn at(place: &Place, targets: &[SocketAddrV4]) -> Result<Sent, String> {
    let mut noise = vec![0; 4 * ROOM];
    random::fill(&mut noise);
    let noise = &noise;
    together(place, 5000, RATE, FOR, || {
        let mut chance = Same(random::number() | 1);
        let (mut len, mut to) = (0, targets[0]);
        move |number, room: &mut [u8; ROOM]| {
            let dice = chance.number();
            // Short ones mostly, as the fastest junk is.
            if number.is_multiple_of(TRAIN) {
                let longest = if dice.is_multiple_of(8) { LONGEST } else { 100 };
                len = ((dice >> 8) % (longest + 1)) as usize;
                to = targets[(dice >> 44) as usize % targets.len()];
            }
            let from = (dice >> 24) as usize % (noise.len() - ROOM);
            room[..len].copy_from_slice(&noise[from..from + len]);
            let kind = &KINDS[(dice >> 40) as usize % KINDS.len()];
            let head = len.min(2);
            room[..head].copy_from_slice(&kind[..head]);
            (len, ATTACKER, to)
        }
    })
}

/// Well-made checks for fragments that nobody has.
pub(super) fn checks(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let targets = scene.witness.public_ports();
    let template = check("aaaaaaaa:bbbb", &random::token(24));
    let (template, targets) = (&template, &targets);
    let sent = together(&scene.field.alley, 5010, RATE, FOR, || {
        let mut chance = Same(random::number() | 1);
        move |number, room: &mut [u8; ROOM]| {
            room[..template.len()].copy_from_slice(template);
            let letters = chance.number().to_le_bytes().map(|byte| b'a' + byte % 26);
            // Behind the header and the attribute's head.
            room[24..32].copy_from_slice(&letters);
            let to = targets[(number / TRAIN) as usize % targets.len()];
            (template.len(), ATTACKER, to)
        }
    });
    sent.map(reached)
}

/// Checks for a witness's leg, whose fragment the attacker has read somewhere, with a password that he has not.
pub(super) fn unproved_checks(scene: &mut Scene<'_>) -> Result<Outcome, String> {
    let known: Vec<_> = (scene.witness.calls().iter())
        .filter(|call| call.browser().browser.is_some())
        .map(|call| (call.offered.ufrag.clone(), call.browser().relay()))
        .collect();
    let (fragment, to) = known.first().ok_or("no witness has ICE")?;
    let made: Vec<_> = (0..64)
        .map(|_| {
            check(
                &format!("{fragment}:{}", random::token(4)),
                &random::token(24),
            )
        })
        .collect();
    let made = &made;
    let sent = together(&scene.field.alley, 5020, RATE, FOR, || {
        move |number, room: &mut [u8; ROOM]| {
            let check = &made[number as usize % made.len()];
            room[..check.len()].copy_from_slice(check);
            (check.len(), ATTACKER, *to)
        }
    });
    sent.map(reached)
}

/// A check as a controlling agent sends it.
pub(super) fn check(username: &str, password: &str) -> Vec<u8> {
    let mut writer = Writer::new(stun::REQUEST, &random::bytes());
    writer.attribute(stun::USERNAME, username.as_bytes());
    writer.attribute(stun::PRIORITY, &1_862_270_975_u32.to_be_bytes());
    writer.attribute(stun::ICE_CONTROLLING, &random::bytes::<8>());
    writer.attribute(stun::USE_CANDIDATE, &[]);
    writer.finish(password)
}
