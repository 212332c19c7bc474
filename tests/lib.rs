//! Nothing: cargo wants a target beside the tests of the whole, which are the files around this one.
