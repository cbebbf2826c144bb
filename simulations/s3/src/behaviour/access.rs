//! Who may do what: access keys, expired keys and denials.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::op::{Op, UnknownOp, parse_op};

/// Requests that are refused with 403 AccessDenied.
///
/// As text, `op:bucket/key-prefix`, where `op` may be `*` and `/key-prefix` may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The operation; `None` means all.
    pub op: Option<Op>,
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with; empty means all, and the bucket itself.
    pub key_prefix: String,
}

/// What a text that is no [`Denial`] lacks.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseDenialError {
    /// It has no colon or no bucket.
    #[error("`{0}` is not a denial: write `op:bucket` or `op:bucket/key-prefix`")]
    Form(String),
    /// Its operation is none.
    #[error(transparent)]
    Op(#[from] UnknownOp),
}

impl FromStr for Denial {
    type Err = ParseDenialError;

    fn from_str(text: &str) -> Result<Self, ParseDenialError> {
        let form = || ParseDenialError::Form(text.to_owned());
        let (op, place) = text.split_once(':').ok_or_else(form)?;
        let (bucket, key_prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() {
            return Err(form());
        }
        Ok(Self { op: parse_op(op)?, bucket: bucket.to_owned(), key_prefix: key_prefix.to_owned() })
    }
}

/// The keys and denials in force.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// Secrets by access key.
    pub(crate) secrets: BTreeMap<String, String>,
    /// Access keys that were good once.
    pub(crate) expired: BTreeSet<String>,
    /// What is refused.
    pub(crate) denials: Vec<Denial>,
}

impl Access {
    /// Whether a denial covers the operation. S3 asks for both the right to read the source and to write the
    /// target of a copy; each is a call of its own.
    pub(crate) fn denies(&self, op: Op, bucket: &str, key: &str) -> bool {
        self.denials.iter().any(|denial| {
            denial.op.is_none_or(|denied| denied == op)
                && denial.bucket == bucket
                && key.starts_with(&denial.key_prefix)
        })
    }
}
