//! What making archives would take, told without S3 and without machines.
//!
//! [`fleet`] makes archives in virtual time: the real planner and coordinator, and what decides on a real node, over a
//! [`model`] of S3 and machines. [`rivals`] counts and predicts what other public programs' plans take, beside ours.
//!
//! [`study`] runs one many times, and many that differ; [`report`] shows what came of it.
//!
//! [`swarm`] weathers storms: not how fast an archive is made, but whether it is, whatever happens.
//!
//! The modules import only leftwards: model, dice, agenda, pipe, histogram → s3 → node → fleet → study → report.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod agenda;
#[cfg(test)]
mod agreement;
pub mod dice;
pub mod fleet;
pub mod floor;
pub mod histogram;
pub mod model;
mod node;
pub mod outcome;
pub mod pipe;
mod play;
pub mod population;
pub mod report;
pub mod rivals;
pub mod s3;
pub mod study;
pub mod swarm;
mod world;

pub use world::Times;
