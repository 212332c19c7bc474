//! One input as several datagrams, or as a script of steps.

/// More pieces are not looked at, so that one input stays quick.
const MAX_PIECES: usize = 64;

/// The pieces of an input: each begins with its length in two bytes, and the last may be shorter than it says.
pub(crate) fn pieces(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = input;
    let cut = move || {
        let (length, after) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (piece, after) = after.split_at(length);
        rest = after;
        Some(piece)
    };
    std::iter::from_fn(cut).take(MAX_PIECES)
}

/// Pieces that begin with one byte: what is to be done with the others.
pub(crate) fn steps(input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    pieces(input).filter_map(|piece| piece.split_first().map(|(what, with)| (*what, with)))
}
