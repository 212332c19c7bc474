//! SDP: lossless editing and a typed view (RFC 8866 family).
