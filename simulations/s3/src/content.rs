//! What objects hold: bytes as extents, their synthetic block, and the digests S3 makes of them.
//!
//! Imports only within itself: knows nothing of buckets, requests or sockets.

pub(crate) mod checksum;
mod crc;
pub(crate) mod etag;
mod intern;
mod rope;
mod synthetic;

pub use checksum::{Algorithm, Checksum, ChecksumKind, UnknownAlgorithm};
pub(crate) use intern::Interner;
pub use rope::Rope;
pub(crate) use synthetic::mix;
