//! The ng control protocol: commands, replies, codecs, client, de-duplication.
