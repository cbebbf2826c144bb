//! The vocabulary every other package speaks, the bytes of an archive, and S3's rules as data.
//!
//! Data flows one way through the modules below, and each may import only from those before it:
//!
//! > listing → plan → batch → part → report → complete
//!
//! | word | meaning |
//! |---|---|
//! | source object | an S3 object to be archived: bucket, key, size, ETag, last-modified |
//! | listing | the ordered source objects of a job |
//! | entry | one source object's place in the archive: name, size, header, offset |
//! | plan | the whole layout of a job: entries and parts; immutable, leaves no choices to whoever executes it |
//! | part | one part of the multipart upload: a number and a byte range of the archive |
//! | piece | what a part is made of, in order: literal bytes or a fetched range |
//! | body | one entry's bytes within one part |
//! | batch | parts granted to one node together |
//! | attempt | one try at one part by one node |
//! | report | what a node says back: attempts done, failed or returned, and how it is |
//! | directory | the central directory and end records: the archive's last bytes, made as ordinary parts |
//! | job | one archive from submission to completion, failure or cancellation |
//!
//! Nothing here touches the world: no clock, no socket, no randomness.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod archive;
pub mod crc;
pub mod explain;
pub mod failure;
pub mod job;
pub mod limits;
pub mod location;
pub mod requests;
pub mod retry;

pub mod listing;
pub mod plan;

pub mod compose;

pub mod batch;
pub mod part;
pub mod report;

pub mod link;
pub mod session;
pub mod timeline;
pub mod view;
pub mod wire;

pub mod complete;

pub mod api;
pub mod manifest;
mod problem;
