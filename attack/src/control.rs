//! Attacks on the relay's control port.

use crate::attack::Attack;

pub(crate) const ATTACKS: &[Attack] = &[];
