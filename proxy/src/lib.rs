//! The SIP half: WebSocket browsers on one side, an existing SIP server on the other.
