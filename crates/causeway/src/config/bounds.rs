//! What one connection, one address and one account may do at once: the numbers under `[limits]`. What the file leaves out
//! stays as the proxy has it.

use std::ops::RangeInclusive;
use std::time::Duration;

use net::ws::DoorLimits;
use proxy::core;

use super::limits::{number, seconds};
use super::{Fault, file};

const CONNECTIONS: RangeInclusive<u64> = 10..=1_000_000;
const PER_ADDRESS: RangeInclusive<u64> = 2..=1_000_000;
const NEW: RangeInclusive<u64> = 1..=1_000_000;
const MESSAGES: RangeInclusive<u64> = 10..=1_000_000;
const RINGING: RangeInclusive<u64> = 1..=100_000;
const CALLS: RangeInclusive<u64> = 1..=1_000_000;
const GUESSES: RangeInclusive<u64> = 1..=1_000_000;
/// A page needs some time to load, and its user to write a password.
const PATIENCE: RangeInclusive<u64> = 5..=24 * 3600;

/// The numbers that the file gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    connections: Option<usize>,
    connections_per_address: Option<usize>,
    new_connections_per_address: Option<u32>,
    messages_per_connection: Option<u32>,
    messages_per_address: Option<u32>,
    ringing_per_connection: Option<usize>,
    ringing_per_account: Option<usize>,
    calls_per_account: Option<u32>,
    wrong_passwords_per_address: Option<u32>,
    wrong_passwords_per_account: Option<u32>,
    silent: Option<Duration>,
    unregistered: Option<Duration>,
}

impl Bounds {
    /// The numbers, if each can be meant.
    pub(super) fn of(given: &file::Limits) -> Result<Self, Fault> {
        let rate = "messages a second";
        let (calls, guesses) = ("calls a minute", "passwords a minute");
        let (per_connection, per_address) =
            (&given.messages_per_connection, &given.messages_per_address);
        let (ringing, account) = (&given.ringing_per_connection, &given.ringing_per_account);
        let (address, user) = (
            &given.wrong_passwords_per_address,
            &given.wrong_passwords_per_account,
        );
        let (connections, address_has) = (&given.connections, &given.connections_per_address);
        let new = &given.new_connections_per_address;
        Ok(Self {
            connections: number(connections, "connections", "connections", CONNECTIONS)?,
            connections_per_address: number(
                address_has,
                "connections_per_address",
                "connections",
                PER_ADDRESS,
            )?,
            new_connections_per_address: number(
                new,
                "new_connections_per_address",
                "connections a second",
                NEW,
            )?,
            messages_per_connection: number(
                per_connection,
                "messages_per_connection",
                rate,
                MESSAGES,
            )?,
            messages_per_address: number(per_address, "messages_per_address", rate, MESSAGES)?,
            ringing_per_connection: number(ringing, "ringing_per_connection", "calls", RINGING)?,
            ringing_per_account: number(account, "ringing_per_account", "calls", RINGING)?,
            calls_per_account: number(&given.calls_per_account, "calls_per_account", calls, CALLS)?,
            wrong_passwords_per_address: number(
                address,
                "wrong_passwords_per_address",
                guesses,
                GUESSES,
            )?,
            wrong_passwords_per_account: number(
                user,
                "wrong_passwords_per_account",
                guesses,
                GUESSES,
            )?,
            silent: seconds(&given.silent, "silent", PATIENCE)?,
            unregistered: seconds(&given.unregistered, "unregistered", PATIENCE)?,
        })
    }

    /// Those that are judged where connections are accepted.
    pub(crate) fn door(&self) -> DoorLimits {
        let usual = DoorLimits::default();
        DoorLimits {
            connections: self.connections.unwrap_or(usual.connections),
            per_address: self.connections_per_address.unwrap_or(usual.per_address),
            new_per_address: self
                .new_connections_per_address
                .unwrap_or(usual.new_per_address),
        }
    }

    /// Tells the others to the proxy.
    pub(crate) fn apply(&self, limits: &mut core::Limits) {
        let give = |to: &mut u32, given: Option<u32>| *to = given.unwrap_or(*to);
        give(&mut limits.messages_per_flow, self.messages_per_connection);
        give(&mut limits.messages_per_address, self.messages_per_address);
        give(&mut limits.calls_per_account, self.calls_per_account);
        give(
            &mut limits.guesses_per_address,
            self.wrong_passwords_per_address,
        );
        give(
            &mut limits.guesses_per_account,
            self.wrong_passwords_per_account,
        );
        let rings = limits.ringing_per_flow;
        limits.ringing_per_flow = self.ringing_per_connection.unwrap_or(rings);
        let rings = limits.ringing_per_account;
        limits.ringing_per_account = self.ringing_per_account.unwrap_or(rings);
        limits.silent = self.silent.unwrap_or(limits.silent);
        limits.unregistered = self.unregistered.unwrap_or(limits.unregistered);
    }
}
