//! How S3 writes keys, checksums and ranges.

use std::ops::Range;

use aws_sdk_s3::types::ChecksumType;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proto::crc::StoredChecksum;
use proto::limits::KEY_BYTES_MAX;

/// Undoes `encoding-type=url`, which is form encoding: `+` is a space, `%2B` a plus. `None` when the result
/// is no legal key.
pub(crate) fn url_decoded_key(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    let key = String::from_utf8(bytes).ok()?;
    (1..=KEY_BYTES_MAX).contains(&key.len()).then_some(key)
}

/// The name of an object in the header that says what is to be copied: percent-encoded, or it would be cut at `?`,
/// which begins a version, and `+` and `%` would be decoded.
pub(crate) fn copy_source(bucket: &str, key: &str) -> String {
    let mut header = format!("{bucket}/");
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            header.push(char::from(byte));
        } else {
            header += &format!("%{byte:02X}");
        }
    }
    header
}

/// A CRC-32 as S3 writes checksums: base64 of its four bytes, the most significant first.
pub(crate) fn crc32_to_base64(crc32: u32) -> String {
    BASE64_STANDARD.encode(crc32.to_be_bytes())
}

/// The stored checksum of a whole object, out of those of an answer that are of some use.
pub(crate) fn whole_checksum(
    kind: Option<&ChecksumType>,
    crc32: Option<&str>,
    crc64: Option<&str>,
) -> Option<StoredChecksum> {
    if kind != Some(&ChecksumType::FullObject) {
        return None;
    }
    let crc32 = crc32.and_then(crc32_from_base64).map(StoredChecksum::Crc32);
    crc32.or_else(|| crc64.and_then(crc64_from_base64).map(StoredChecksum::Crc64Nvme))
}

fn crc64_from_base64(base64: &str) -> Option<u64> {
    let bytes = BASE64_STANDARD.decode(base64).ok()?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// Reads a CRC-32 as S3 writes checksums.
pub(crate) fn crc32_from_base64(base64: &str) -> Option<u32> {
    let bytes = BASE64_STANDARD.decode(base64).ok()?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// The Range header for `range`, which must not be empty: HTTP cannot ask for no bytes.
pub(crate) fn range_header(range: &Range<u64>) -> String {
    assert!(!range.is_empty(), "HTTP cannot ask for an empty range");
    format!("bytes={}-{}", range.start, range.end - 1)
}

/// Reads `bytes first-last/total` of a Content-Range header; the total may be unknown, which is written `*`.
pub(crate) fn content_range(header: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let range = first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?;
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((range, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_url_encoding() {
        for (encoded, key) in [
            ("a/b.txt", "a/b.txt"),
            ("two+words", "two words"),
            ("1%2B1", "1+1"),
            ("line%0Abreak%00", "line\nbreak\0"),
            ("%252F", "%2F"),
            ("caf%C3%A9", "café"),
            ("plain-é", "plain-é"),
            ("%3c%26%22%3E", "<&\">"),
        ] {
            assert_eq!(url_decoded_key(encoded).as_deref(), Some(key));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for encoded in ["", "%", "%2", "%zz", "%+1", "%FF", &"k".repeat(1_025)] {
            assert_eq!(url_decoded_key(encoded), None, "{encoded}");
        }
        assert!(url_decoded_key(&"%41".repeat(1_024)).is_some());
    }

    #[test]
    fn sources_of_copies_are_encoded() {
        for (key, header) in [
            ("a/b-c_d.e~f", "b/a/b-c_d.e~f"),
            ("a b+c", "b/a%20b%2Bc"),
            ("café?versionId=1", "b/caf%C3%A9%3FversionId%3D1"),
            ("100%\n", "b/100%25%0A"),
        ] {
            assert_eq!(copy_source("b", key), header);
        }
    }

    #[test]
    fn only_whole_object_checksums_count() {
        let base64 = crc32_to_base64(0xCBF4_3926);
        assert_eq!(base64, "y/Q5Jg==");
        let full = Some(&ChecksumType::FullObject);
        let crc32 = StoredChecksum::Crc32(0xCBF4_3926);
        let crc64 = StoredChecksum::Crc64Nvme(0xAE8B_1486_0A79_9888);
        let base64_64 = "rosUhgp5mIg=";
        assert_eq!(whole_checksum(full, Some(&base64), None), Some(crc32));
        assert_eq!(whole_checksum(full, None, Some(base64_64)), Some(crc64));
        assert_eq!(whole_checksum(full, Some(&base64), Some(base64_64)), Some(crc32));
        assert_eq!(whole_checksum(Some(&ChecksumType::Composite), Some(&base64), Some(base64_64)), None);
        assert_eq!(whole_checksum(None, Some(&base64), None), None);
        for malformed in ["", "y/Q5Jg==-2", "AAAA", "AAAAAAA="] {
            assert_eq!(whole_checksum(full, Some(malformed), Some(malformed)), None);
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(range_header(&(0..1)), "bytes=0-0");
        assert_eq!(range_header(&(5..10)), "bytes=5-9");
        assert_eq!(content_range("bytes 5-9/100"), Some((5..10, Some(100))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5..10, None)));
        for malformed in
            ["", "bytes */100", "bytes 5-/9", "bytes 5-9/x", "5-9/100", "bytes 0-18446744073709551615/1"]
        {
            assert_eq!(content_range(malformed), None, "{malformed}");
        }
    }
}
