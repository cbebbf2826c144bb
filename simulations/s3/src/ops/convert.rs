//! Between the types of s3s and those of the store.

use std::time::SystemTime;

use http::HeaderMap;
use s3s::S3Result;
use s3s::dto::{ChecksumAlgorithm, ChecksumType, ETag, ETagCondition, Timestamp};

use crate::content::{Algorithm, ChecksumKind};
use crate::store::{PAGE, Refusal, Wanted, WriteConditions};

/// The checksum in the five members of an input, if there is one; more than one is refused.
macro_rules! claimed_checksum {
    ($from:expr) => {
        $crate::ops::convert::one_of([
            (Algorithm::Crc32, $from.checksum_crc32.clone()),
            (Algorithm::Crc32c, $from.checksum_crc32c.clone()),
            (Algorithm::Crc64Nvme, $from.checksum_crc64nvme.clone()),
            (Algorithm::Sha1, $from.checksum_sha1.clone()),
            (Algorithm::Sha256, $from.checksum_sha256.clone()),
        ])
    };
}

/// Sets the one of the five checksum members of an output that an algorithm's value belongs in.
macro_rules! set_checksum {
    ($to:expr, $algorithm:expr, $value:expr) => {{
        let value = Some($value);
        match $algorithm {
            Algorithm::Crc32 => $to.checksum_crc32 = value,
            Algorithm::Crc32c => $to.checksum_crc32c = value,
            Algorithm::Crc64Nvme => $to.checksum_crc64nvme = value,
            Algorithm::Sha1 => $to.checksum_sha1 = value,
            Algorithm::Sha256 => $to.checksum_sha256 = value,
        }
    }};
}

/// The attributes that an input gives its object.
macro_rules! attributes {
    ($input:expr) => {
        $crate::store::Attributes {
            content_type: $input.content_type.clone(),
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_language: $input.content_language.clone(),
            metadata: $input.metadata.clone().unwrap_or_default().into_iter().collect(),
        }
    };
}

/// The conditions that an input has on what it reads.
macro_rules! read_conditions {
    ($input:expr) => {
        $crate::store::ReadConditions {
            if_match: $input.if_match.as_ref().map($crate::ops::convert::wanted),
            if_none_match: $input.if_none_match.as_ref().map($crate::ops::convert::wanted),
            if_modified_since: $input.if_modified_since.clone().map($crate::ops::convert::system_time),
            if_unmodified_since: $input.if_unmodified_since.clone().map($crate::ops::convert::system_time),
        }
    };
}

pub(super) use {attributes, claimed_checksum, read_conditions, set_checksum};

/// The one value of several that is there.
pub(super) fn one_of(
    values: [(Algorithm, Option<String>); 5],
) -> Result<Option<(Algorithm, String)>, Refusal> {
    let mut given = values.into_iter().filter_map(|(algorithm, value)| Some((algorithm, value?)));
    match (given.next(), given.next()) {
        (first, None) => Ok(first),
        _ => Err(Refusal::InvalidRequest(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )),
    }
}

/// The algorithm that a header names, if it is there.
pub(super) fn algorithm(header: Option<&ChecksumAlgorithm>) -> Result<Option<Algorithm>, Refusal> {
    let parse = |name: &ChecksumAlgorithm| {
        let unknown = Refusal::InvalidRequest(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        );
        name.as_str().parse().map_err(|_| unknown)
    };
    header.map(parse).transpose()
}

/// The checksum type that a header names, if it is there.
pub(super) fn kind(header: Option<&ChecksumType>) -> Result<Option<ChecksumKind>, Refusal> {
    let kinds = [ChecksumKind::FullObject, ChecksumKind::Composite];
    let parse = |name: &ChecksumType| {
        let found = kinds.into_iter().find(|kind| kind.name() == name.as_str());
        found.ok_or(Refusal::InvalidRequest("Value for x-amz-checksum-type header is invalid."))
    };
    header.map(parse).transpose()
}

/// An algorithm in an output.
pub(super) fn algorithm_out(algorithm: Algorithm) -> ChecksumAlgorithm {
    ChecksumAlgorithm::from_static(algorithm.name())
}

/// A checksum type in an output.
pub(super) fn kind_out(kind: ChecksumKind) -> ChecksumType {
    ChecksumType::from_static(kind.name())
}

/// An ETag in an output.
pub(super) fn etag_out(etag: &str) -> ETag {
    ETag::Strong(etag.to_owned())
}

/// A condition on an ETag. A weak one never matches: S3's are strong.
pub(super) fn wanted(condition: &ETagCondition) -> Wanted {
    match condition {
        ETagCondition::Any => Wanted::Any,
        ETagCondition::ETag(etag) => Wanted::Tag(etag.as_strong().unwrap_or_default().to_owned()),
    }
}

/// A condition on an ETag in a header where S3 insists on the quotes, which s3s does not tell apart.
pub(super) fn wanted_in_quotes(headers: &HeaderMap, name: &str) -> Option<Wanted> {
    let value = headers.get(name)?.to_str().unwrap_or_default();
    let quoted = || value.strip_prefix('"')?.strip_suffix('"');
    // No ETag is empty, so what has no quotes matches none.
    Some(if value == "*" { Wanted::Any } else { Wanted::Tag(quoted().unwrap_or_default().to_owned()) })
}

/// The conditions that headers have on what is overwritten, where s3s has no members for them.
pub(super) fn write_conditions(headers: &HeaderMap) -> S3Result<WriteConditions> {
    let condition = |name: http::header::HeaderName| {
        let value = headers.get(name)?;
        ETagCondition::parse_http_header(value.as_bytes()).ok().as_ref().map(wanted)
    };
    Ok(WriteConditions {
        if_match: condition(http::header::IF_MATCH),
        if_none_match: condition(http::header::IF_NONE_MATCH),
    })
}

/// A time of s3s.
pub(super) fn system_time(timestamp: Timestamp) -> SystemTime {
    time::OffsetDateTime::from(timestamp).into()
}

/// A number of bytes in an output.
pub(super) fn size_out(size: u64) -> i64 {
    i64::try_from(size).expect("no object is that large")
}

/// The page size that an input asks for: at most [`PAGE`].
pub(super) fn page_size(asked: Option<i32>) -> Result<usize, Refusal> {
    let asked = usize::try_from(asked.unwrap_or(PAGE as i32));
    let asked = asked
        .map_err(|_| Refusal::InvalidArgument("Argument must be an integer between 0 and 2147483647"))?;
    Ok(asked.min(PAGE))
}

/// A count in an output.
pub(super) fn count_out(count: usize) -> i32 {
    i32::try_from(count).expect("no page and no upload has that many")
}

/// There are no versions: only `null` names one.
pub(super) fn refuse_version(version: Option<&str>) -> Result<(), Refusal> {
    match version {
        None | Some("null") => Ok(()),
        Some(_) => Err(Refusal::NotImplemented("versionId")),
    }
}

/// The present, as S3 keeps it: in whole seconds.
pub(super) fn now() -> SystemTime {
    crate::twin::whole_seconds(SystemTime::now())
}

/// Percent-encoding as S3 writes it when `encoding-type=url` is asked for: a space is `+`, `/` and `*` stay.
pub(super) fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(byte.into());
            }
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
