//! Manifests: objects in S3 of which every line names a source object. Read page by page, so that a million lines
//! are never held at once and planning goes on meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proto::api::ManifestLine;
use proto::crc::{StoredChecksum, StoredKind};
use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::limits::{
    MANIFEST_LINE_BYTES_MAX, MANIFEST_LOOKUPS_AT_ONCE, MANIFEST_LOOKUPS_PER_PAGE, MANIFEST_PAGE_BYTES,
};
use proto::listing::{Etag, Page, SourceObject};
use proto::location::{Location, printable};
use proto::manifest::{LineError, Named};
use proto_s3::{Head, S3, with_retries};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::state::StateLocation;

/// What some editors put before the first line.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What the lines of a manifest may name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed<'a> {
    /// Addresses of which each object's must begin with one; anything if there are none.
    pub(crate) within: &'a [String],
    /// What is the coordinator's own, of which nothing may be named.
    pub(crate) state: Option<&'a StateLocation>,
}

/// Whether something at such an address is the coordinator's own.
pub(crate) fn is_of(state: &StateLocation, bucket: &str, key: &str) -> bool {
    bucket == state.bucket && key.starts_with(&state.prefix)
}

/// Why a line is none of a manifest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLine {
    #[error("it is longer than {MANIFEST_LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("it is no object as {{\"bucket\": \"photos\", \"key\": \"2026/a.jpg\"}}: {0}")]
    Json(String),
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("{0} belongs to the coordinator, as all at {1} does: leave it out")]
    State(Location, StateLocation),
}

impl BadLine {
    pub(crate) fn kind(&self) -> FailureKind {
        match self {
            Self::Line(LineError::Outside(..)) | Self::State(..) => FailureKind::Denied,
            _ => FailureKind::BadRequest,
        }
    }
}

/// The source object that a line names.
pub(crate) fn named(line: &[u8], allowed: Allowed<'_>) -> Result<Named, BadLine> {
    if line.len() > MANIFEST_LINE_BYTES_MAX {
        return Err(BadLine::TooLong);
    }
    let line: ManifestLine = serde_json::from_slice(line).map_err(|error| BadLine::Json(in_line(&error)))?;
    let named = line.named(allowed.within)?;
    let Location { bucket, key } = &named.location;
    match allowed.state {
        Some(state) if is_of(state, bucket, key) => Err(BadLine::State(named.location, state.clone())),
        _ => Ok(named),
    }
}

/// What is wrong with the JSON of one line. Which line of it does not matter, because it has only one.
pub(crate) fn in_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(&*text, |(what, _)| what);
    format!("{}, at column {}", printable(text), error.column())
}

/// A line without what may stand around it.
pub(crate) fn bare(line: &[u8], is_first: bool) -> &[u8] {
    let line = if is_first { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
    line.trim_ascii()
}

/// Where a page begins.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// In bytes from the start of the manifest.
    at: u64,
    /// Lines before it.
    lines: u64,
    /// Size of the manifest in bytes.
    bytes: u64,
    /// ETag of the manifest, to which all pages are pinned.
    etag: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.at, self.lines, self.bytes, self.etag)
    }
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(4, '/');
        let mut number = || fields.next()?.parse().ok();
        let (at, lines, bytes) = (number()?, number()?, number()?);
        Some(Self { at, lines, bytes, etag: fields.next()?.to_owned() })
    }
}

/// The next objects that a manifest, source number `index` of its job, names.
pub(crate) async fn page(
    s3: &S3,
    index: u16,
    manifest: &Location,
    allowed: Allowed<'_>,
    from: Option<&str>,
) -> Result<Page, Failure> {
    let place = match from {
        Some(token) => Place::parse(token).ok_or_else(|| {
            Failure::new(FailureKind::Internal, format!("`{token}` is no place in the manifest {manifest}"))
        })?,
        None => {
            let head = with_retries(async || s3.head(manifest).await).await;
            let head = head.map_err(|error| unreadable(manifest, &error))?;
            Place { at: 0, lines: 0, bytes: head.size, etag: head.etag.to_string() }
        }
    };
    if place.at >= place.bytes {
        return Ok(Page { objects: Vec::new(), buckets: Vec::new(), next: None });
    }
    let text = read(s3, manifest, &place).await?;
    let (lines, next) = lines(manifest, allowed, place, &text)?;
    // Before the lookups, which may take a while.
    drop(text);
    let (objects, buckets) = objects(s3, index, manifest, lines).await?;
    let next = (next.at < next.bytes).then(|| next.to_string());
    Ok(Page { objects, buckets, next })
}

/// As much of the manifest as makes a page.
async fn read(s3: &S3, manifest: &Location, place: &Place) -> Result<Bytes, Failure> {
    let range = place.at..place.bytes.min(place.at + MANIFEST_PAGE_BYTES);
    let text = with_retries(async || {
        let fetched = s3.get(&manifest.bucket, &manifest.key, &place.etag, Some(range.clone())).await;
        let mut fetched = fetched?;
        let mut text = BytesMut::with_capacity((range.end - range.start) as usize);
        while let Some(bytes) = fetched.next().await? {
            text.extend_from_slice(&bytes);
        }
        Ok(text.freeze())
    });
    text.await.map_err(|error| unreadable(manifest, &error))
}

fn unreadable(manifest: &Location, error: &proto_s3::Error) -> Failure {
    if error.kind() == S3ErrorKind::PreconditionFailed {
        let message = format!("the manifest {manifest} changed while it was read: run the job again");
        return Failure::new(FailureKind::SourceChanged, message);
    }
    Failure::new(error.kind().failure_kind(), format!("the manifest {manifest} cannot be read: {error}"))
}

/// The lines of a page, each with its number, and where the next page begins.
fn lines(
    manifest: &Location,
    allowed: Allowed<'_>,
    mut place: Place,
    mut text: &[u8],
) -> Result<(Vec<(u64, Named)>, Place), Failure> {
    let reaches_end = place.at + text.len() as u64 >= place.bytes;
    let (mut lines, mut lookups) = (Vec::new(), 0);
    while !text.is_empty() && lookups < MANIFEST_LOOKUPS_PER_PAGE {
        let end = text.iter().position(|byte| *byte == b'\n');
        // What is too long for a line is found to be so now; a shorter rest is read again with what follows.
        if end.is_none() && !reaches_end && text.len() <= MANIFEST_LINE_BYTES_MAX {
            break;
        }
        let length = end.map_or(text.len(), |end| end + 1);
        let line = bare(&text[..length], place.lines == 0);
        (place.at, place.lines) = (place.at + length as u64, place.lines + 1);
        text = &text[length..];
        if line.is_empty() {
            continue;
        }
        let named = named(line, allowed).map_err(|bad| at(manifest, place.lines, bad.kind(), &bad))?;
        lookups += usize::from(told(&named).is_none());
        lines.push((place.lines, named));
    }
    Ok((lines, place))
}

fn at(manifest: &Location, line: u64, kind: FailureKind, what: &impl fmt::Display) -> Failure {
    Failure::new(kind, format!("line {line} of the manifest {manifest}: {what}"))
}

/// What S3 need not be asked, if the line tells all of it. Of an object said to be empty nothing is ever read, so it
/// would never come out that it is not.
fn told(named: &Named) -> Option<(u64, Etag, i64)> {
    let size = named.size.filter(|size| *size > 0)?;
    Some((size, named.etag.clone()?, named.modified?))
}

/// The objects that lines name, in their order, and their buckets.
async fn objects(
    s3: &S3,
    index: u16,
    manifest: &Location,
    lines: Vec<(u64, Named)>,
) -> Result<(Vec<SourceObject>, Vec<String>), Failure> {
    let (manifest, mut lookups) = (Arc::new(manifest.clone()), JoinSet::new());
    let (mut buckets, mut known) = (Vec::new(), BTreeMap::new());
    let mut objects = Vec::with_capacity(lines.len());
    for (line, named) in lines {
        let bucket = *known.entry(named.location.bucket.clone()).or_insert_with(|| {
            buckets.push(named.location.bucket.clone());
            u16::try_from(buckets.len() - 1).expect("a page has fewer lines than 16 bits can count")
        });
        let key = named.location.key.as_str().into();
        let object = move |size, etag, modified, stored| SourceObject {
            source: index,
            bucket,
            stored,
            key,
            size,
            etag,
            modified,
        };
        if let Some((size, etag, modified)) = told(&named) {
            // Where the whole object is fetched by one request, S3 tells its checksum all the same.
            objects.push(Some(object(size, etag, modified, StoredKind::None)));
            continue;
        }
        if lookups.len() >= MANIFEST_LOOKUPS_AT_ONCE {
            land(&mut objects, lookups.join_next().await)?;
        }
        let (position, s3, manifest) = (objects.len(), s3.clone(), manifest.clone());
        objects.push(None);
        let lookup = async move {
            let Head { size, etag, modified, stored, .. } = look_up(&s3, &manifest, line, &named).await?;
            let stored = stored.map_or(StoredKind::None, StoredChecksum::kind);
            Ok((position, object(size, etag, modified, stored)))
        };
        lookups.spawn(lookup.in_current_span());
    }
    while let Some(landed) = lookups.join_next().await {
        land(&mut objects, Some(landed))?;
    }
    Ok((objects.into_iter().map(|object| object.expect("each has landed")).collect(), buckets))
}

type Landed = Result<Result<(usize, SourceObject), Failure>, tokio::task::JoinError>;

/// Puts an object that was looked up into its place.
fn land(objects: &mut [Option<SourceObject>], landed: Option<Landed>) -> Result<(), Failure> {
    let Some(landed) = landed else { return Ok(()) };
    let broken = |error: tokio::task::JoinError| Failure::new(FailureKind::Internal, error.to_string());
    let (position, object) = landed.map_err(broken)??;
    objects[position] = Some(object);
    Ok(())
}

/// Asks S3 for what a line does not tell, and holds it to what it does.
async fn look_up(s3: &S3, manifest: &Location, line: u64, named: &Named) -> Result<Head, Failure> {
    let Named { location, size, etag, .. } = named;
    let head = with_retries(async || s3.head(location).await).await;
    let head = head.map_err(|error| at(manifest, line, error.kind().failure_kind(), &error))?;
    let differs = match (etag, size) {
        (Some(etag), _) if *etag != head.etag => format!("the ETag `{}`, not `{etag}`", head.etag),
        (_, Some(size)) if *size != head.size => format!("{} bytes, not {size}", head.size),
        _ => return Ok(head),
    };
    let what = format!("{location} has {differs}: it is not, or no longer, as the manifest says");
    Err(at(manifest, line, FailureKind::SourceChanged, &what))
}

#[cfg(test)]
mod tests;
