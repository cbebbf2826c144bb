//! The fleet end to end: a real coordinator and real nodes with mutual TLS, and what befalls them while jobs run.
//! Whatever that is, in the end every archive is right, S3 holds nothing else, and nobody holds on to memory.
//!
//! Throttles in the twin make jobs last long enough for something to happen meanwhile, so that little data is
//! needed.

mod callbacks;
mod dashboard;
mod governed;
mod joining;
mod leaving;
mod loss;
mod namespaces;
mod partitions;
pub(crate) mod proxy;
mod queueing;
mod restarts;
mod slowness;
pub(crate) mod support;
mod together;
mod tracing;
mod trust;
