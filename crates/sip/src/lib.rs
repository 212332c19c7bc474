//! SIP: messages, URIs, headers, transactions, digest (RFC 3261 family).
