//! The only sockets: UDP, TCP, TLS, WebSocket.
