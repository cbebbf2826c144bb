//! What a coordinator decides and never does: the layout of archives, who makes which part, when a job
//! is complete.
//!
//! One mutable state, [`machine::Machine`], takes events and gives effects. It touches nothing: time is
//! an argument, S3 and nodes are events and effects. Nothing here ever sees a byte of an object, but
//! for [`verify`], which judges archives from bytes it is fed.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod beside;
pub mod chart;
pub mod cost;
pub mod counters;
pub mod directory;
pub mod governor;
pub mod job;
pub mod ledger;
pub mod machine;
pub mod plan_check;
pub mod planner;
mod published;
mod rate;
pub mod scheduler;
pub mod segment;
pub mod story;
pub mod verify;
pub mod work;
