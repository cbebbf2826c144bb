//! A multipart upload while it is open.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{Attributes, LAST_PART, Refusal};
use crate::content::{Algorithm, ChecksumKind, Rope};

/// Which checksum an upload keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) algorithm: Algorithm,
    pub(crate) kind: ChecksumKind,
    /// Whether its creator chose it. If not, S3 keeps a CRC64NVME that no part's answer shows, and takes parts
    /// with any checksum.
    pub(crate) declared: bool,
}

impl Terms {
    /// The terms of an upload created with these headers.
    pub(crate) fn new(algorithm: Option<Algorithm>, kind: Option<ChecksumKind>) -> Result<Self, Refusal> {
        let Some(algorithm) = algorithm else {
            return match kind {
                Some(_) => Err(Refusal::KindWithoutAlgorithm),
                None => Ok(Self {
                    algorithm: Algorithm::Crc64Nvme,
                    kind: ChecksumKind::FullObject,
                    declared: false,
                }),
            };
        };
        let allowed: &[ChecksumKind] = match algorithm {
            Algorithm::Crc32 | Algorithm::Crc32c => &[ChecksumKind::Composite, ChecksumKind::FullObject],
            Algorithm::Crc64Nvme => &[ChecksumKind::FullObject],
            Algorithm::Sha1 | Algorithm::Sha256 => &[ChecksumKind::Composite],
        };
        let kind = kind.unwrap_or(allowed[0]);
        if !allowed.contains(&kind) {
            return Err(Refusal::ChecksumKind { algorithm, kind });
        }
        Ok(Self { algorithm, kind, declared: true })
    }

    /// Whether a part may come with this checksum, or none.
    pub(crate) fn accept(&self, given: Option<Algorithm>) -> Result<(), Refusal> {
        let other = given.is_some_and(|given| given != self.algorithm);
        let missing = given.is_none() && self.kind == ChecksumKind::Composite;
        if self.declared && (other || missing) {
            return Err(Refusal::ChecksumMismatch { expected: self.algorithm, actual: given });
        }
        Ok(())
    }

    /// Whether part numbers must be 1 to N without gaps.
    pub(crate) fn consecutive(&self) -> bool {
        self.declared && self.algorithm != Algorithm::Crc64Nvme
    }
}

/// A part that was uploaded.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) content: Rope,
    /// Without quotes.
    pub(crate) etag: String,
    /// In base64, of the upload's algorithm.
    pub(crate) checksum: String,
    pub(crate) last_modified: SystemTime,
}

/// An open upload.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) terms: Terms,
    pub(crate) attributes: Attributes,
    pub(crate) initiated: SystemTime,
    pub(crate) parts: BTreeMap<i32, Part>,
    /// Whether the key was written or deleted since.
    pub(crate) overtaken: bool,
}

impl Upload {
    /// An upload without parts.
    pub(super) fn new(terms: Terms, attributes: Attributes, now: SystemTime) -> Self {
        Self { terms, attributes, initiated: now, parts: BTreeMap::new(), overtaken: false }
    }
}

/// Whether a part may have this number.
pub(crate) fn check_number(number: i32) -> Result<(), Refusal> {
    if (1..=LAST_PART).contains(&number) { Ok(()) } else { Err(Refusal::PartNumber) }
}
