//! Stage 1, listing: what exists in S3.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::crc::StoredKind;

/// An S3 object as it was listed.
///
/// Kept small: a job may hold millions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceObject {
    /// Which of the job's sources it was listed from.
    pub source: u16,
    /// Which of its page's buckets it is in; once planned, which of the plan's.
    pub bucket: u16,
    /// Which checksum of the whole object S3 stores, to check ours against.
    pub stored: StoredKind,
    /// Object key.
    pub key: Box<str>,
    /// Size in bytes.
    pub size: u64,
    /// ETag: every read is pinned to it, so that a changed object is an error and never a mixed archive.
    pub etag: Etag,
    /// Last-modified, in seconds since 1970 UTC.
    pub modified: i64,
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Its objects, in key order, or as the manifest has them.
    pub objects: Vec<SourceObject>,
    /// The buckets they are in: one, unless a manifest names several.
    pub buckets: Vec<String>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<String>,
}

/// An ETag without its quotes; the usual MD5 shapes take 18 bytes instead of a heap string.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Etag {
    /// 32 lower-case hex digits, with `-parts` behind them when `parts` is not zero.
    Digest {
        /// The 16 bytes.
        digest: [u8; 16],
        /// Number of parts; 0 when there is no suffix.
        parts: u16,
    },
    /// Anything else a server may answer.
    Other(Box<str>),
}

impl Etag {
    /// Reads an ETag as S3 writes it, with or without quotes.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
        let compact = Self::parse_digest(text);
        // Only a spelling that comes out again exactly may be held compactly: If-Match compares text.
        compact.filter(|etag| etag.to_string() == text).unwrap_or_else(|| Self::Other(text.into()))
    }

    fn parse_digest(text: &str) -> Option<Self> {
        let (hex, parts) = match text.split_once('-') {
            Some((hex, parts)) => (hex, parts.parse().ok()?),
            None => (text, 0),
        };
        if hex.len() != 32 || !hex.is_ascii() {
            return None;
        }
        let value = u128::from_str_radix(hex, 16).ok()?;
        Some(Self::Digest { digest: value.to_be_bytes(), parts })
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest { digest, parts } => {
                write!(f, "{:032x}", u128::from_be_bytes(*digest))?;
                if *parts > 0 { write!(f, "-{parts}") } else { Ok(()) }
            }
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_come_out_as_they_went_in() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        assert!(matches!(Etag::parse(md5), Etag::Digest { parts: 0, .. }));
        let exact = [
            "",
            "x",
            "d41d8cd98f00b204e9800998ecf8427e-0",
            "D41D8CD98F00B204E9800998ECF8427E",
            "+41d8cd98f00b204e9800998ecf8427e",
        ];
        let long = format!("{md5}-10000");
        for text in exact.into_iter().chain([md5, &long, &format!("{md5}-007")]) {
            assert_eq!(Etag::parse(text).to_string(), text);
            assert_eq!(Etag::parse(&format!("\"{text}\"")), Etag::parse(text));
        }
    }
}
