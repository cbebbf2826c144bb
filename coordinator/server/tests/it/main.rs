//! The coordinator's door against the S3 twin, over sockets of this machine.

mod api;
mod callbacks;
mod documents;
mod events;
mod journal;
mod listing;
mod metrics;
mod node;
mod segments;
mod serving;
mod sessions;
mod spool;
mod submitting;
mod tokens;
mod world;
