//! The media half: ICE, DTLS-SRTP, SDES and plain RTP, commanded over ng.
