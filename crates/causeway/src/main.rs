//! The one binary `causeway`.
mod config;

fn main() {}
