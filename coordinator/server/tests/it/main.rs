//! The coordinator's door against the S3 twin, over sockets of this machine.

mod api;
mod journal;
mod node;
mod serving;
mod sessions;
mod spool;
mod world;
