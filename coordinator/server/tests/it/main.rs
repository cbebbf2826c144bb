//! The coordinator's door against the S3 twin, over sockets of this machine.

mod api;
mod documents;
mod events;
mod journal;
mod listing;
mod node;
mod serving;
mod sessions;
mod submitting;
mod tokens;
mod world;
