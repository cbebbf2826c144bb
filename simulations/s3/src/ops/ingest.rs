//! Received content: read frame by frame, interned, and held against the digests its sender claims.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::dto::StreamingBlob;
use s3s::{Body, S3Error, S3ErrorCode, S3Result, StdError, TrailingHeaders};

use super::body::next_data;
use super::refuse::custom;
use crate::content::{Algorithm, Interner, Rope, etag};
use crate::store::{LARGEST_PART, Refusal};

/// Content from this size on, in bytes, is digested on a thread of its own.
const ASIDE: u64 = 1 << 20;

/// What a sender claims of the content.
pub(super) struct Claims {
    /// The size in bytes.
    pub(super) length: Option<i64>,
    /// In base64.
    pub(super) md5: Option<String>,
    /// In base64.
    pub(super) checksum: Option<(Algorithm, String)>,
    /// Where a checksum may come after the content.
    pub(super) trailers: Option<TrailingHeaders>,
}

/// Content of which every claim is true.
pub(super) struct Verified {
    pub(super) content: Rope,
    /// Without quotes.
    pub(super) etag: String,
    /// The algorithm and the value in base64 that are kept.
    pub(super) checksum: (Algorithm, String),
}

/// Which digests are kept of content.
#[derive(Clone, Copy)]
pub(super) enum Kept {
    /// Of an object: its MD5, and the checksum that came with it or else S3's default.
    Object,
    /// Of a part: the checksum of its upload.
    Part(Algorithm),
}

/// Receives content. Nothing remains of it when its sender goes away, or when a claim is not true.
pub(super) async fn receive(body: Option<StreamingBlob>, claims: Claims, kept: Kept) -> S3Result<Verified> {
    if claims.length.is_some_and(|length| u64::try_from(length).is_ok_and(|l| l > LARGEST_PART)) {
        return Err(Refusal::EntityTooLarge.into());
    }
    let claimed_md5 = claims.md5.as_deref().map(parse_md5).transpose()?;
    let content = read(body.map(Body::from).unwrap_or_default()).await?;
    let claimed = claims.checksum.or_else(|| trailing(claims.trailers.as_ref()?));
    let claimed_by = claimed.as_ref().map(|(algorithm, _)| *algorithm);
    let keep = match kept {
        Kept::Object => claimed_by.unwrap_or(Algorithm::Crc64Nvme),
        Kept::Part(algorithm) => algorithm,
    };
    let whole = matches!(kept, Kept::Object);
    let digest_md5 = whole || claimed_md5.is_some();
    let (md5, value, other) = aside(&content, move |content| {
        let other = claimed_by.filter(|algorithm| *algorithm != keep);
        (digest_md5.then(|| etag::md5(content)), keep.of(content), other.map(|a| a.of(content)))
    })
    .await;
    if claimed_md5.is_some() && claimed_md5 != md5 {
        return Err(Refusal::BadMd5.into());
    }
    if let Some((algorithm, claim)) = claimed
        && claim != *other.as_ref().unwrap_or(&value)
    {
        return Err(Refusal::BadChecksum(algorithm).into());
    }
    let etag = match md5.filter(|_| whole) {
        Some(md5) => etag::hex(u128::from_be_bytes(md5)),
        None => etag::of_content(&content),
    };
    Ok(Verified { content, etag, checksum: (keep, value) })
}

/// Computes something that may read every byte of content, without holding up other requests.
pub(super) async fn aside<T: Send + 'static>(
    content: &Rope,
    compute: impl FnOnce(&Rope) -> T + Send + 'static,
) -> T {
    if content.len() < ASIDE {
        return compute(content);
    }
    let content = content.clone();
    tokio::task::spawn_blocking(move || compute(&content)).await.expect("digests do not panic")
}

async fn read(mut body: Body) -> S3Result<Rope> {
    let mut interner = Interner::default();
    let mut length = 0;
    while let Some(data) = next_data(&mut body).await.map_err(broken)? {
        length += data.len() as u64;
        if length > LARGEST_PART {
            return Err(Refusal::EntityTooLarge.into());
        }
        interner.push(&data);
    }
    Ok(interner.finish())
}

/// s3s says only in words why it does not pass on a body.
fn broken(error: StdError) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        custom("XAmzContentSHA256Mismatch", 400, &message)
    } else if text.contains("SignatureMismatch") {
        S3ErrorCode::SignatureDoesNotMatch.into()
    } else {
        let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
        S3Error::with_message(S3ErrorCode::IncompleteBody, message)
    }
}

fn trailing(trailers: &TrailingHeaders) -> Option<(Algorithm, String)> {
    let headers = trailers.take()?;
    Algorithm::ALL.into_iter().find_map(|algorithm| {
        let name = format!("x-amz-checksum-{}", algorithm.name().to_lowercase());
        Some((algorithm, headers.get(name)?.to_str().ok()?.to_owned()))
    })
}

fn parse_md5(text: &str) -> Result<[u8; 16], Refusal> {
    STANDARD.decode(text).ok().and_then(|md5| md5.try_into().ok()).ok_or(Refusal::InvalidMd5)
}
