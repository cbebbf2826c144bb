//! The state of S3 and its rules: buckets, objects, multipart uploads.
//!
//! Synchronous and without a clock: whoever calls gives the time, and holds the store only for as long as a call
//! takes. What costs time with the size of content (digests) is done by the caller beforehand.

mod bucket;
mod complete;
mod conditions;
mod listing;
mod object;
mod refusal;
mod upload;

use std::collections::BTreeMap;
use std::time::SystemTime;

pub(crate) use bucket::Bucket;
pub(crate) use complete::{ClaimedPart, Completion};
pub(crate) use conditions::{ReadConditions, Wanted, WriteConditions};
pub(crate) use listing::{Found, Listing};
pub(crate) use object::{Attributes, Object, ObjectPart, Selected, Selection};
pub(crate) use refusal::Refusal;
pub(crate) use upload::{Part, Terms, Upload, check_number};

/// The largest part, single upload and copy source in bytes.
pub(crate) const LARGEST_PART: u64 = 5 << 30;

/// The smallest part but the last, in bytes.
pub(crate) const SMALLEST_PART: u64 = 5 << 20;

/// The highest part number.
pub(crate) const LAST_PART: i32 = 10_000;

/// The most entries of any page.
pub(crate) const PAGE: usize = 1000;

/// The longest key in bytes.
pub(crate) const LONGEST_KEY: usize = 1024;

/// All buckets.
#[derive(Debug, Default)]
pub(crate) struct Store {
    buckets: BTreeMap<String, Bucket>,
}

impl Store {
    /// Makes a bucket. False when there is one of that name already.
    pub(crate) fn create_bucket(&mut self, name: &str, now: SystemTime) -> bool {
        let new = !self.buckets.contains_key(name);
        if new {
            self.buckets.insert(name.to_owned(), Bucket::new(now));
        }
        new
    }

    /// All buckets by name.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (&str, &Bucket)> {
        self.buckets.iter().map(|(name, bucket)| (name.as_str(), bucket))
    }

    /// A bucket to read.
    pub(crate) fn bucket(&self, name: &str) -> Result<&Bucket, Refusal> {
        self.buckets.get(name).ok_or(Refusal::NoSuchBucket)
    }

    /// A bucket to change.
    pub(crate) fn bucket_mut(&mut self, name: &str) -> Result<&mut Bucket, Refusal> {
        self.buckets.get_mut(name).ok_or(Refusal::NoSuchBucket)
    }
}
