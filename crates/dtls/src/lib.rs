//! The DTLS endpoint: handshake in, fingerprint checked, SRTP keys out (RFC 5764).
