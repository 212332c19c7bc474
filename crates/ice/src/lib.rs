//! ICE: STUN pre-checks, lite and full agents (RFC 8445, RFC 8489).
