//! RTP and RTCP views, RFC 7983 demultiplexing.
