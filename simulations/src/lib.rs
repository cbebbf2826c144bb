//! What making archives would take, told without S3 and without machines.
//!
//! [`rivals`] counts and predicts what other public programs' plans take, beside ours.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod rivals;
