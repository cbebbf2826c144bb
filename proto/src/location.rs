//! Where things are in S3: `s3://bucket/key`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::limits::KEY_BYTES_MAX;

/// One object's address; in JSON `"s3://bucket/key"`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Bucket name, or an access point's ARN or alias.
    pub bucket: String,
    /// Object key, never empty.
    pub key: String,
}

impl Location {
    /// The object of any key, even one that as an address would mean something else.
    ///
    /// # Errors
    /// When there can be no such bucket or no such key.
    pub fn new(bucket: String, key: String) -> Result<Self, LocationError> {
        if key.is_empty() {
            return Err(LocationError::Key(format!("s3://{bucket}/")));
        }
        Ok(Self { bucket: checked(bucket, &key)?, key })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, printable(&self.key))
    }
}

// Nodes read it field by field; people and their programs know it as an address.
impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&format_args!("s3://{}/{}", self.bucket, self.key))
        } else {
            (&self.bucket, &self.key).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            parse_object(&String::deserialize(deserializer)?).map_err(D::Error::custom)
        } else {
            let (bucket, key) = Deserialize::deserialize(deserializer)?;
            Ok(Self { bucket, key })
        }
    }
}

impl PartialSchema for Location {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.description(Some("One object's address.")).examples(["s3://out/photos.zip"]).into()
    }
}

impl ToSchema for Location {}

/// Where in its bucket a key is, as far as requests are counted: its first two folders. S3 limits requests by prefixes
/// whose borders it tells nobody and moves with the load; those of a tenant or a data set stand at the beginning, and
/// deeper folders may be millions.
#[must_use]
pub fn place(key: &str) -> &str {
    let end = key.match_indices('/').take(2).last().map_or(0, |(at, _)| at + 1);
    &key[..end]
}

/// Something to archive: every object whose key begins with a prefix, a single one, or those a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// All objects named by the lines of an object, in their order.
    Manifest {
        /// The object: a line of JSON for each source object.
        location: Location,
        /// What it may name: addresses of which each object's must begin with one; anything if there are none.
        within: Vec<String>,
    },
}

impl Source {
    /// The bucket it reads from first.
    #[must_use]
    pub fn bucket(&self) -> &str {
        match self {
            Self::Prefix { bucket, .. } => bucket,
            Self::Object(location) | Self::Manifest { location, .. } => &location.bucket,
        }
    }

    /// Whether an object at `location` would be listed from this source.
    #[must_use]
    pub fn covers(&self, location: &Location) -> bool {
        match self {
            Self::Prefix { bucket, prefix } => *bucket == location.bucket && location.key.starts_with(prefix),
            Self::Object(object) => object == location,
            // What it names is not known before it is read.
            Self::Manifest { .. } => false,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix { bucket, prefix } => write!(f, "s3://{bucket}/{}", printable(prefix)),
            Self::Object(location) => location.fmt(f),
            Self::Manifest { location, .. } => write!(f, "the manifest {location}"),
        }
    }
}

/// A [`Source`] in JSON: an address, or where an address would mean something else, an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SourceText {
    /// As on the command line: `s3://bucket/prefix/` and `s3://bucket/prefix*` for all below, `s3://bucket/key` for
    /// one object.
    Address(String),
    /// All objects whose keys begin with a prefix, whatever that looks like.
    Prefix(PrefixText),
    /// One object, whatever its key looks like.
    Key(KeyText),
    /// All objects named in a manifest.
    Manifest(ManifestText),
}

/// All objects whose keys begin with a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrefixText {
    /// Bucket name.
    bucket: String,
    /// What the keys begin with.
    prefix: String,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyText {
    /// Bucket name.
    bucket: String,
    /// Object key.
    key: String,
}

/// A manifest in S3: a line of JSON for each object, as `{"bucket": "photos", "key": "2026/a.jpg"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManifestText {
    /// Its address.
    manifest: String,
}

impl TryFrom<SourceText> for Source {
    type Error = LocationError;

    fn try_from(text: SourceText) -> Result<Self, LocationError> {
        Ok(match text {
            SourceText::Address(address) => parse_source(&address)?,
            SourceText::Prefix(PrefixText { bucket, prefix }) => {
                Self::Prefix { bucket: checked(bucket, &prefix)?, prefix }
            }
            SourceText::Key(KeyText { bucket, key }) => Self::Object(Location::new(bucket, key)?),
            SourceText::Manifest(ManifestText { manifest }) => {
                Self::Manifest { location: parse_object(&manifest)?, within: Vec::new() }
            }
        })
    }
}

impl From<&Source> for SourceText {
    fn from(source: &Source) -> Self {
        let address = match source {
            Source::Prefix { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
            Source::Object(Location { bucket, key }) => format!("s3://{bucket}/{key}"),
            Source::Manifest { location: Location { bucket, key }, .. } => {
                return Self::Manifest(ManifestText { manifest: format!("s3://{bucket}/{key}") });
            }
        };
        if parse_source(&address).as_ref() == Ok(source) {
            return Self::Address(address);
        }
        let starred = format!("{address}*");
        match source {
            Source::Prefix { .. } if parse_source(&starred).as_ref() == Ok(source) => Self::Address(starred),
            Source::Prefix { bucket, prefix } => {
                Self::Prefix(PrefixText { bucket: bucket.clone(), prefix: prefix.clone() })
            }
            Source::Object(Location { bucket, key })
            | Source::Manifest { location: Location { bucket, key }, .. } => {
                Self::Key(KeyText { bucket: bucket.clone(), key: key.clone() })
            }
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

/// The bucket, if it and the key, which may be empty, are what an address of both would name.
fn checked(bucket: String, key: &str) -> Result<String, LocationError> {
    let address = format!("s3://{bucket}/{key}");
    match split(&address)? {
        (found, rest) if found == bucket && rest == key => Ok(bucket),
        _ => Err(LocationError::Bucket(address)),
    }
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
    fn places_are_two_folders_deep() {
        for (key, expected) in [
            ("", ""),
            ("a", ""),
            ("a/", "a/"),
            ("a/b", "a/"),
            ("a/b/c/d", "a/b/"),
            ("/a/é", "/a/"),
            ("//x", "//"),
        ] {
            assert_eq!(place(key), expected, "{key}");
        }
    }

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
    fn whatever_there_is_can_be_told_as_text() {
        let location = |key: &str| Location { bucket: "photos".into(), key: key.into() };
        let prefix = |prefix: &str| Source::Prefix { bucket: "photos".into(), prefix: prefix.into() };
        let manifest = Source::Manifest { location: location("m"), within: Vec::new() };
        let keys = ["a", "a/", "a*", "*", "/", "é\n"];
        let objects = keys.map(|key| Source::Object(location(key)));
        let prefixes = ["", "a", "a/", "a*", "*", "/", "é\n"].map(prefix);
        for source in objects.into_iter().chain(prefixes).chain([manifest]) {
            let text = SourceText::from(&source);
            assert_eq!(Source::try_from(text.clone()), Ok(source), "{text:?}");
        }
        let hostile = SourceText::Key(KeyText { bucket: "a/b".into(), key: "c".into() });
        assert!(Source::try_from(hostile).is_err());
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
