//! What making archives would take, told without S3 and without machines.
//!
//! [`rivals`] counts and predicts what other public programs' plans take, beside ours.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod agenda;
pub mod dice;
pub mod model;
pub mod pipe;
pub mod rivals;
