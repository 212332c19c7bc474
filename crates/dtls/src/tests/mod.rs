//! Endpoints against each other and against strangers, over a network with a clock of its own.

mod hostile;
mod meeting;
mod network;
