//! Jobs whose sources come in the request, in lines of their own: written to the coordinator's state as they come,
//! as a manifest like any other, so that a million of them are never held.

use std::fmt::Display;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use proto::api::Submission;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, JobSpec};
use proto::limits::{
    GIB, MANIFEST_BYTES_MAX, MANIFEST_LINE_BYTES_MAX, SPOOL_SILENCE_MS, SPOOLS_MAX, TOKEN_SPOOLS_MAX,
};
use proto::location::{Location, Source};
use proto_s3::S3;
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt};

use crate::manifest::{Allowed, BadLine, bare, in_line, is_of, named};
use crate::state::{Folder, StateLocation};
use crate::turns::{NoTurn, Turn, Turns};
use crate::writer::Writer;

/// Where the sources of submissions go that come in lines.
#[derive(Clone, Debug)]
pub struct Spools {
    s3: S3,
    state: StateLocation,
    turns: Turns,
}

/// A submission of which the sources are still to come.
#[derive(Debug)]
pub struct Spool<B> {
    /// The job, without sources: its first line.
    pub submission: Submission,
    lines: Lines<B>,
    s3: S3,
    state: StateLocation,
    _turn: Turn,
}

/// The sources of a submission, written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spooled {
    /// The job, without sources.
    pub submission: Submission,
    /// The manifest. Whoever has it must give it to [`Coordinator::request`](crate::Coordinator::request) as the
    /// manifest of the job, which removes it when the job has ended or is refused.
    pub location: Location,
    /// SHA-256 of its lines: the same for the same sources, however they were cut into pieces on their way.
    pub digest: [u8; 32],
    /// How many objects it names.
    pub lines: u64,
}

/// Why a submission in lines was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// As many come already, or as many of the same token.
    #[error("no more submissions with sources in lines are read at present: {0}: try again")]
    Busy(#[from] NoTurn),
    /// One of its lines makes no sense.
    #[error("{0}")]
    Bad(String),
    /// One of its lines names an object that it may not.
    #[error("{0}")]
    Forbidden(String),
    /// It is too long.
    #[error(
        "the request is longer than {} GiB: put the lines into an object in S3, and submit that as a manifest",
        MANIFEST_BYTES_MAX / GIB
    )]
    TooLarge,
    /// It did not come to its end.
    #[error("the request broke off: {0}")]
    Broken(String),
    /// It cannot be written down.
    #[error("the sources cannot be kept: {0}")]
    State(Failure),
}

impl Spools {
    /// They go below the coordinator's state.
    #[must_use]
    pub fn new(s3: S3, state: StateLocation) -> Self {
        Self { s3, state, turns: Turns::new(SPOOLS_MAX, TOKEN_SPOOLS_MAX) }
    }

    /// Refuses a job that reads or writes what belongs to the coordinator: records, reports and manifests, some of
    /// them other callers'.
    ///
    /// # Errors
    /// When it does.
    pub(crate) fn refuse_state(&self, spec: &JobSpec) -> Result<(), SpoolError> {
        let state = &self.state;
        let is_ours = |at: &Location| is_of(state, &at.bucket, &at.key);
        let reads = |source: &Source| match source {
            Source::Prefix { bucket, prefix } => is_of(state, bucket, prefix),
            Source::Object(at) | Source::Manifest { location: at, .. } => is_ours(at),
        };
        if is_ours(&spec.destination) || spec.sources.iter().any(reads) {
            let message = format!("{state} belongs to the coordinator: choose another place");
            return Err(SpoolError::Forbidden(message));
        }
        let lies_below = |source: &&Source| match source {
            Source::Prefix { bucket, prefix } => *bucket == state.bucket && state.prefix.starts_with(prefix),
            Source::Object(_) | Source::Manifest { .. } => false,
        };
        if let Some(source) = spec.sources.iter().find(lies_below) {
            let message = format!(
                "the coordinator's state lies below {source}: name what is beside {state}, or have the coordinator keep its state elsewhere"
            );
            return Err(SpoolError::Forbidden(message));
        }
        Ok(())
    }

    /// Reads the first line of a request of the token of this name, which is the job without sources.
    ///
    /// # Errors
    /// See [`SpoolError`].
    pub async fn begin<B, E>(&self, token: Option<&str>, body: B) -> Result<Spool<B>, SpoolError>
    where
        B: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Display,
    {
        let turn = self.turns.take(token)?;
        let mut lines = Lines { body, come: BytesMut::new(), bytes: 0, count: 0, is_over: false };
        let Some(first) = lines.next().await? else {
            return Err(SpoolError::Bad("the request is empty: its first line is the job".to_owned()));
        };
        let submission: Submission = serde_json::from_slice(&first).map_err(|error| {
            SpoolError::Bad(format!("line {} is no job: {}", lines.count, in_line(&error)))
        })?;
        if !submission.sources.is_empty() {
            let message = "the first line has sources: in lines of their own each names one object, and the job has no others";
            return Err(SpoolError::Bad(message.to_owned()));
        }
        let (s3, state) = (self.s3.clone(), self.state.clone());
        Ok(Spool { submission, lines, s3, state, _turn: turn })
    }
}

impl<B, E> Spool<B>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    /// Writes down the sources, which must be below one of `within` if there are any, for the job of this id.
    /// Nothing is left if that fails, or is no longer waited for.
    ///
    /// # Errors
    /// See [`SpoolError`].
    pub async fn finish(mut self, job: JobId, within: &[String]) -> Result<Spooled, SpoolError> {
        let location = self.state.object(Folder::Manifests, job);
        let mut writer = Writer::new(self.s3, location.clone(), job, "application/x-ndjson");
        let (mut digest, mut lines) = (Context::new(&SHA256), 0);
        let allowed = Allowed { within, state: Some(&self.state) };
        while let Some(line) = self.lines.next().await? {
            named(&line, allowed).map_err(|bad| refused(self.lines.count, &bad))?;
            lines += 1;
            for bytes in [&line[..], b"\n"] {
                digest.update(bytes);
                writer.write(bytes).await.map_err(SpoolError::State)?;
            }
        }
        if lines == 0 {
            let message = "no source follows the job: each further line names an object, as {\"bucket\": \"photos\", \"key\": \"2026/a.jpg\"}";
            return Err(SpoolError::Bad(message.to_owned()));
        }
        writer.finish().await.map_err(SpoolError::State)?;
        let digest = digest.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
        Ok(Spooled { submission: self.submission, location, digest, lines })
    }
}

fn refused(line: u64, bad: &BadLine) -> SpoolError {
    let message = format!("line {line}: {bad}");
    match bad.kind() {
        FailureKind::Denied => SpoolError::Forbidden(message),
        _ => SpoolError::Bad(message),
    }
}

/// The lines of a body that are not empty.
#[derive(Debug)]
struct Lines<B> {
    body: B,
    /// What has come of lines that are not complete.
    come: BytesMut,
    /// All that has come.
    bytes: u64,
    /// Lines given out so far, and empty ones.
    count: u64,
    is_over: bool,
}

impl<B, E> Lines<B>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Display,
{
    async fn next(&mut self) -> Result<Option<Bytes>, SpoolError> {
        let mut searched = 0;
        loop {
            let end = self.come[searched..].iter().position(|byte| *byte == b'\n');
            let line = match end {
                Some(end) => self.come.split_to(searched + end + 1),
                None if self.is_over && self.come.is_empty() => return Ok(None),
                None if self.is_over => self.come.split(),
                None if self.come.len() > MANIFEST_LINE_BYTES_MAX => {
                    return Err(refused(self.count + 1, &BadLine::TooLong));
                }
                None => {
                    searched = self.come.len();
                    self.more().await?;
                    continue;
                }
            };
            searched = 0;
            self.count += 1;
            let line = line.freeze();
            let bare = bare(&line, self.count == 1);
            if !bare.is_empty() {
                return Ok(Some(line.slice_ref(bare)));
            }
        }
    }

    /// Waits for the next piece of the body.
    async fn more(&mut self) -> Result<(), SpoolError> {
        let silence = Duration::from_millis(SPOOL_SILENCE_MS);
        let Ok(piece) = timeout(silence, self.body.next()).await else {
            return Err(SpoolError::Broken(format!("nothing came for {} s", silence.as_secs())));
        };
        match piece {
            Some(Ok(piece)) => {
                self.bytes += piece.len() as u64;
                if self.bytes > MANIFEST_BYTES_MAX {
                    return Err(SpoolError::TooLarge);
                }
                self.come.extend_from_slice(&piece);
            }
            Some(Err(error)) => return Err(SpoolError::Broken(error.to_string())),
            None => self.is_over = true,
        }
        Ok(())
    }
}
