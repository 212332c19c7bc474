//! Development only: virtual clock, lossy network, scripted peers.
