//! What the twin does beyond S3's rules, because its owner wants it to: whom it lets in, what goes wrong, how
//! long things take.
//!
//! Plain data and decisions; the wire acts on them.

pub(crate) mod access;
mod allowance;
pub(crate) mod fault;
pub(crate) mod model;
pub(crate) mod rates;
pub(crate) mod throttle;
