//! The one binary `causeway`.
fn main() {}
