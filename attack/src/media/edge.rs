//! Attacks on the media of a whole edge.

use crate::attack::Outcome;
use crate::media::junk;
use crate::whole::Whole;

/// Junk at all media ports of an edge whose registered web client talks to a phone.
pub(super) fn junk(whole: &mut Whole<'_>) -> Result<Outcome, String> {
    junk::at(&whole.field.alley, &junk::all_ports()).map(junk::reached)
}
