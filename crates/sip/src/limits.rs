//! Bounds on what a peer may make us hold or walk. Past a bound the message is refused, never cut.

/// Longest message, start line to last body byte: 64 KiB, what a UDP datagram can carry at most.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Longest header field or start line, folds included. Real ones (Identity, long Authorization) stay under 4 KiB.
pub const MAX_HEADER: usize = 8 * 1024;

/// Most header fields in one message. Large real INVITEs carry about 40.
pub const MAX_HEADERS: usize = 128;

/// Longest URI, as a Request-URI or in a header that we parse.
pub const MAX_URI: usize = 1024;

/// Most Via values: as many as the hops that the recommended Max-Forwards allows (RFC 3261 8.1.1.6).
pub const MAX_VIAS: usize = 70;
