//! What the lines of manifests say, checked.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::api::ManifestLine;
use crate::limits::ETAG_BYTES_MAX;
use crate::listing::Etag;
use crate::location::{Location, LocationError, printable};

/// A source object as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The object.
    pub location: Location,
    /// Its size in bytes, if the manifest tells.
    pub size: Option<u64>,
    /// Its ETag, if the manifest tells.
    pub etag: Option<Etag>,
    /// Last-modified in seconds since 1970 UTC, if the manifest tells.
    pub modified: Option<i64>,
}

/// Why a line of a manifest names no object that may be archived.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// There can be no such object.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// No ETag looks like that.
    #[error("`{0}` is no ETag: give it as S3 does, or leave it out")]
    Etag(String),
    /// No time is written like that.
    #[error("`{0}` is no time: write last_modified as 2026-01-31T12:00:00Z, or leave it out")]
    Time(String),
    /// It is outside of what may be read.
    #[error("{0} may not be read: whoever submits the job may read objects below {1} alone")]
    Outside(Location, String),
}

impl ManifestLine {
    /// What it says, if that makes sense and the object's address begins with one of `within`, or `within` is empty.
    ///
    /// # Errors
    /// See [`LineError`].
    pub fn named(self, within: &[String]) -> Result<Named, LineError> {
        let location = Location::new(self.bucket, self.key)?;
        let address = format!("s3://{}/{}", location.bucket, location.key);
        if !within.is_empty() && !within.iter().any(|prefix| address.starts_with(prefix)) {
            return Err(LineError::Outside(location, within.join(", ")));
        }
        let etag = self.etag.map(|text| etag(&text).ok_or_else(|| LineError::Etag(printable(&text))));
        let modified = self.last_modified.map(|text| {
            let time = OffsetDateTime::parse(&text, &Rfc3339);
            time.map(OffsetDateTime::unix_timestamp).map_err(|_| LineError::Time(printable(&text)))
        });
        Ok(Named { location, size: self.size, etag: etag.transpose()?, modified: modified.transpose()? })
    }
}

/// It becomes a header of requests, so it must be one that a header can hold.
fn etag(text: &str) -> Option<Etag> {
    let etag = Etag::parse(text);
    let bare = etag.to_string();
    let is_legal = bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    (is_legal && (1..=ETAG_BYTES_MAX).contains(&bare.len())).then_some(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bucket: &str, key: &str) -> ManifestLine {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        ManifestLine { bucket, key, size: None, etag: None, last_modified: None }
    }

    #[test]
    fn lines_are_taken_at_their_word() {
        let named = ManifestLine {
            size: Some(5),
            etag: Some("\"d41d8cd98f00b204e9800998ecf8427e\"".into()),
            last_modified: Some("1970-01-01T01:00:01.5+01:00".into()),
            ..line("photos", "a*/")
        };
        let named = named.named(&[]).unwrap();
        assert_eq!(named.location, Location { bucket: "photos".into(), key: "a*/".into() });
        assert_eq!((named.size, named.modified), (Some(5), Some(1)));
        assert_eq!(named.etag.unwrap().to_string(), "d41d8cd98f00b204e9800998ecf8427e");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (bucket, key) in [("photos", ""), ("", "a"), ("a/b", "c"), ("photos", " "), ("photos/2026", "a")]
        {
            assert!(matches!(line(bucket, key).named(&[]), Err(LineError::Location(_))), "{bucket} {key}");
        }
        for etag in ["", "\"\"", "a b", "a\nb", "a\"b", "é", &"e".repeat(2_000)] {
            let line = ManifestLine { etag: Some(etag.to_owned()), ..line("photos", "a") };
            assert!(matches!(line.named(&[]), Err(LineError::Etag(_))), "{etag}");
        }
        for time in ["", "yesterday", "2026-01-31", "2026-02-31T00:00:00Z"] {
            let line = ManifestLine { last_modified: Some(time.to_owned()), ..line("photos", "a") };
            assert!(matches!(line.named(&[]), Err(LineError::Time(_))), "{time}");
        }
    }

    #[test]
    fn only_what_begins_with_an_allowed_address_may_be_named() {
        let within = ["s3://photos/2026/".to_owned(), "s3://music/".to_owned()];
        for (bucket, key) in [("photos", "2026/a"), ("photos", "2026/../a"), ("music", "a")] {
            assert!(line(bucket, key).named(&within).is_ok(), "{bucket} {key}");
        }
        for (bucket, key) in
            [("photos", "2025/a"), ("photos", "2026"), ("musical", "a"), ("photos2", "2026/a")]
        {
            assert!(
                matches!(line(bucket, key).named(&within), Err(LineError::Outside(..))),
                "{bucket} {key}"
            );
        }
    }
}
