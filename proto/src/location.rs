//! Where things are in S3: `s3://bucket/key`.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::limits::KEY_BYTES_MAX;

/// One object's address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// Bucket name, or an access point's ARN or alias.
    pub bucket: String,
    /// Object key, never empty.
    pub key: String,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, printable(&self.key))
    }
}

/// Something to archive: every object whose key begins with a prefix, or a single one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// All objects of `bucket` whose keys begin with `prefix` (empty for the whole bucket).
    Prefix {
        /// Bucket name.
        bucket: String,
        /// What the keys begin with.
        prefix: String,
    },
    /// One object.
    Object(Location),
}

impl Source {
    /// The bucket it reads from.
    #[must_use]
    pub fn bucket(&self) -> &str {
        match self {
            Self::Prefix { bucket, .. } => bucket,
            Self::Object(location) => &location.bucket,
        }
    }

    /// Whether an object at `location` would be listed from this source.
    #[must_use]
    pub fn covers(&self, location: &Location) -> bool {
        match self {
            Self::Prefix { bucket, prefix } => *bucket == location.bucket && location.key.starts_with(prefix),
            Self::Object(object) => object == location,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix { bucket, prefix } => write!(f, "s3://{bucket}/{}", printable(prefix)),
            Self::Object(location) => location.fmt(f),
        }
    }
}

/// Why a text is no S3 address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// It does not begin with `s3://`.
    #[error("`{0}` is not an S3 address: write s3://BUCKET/KEY")]
    Scheme(String),
    /// Nothing between `s3://` and the next slash, or characters no bucket name has.
    #[error("`{0}` has no valid bucket name: write s3://BUCKET/KEY")]
    Bucket(String),
    /// A destination needs a key, and one that does not end in a slash.
    #[error("`{0}` names no object: the destination is one key, for example s3://BUCKET/archive.zip")]
    Key(String),
    /// The AWS SDK takes a key of white space alone for no key.
    #[error("the key in `{0}` is white space alone, which the AWS SDK cannot ask for")]
    Blank(String),
    /// S3 keys are at most 1,024 bytes of UTF-8.
    #[error("the key in `{0}` is longer than the 1,024 bytes S3 allows")]
    TooLong(String),
}

/// Reads a source: `s3://bucket`, `s3://bucket/prefix/` and `s3://bucket/prefix*` mean every object
/// below, anything else one object.
///
/// # Errors
/// When the text is no S3 address.
pub fn parse_source(text: &str) -> Result<Source, LocationError> {
    let (bucket, key) = split(text)?;
    let prefix = match key.strip_suffix('*') {
        Some(prefix) => Some(prefix),
        None if key.is_empty() || key.ends_with('/') => Some(key),
        None => None,
    };
    Ok(match prefix {
        Some(prefix) => Source::Prefix { bucket: bucket.to_owned(), prefix: prefix.to_owned() },
        None => Source::Object(Location { bucket: bucket.to_owned(), key: key.to_owned() }),
    })
}

/// Reads the address of one object.
///
/// # Errors
/// When the text is no S3 address, or names a bucket or folder instead of an object.
pub fn parse_object(text: &str) -> Result<Location, LocationError> {
    let (bucket, key) = split(text)?;
    if key.is_empty() || key.ends_with('/') {
        return Err(LocationError::Key(text.to_owned()));
    }
    Ok(Location { bucket: bucket.to_owned(), key: key.to_owned() })
}

fn split(text: &str) -> Result<(&str, &str), LocationError> {
    let rest = text.strip_prefix("s3://").ok_or_else(|| LocationError::Scheme(text.to_owned()))?;
    // An access point's ARN holds slashes of its own: `arn:aws:s3:region:account:accesspoint/name`.
    let bucket_end = if rest.starts_with("arn:") {
        let resource = rest.find('/').map_or(rest.len(), |slash| slash + 1);
        rest[resource..].find('/').map_or(rest.len(), |slash| resource + slash)
    } else {
        rest.find('/').unwrap_or(rest.len())
    };
    let bucket = &rest[..bucket_end];
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/');
    if bucket.len() < 3 || !bucket.chars().all(legal) {
        return Err(LocationError::Bucket(text.to_owned()));
    }
    let key = rest[bucket_end..].strip_prefix('/').unwrap_or("");
    if key.len() > KEY_BYTES_MAX {
        return Err(LocationError::TooLong(text.to_owned()));
    }
    if !key.is_empty() && key.trim().is_empty() {
        return Err(LocationError::Blank(text.to_owned()));
    }
    Ok((bucket, key))
}

/// A key as it may be shown: control characters escaped, and those that turn the direction of text or end
/// a line, so that a hostile key cannot drive a terminal or look like another.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escape = c.is_control() || is_deceptive(c);
            let escaped = escape.then(|| c.escape_default()).into_iter().flatten();
            escaped.chain((!escape).then_some(c))
        })
        .collect()
}

fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_by_their_spelling() {
        let prefix =
            |bucket: &str, prefix: &str| Source::Prefix { bucket: bucket.into(), prefix: prefix.into() };
        for (text, source) in [
            ("s3://photos", prefix("photos", "")),
            ("s3://photos/", prefix("photos", "")),
            ("s3://photos/2026/", prefix("photos", "2026/")),
            ("s3://photos/20*", prefix("photos", "20")),
            ("s3://photos//", prefix("photos", "/")),
            ("s3://photos/a.jpg", Source::Object(Location { bucket: "photos".into(), key: "a.jpg".into() })),
            (
                "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/mine/2026/",
                prefix("arn:aws:s3:eu-west-1:123456789012:accesspoint/mine", "2026/"),
            ),
        ] {
            assert_eq!(parse_source(text), Ok(source), "{text}");
        }
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for text in [
            "",
            "photos/2026/",
            "http://photos/",
            "S3://photos/",
            "s3:/photos/",
            "s3://",
            "s3:///key",
            "s3://a b/",
            "s3://x/",
        ] {
            assert!(parse_source(text).is_err(), "{text}");
        }
        for text in ["s3://photos", "s3://photos/", "s3://photos/zips/"] {
            assert_eq!(parse_object(text), Err(LocationError::Key(text.into())));
        }
        let long = format!("s3://photos/{}", "k".repeat(1_025));
        assert_eq!(parse_object(&long), Err(LocationError::TooLong(long.clone())));
    }

    #[test]
    fn a_hostile_key_cannot_drive_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc é"), "a\\u{1b}[2Jb\\nc é");
        assert_eq!(printable("gpj.\u{202e}exe"), "gpj.\\u{202e}exe");
    }
}
