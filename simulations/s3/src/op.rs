//! S3's operations by name, and which one a request asks for.

use std::fmt;
use std::str::FromStr;

use http::Method;
use http::header::AUTHORIZATION;
use http::request::Parts;
use s3s::path::{S3Path, parse_path_style};

macro_rules! operations {
    ($($name:ident),* $(,)?) => {
        /// An operation of S3 that the twin carries out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Op {
            $(#[doc = concat!("S3's `", stringify!($name), "`.")] $name,)*
            /// Any other request. It is answered with 501 NotImplemented.
            Other,
        }

        impl Op {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)* Self::Other];

            /// S3's name for it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Other => "Other",
                }
            }
        }
    };
}

operations! {
    AbortMultipartUpload, CompleteMultipartUpload, CopyObject, CreateBucket, CreateMultipartUpload, DeleteObject,
    DeleteObjects, GetObject, GetObjectAttributes, HeadBucket, HeadObject, ListBuckets, ListMultipartUploads,
    ListObjectsV2, ListParts, PutObject, UploadPart, UploadPartCopy,
}

impl Op {
    /// Whether its request body is content to be stored.
    #[must_use]
    pub fn is_upload(self) -> bool {
        matches!(self, Self::PutObject | Self::UploadPart)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no operation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an operation: give one of {names}, or `*` for all", names = Op::ALL.iter().map(|op| op.name()).collect::<Vec<_>>().join(", "))]
pub struct UnknownOp(String);

impl FromStr for Op {
    type Err = UnknownOp;

    fn from_str(text: &str) -> Result<Self, UnknownOp> {
        Self::ALL.iter().copied().find(|op| op.name() == text).ok_or_else(|| UnknownOp(text.to_owned()))
    }
}

/// Reads an operation's name, or `*` as `None`, which stands for all.
pub(crate) fn parse_op(text: &str) -> Result<Option<Op>, UnknownOp> {
    if text == "*" { Ok(None) } else { text.parse().map(Some) }
}

/// What a request is about.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The operation asked for.
    pub(crate) op: Op,
    /// Empty when the request names none.
    pub(crate) bucket: String,
    /// Empty when the request names none.
    pub(crate) key: String,
}

impl Target {
    /// Reads the target off a request's head, before anything of it is verified.
    pub(crate) fn of(head: &Parts) -> Self {
        let path = percent_decoded(head.uri.path());
        let path = parse_path_style(&path).unwrap_or(S3Path::Root);
        Self {
            op: op_of(head, &path),
            bucket: path.get_bucket_name().unwrap_or_default().to_owned(),
            key: path.get_object_key().unwrap_or_default().to_owned(),
        }
    }
}

/// The access key that a request says it is signed with.
pub(crate) fn access_key(head: &Parts) -> Option<String> {
    let signature = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let query = head.uri.query().unwrap_or_default();
    let scope =
        signature.and_then(|text| text.split_once("Credential=")).or(query.split_once("X-Amz-Credential="));
    let key = scope?.1.split(['/', '%', '&', ',']).next()?;
    Some(key.to_owned())
}

fn op_of(head: &Parts, path: &S3Path) -> Op {
    let query = head.uri.query().unwrap_or_default();
    let names: Vec<&str> = query
        .split('&')
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
        .filter(|name| *name != "x-id" && !name.starts_with("X-Amz-") && !name.is_empty())
        .collect();
    let has = |name: &str| names.contains(&name);
    let copies = head.headers.contains_key("x-amz-copy-source");
    match (path, &head.method) {
        (S3Path::Root, &Method::GET) => Op::ListBuckets,
        (S3Path::Bucket { .. }, &Method::HEAD) => Op::HeadBucket,
        (S3Path::Bucket { .. }, &Method::PUT) if names.is_empty() => Op::CreateBucket,
        (S3Path::Bucket { .. }, &Method::POST) if has("delete") => Op::DeleteObjects,
        (S3Path::Bucket { .. }, &Method::GET) if has("uploads") => Op::ListMultipartUploads,
        (S3Path::Bucket { .. }, &Method::GET) if query.contains("list-type=2") => Op::ListObjectsV2,
        (S3Path::Object { .. }, &Method::HEAD) => Op::HeadObject,
        (S3Path::Object { .. }, &Method::GET) if has("attributes") => Op::GetObjectAttributes,
        (S3Path::Object { .. }, &Method::GET) if has("uploadId") => Op::ListParts,
        (S3Path::Object { .. }, &Method::GET) if !names.iter().any(|n| SUBRESOURCES.contains(n)) => {
            Op::GetObject
        }
        (S3Path::Object { .. }, &Method::POST) if has("uploads") => Op::CreateMultipartUpload,
        (S3Path::Object { .. }, &Method::POST) if has("uploadId") => Op::CompleteMultipartUpload,
        (S3Path::Object { .. }, &Method::PUT) if has("partNumber") && copies => Op::UploadPartCopy,
        (S3Path::Object { .. }, &Method::PUT) if has("partNumber") => Op::UploadPart,
        (S3Path::Object { .. }, &Method::PUT) if names.is_empty() && copies => Op::CopyObject,
        (S3Path::Object { .. }, &Method::PUT) if names.is_empty() => Op::PutObject,
        (S3Path::Object { .. }, &Method::DELETE) if has("uploadId") => Op::AbortMultipartUpload,
        (S3Path::Object { .. }, &Method::DELETE) if !names.iter().any(|n| SUBRESOURCES.contains(n)) => {
            Op::DeleteObject
        }
        _ => Op::Other,
    }
}

/// What a query can ask of an object instead of its content.
const SUBRESOURCES: [&str; 5] = ["acl", "legal-hold", "retention", "tagging", "torrent"];

/// The text of a percent-encoded path. What is no UTF-8 is left to the parser to refuse.
fn percent_decoded(path: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16));
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = match (digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (Some(high), Some(low)) if bytes[at] == b'%' => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        decoded.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
