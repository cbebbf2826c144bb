//! One attempt at one request: counted, traced, limited in time, and its error put into words.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use proto::failure::S3ErrorKind;
use proto::location::printable;
use proto::plan::PartNumber;
use tracing::Instrument;

use crate::classify::{Refusal, classify, reason};
use crate::connect::S3;
use crate::error::Error;
use crate::operation::Operation;

/// How long S3 may take to answer a request that moves no body: far beyond its slowest answers, so that only
/// a dead connection ever reaches it.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Most characters of S3's own words that are repeated.
const QUOTED_CHARS_MAX: usize = 300;

/// What a request is about.
#[derive(Clone, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) operation: Operation,
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
    pub(crate) part: Option<PartNumber>,
    pub(crate) range: Option<Range<u64>>,
}

impl<'a> Target<'a> {
    pub(crate) fn new(operation: Operation, bucket: &'a str, key: &'a str) -> Self {
        Self { operation, bucket, key, part: None, range: None }
    }

    /// An error of `kind` about this target.
    pub(crate) fn error(&self, kind: S3ErrorKind, reason: &str) -> Error {
        Error::new(kind, self.operation, &self.to_string(), reason)
    }

    /// The error of an answer no S3 server should give. It may have been cut on its way.
    pub(crate) fn malformed(&self, what: &str) -> Error {
        self.error(S3ErrorKind::Transient, &format!("malformed answer: {what}"))
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(part) = self.part {
            write!(f, "part {part} of ")?;
        }
        if let Some(range) = &self.range {
            write!(f, "bytes {}..{} of ", range.start, range.end)?;
        }
        write!(f, "s3://{}/{}", self.bucket, printable(self.key))
    }
}

impl S3 {
    /// Carries out `request` once, giving up after `limit`.
    pub(crate) async fn attempt<T, E>(
        &self,
        target: &Target<'_>,
        limit: Duration,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Error>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        self.counts.attempt(target.operation);
        let span = tracing::debug_span!(
            "s3",
            operation = target.operation.name(),
            bucket = target.bucket,
            key = %printable(target.key),
            part = target.part.map(|part| part.0),
            range = target.range.as_ref().map(tracing::field::debug),
        );
        // Boxed because the SDK's futures are several KiB each and would make up most of every caller's.
        let error = match tokio::time::timeout(limit, Box::pin(request)).instrument(span.clone()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => self.explain(target, &error),
            Err(_) => {
                let reason = format!("no answer from {} within {} s", self.endpoint, limit.as_secs());
                target.error(S3ErrorKind::Transient, &reason)
            }
        };
        self.counts.failed(target.operation, error.kind());
        span.in_scope(|| tracing::debug!(%error, kind = ?error.kind(), "failed"));
        Err(error)
    }

    /// What a failed request is told as.
    pub(crate) fn explain<E>(&self, target: &Target<'_>, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match error {
            SdkError::ServiceError(service) => {
                let answer = service.raw();
                let refusal = Refusal {
                    status: answer.status().as_u16(),
                    code: service.err().code(),
                    message: service.err().message(),
                    other_region: answer
                        .headers()
                        .get("x-amz-bucket-region")
                        .filter(|other| *other != &*self.region),
                    request_id: answer.headers().request_id(),
                };
                self.refused(target, &refusal)
            }
            SdkError::ResponseError(response) => {
                target.malformed(&format!("HTTP {}, {}", response.raw().status(), root_cause(error)))
            }
            SdkError::ConstructionFailure(_) => target
                .error(S3ErrorKind::Refused, &format!("no such request can be made: {}", root_cause(error))),
            _ => self.unsent(target, error),
        }
    }

    fn refused(&self, target: &Target<'_>, refusal: &Refusal<'_>) -> Error {
        let kind = classify(target.operation, refusal);
        let mut reason = reason(target.operation, kind, refusal, target.bucket, &self.region);
        reason += &format!(" [HTTP {}", refusal.status);
        for (label, text) in
            [(" ", refusal.code), (": ", refusal.message), (", request ", refusal.request_id)]
        {
            let Some(text) = text else { continue };
            reason += label;
            reason.extend(printable(text).chars().take(QUOTED_CHARS_MAX));
        }
        reason.push(']');
        target.error(kind, &reason)
    }

    /// The error of a request that got no answer: credentials, name resolution, connection.
    fn unsent(&self, target: &Target<'_>, error: &(dyn StdError + 'static)) -> Error {
        if let Some(cause) = causes(error).find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
            return target.error(S3ErrorKind::Denied, &no_credentials(cause, self.profile.as_deref()));
        }
        let reason = format!("connection to {} failed: {}", self.endpoint, root_cause(error));
        target.error(S3ErrorKind::Transient, &reason)
    }
}

fn no_credentials(error: &CredentialsError, profile: Option<&str>) -> String {
    tracing::debug!(error = %DisplayErrorContext(error), "no credentials");
    let why: Vec<String> = causes(error).skip(1).map(ToString::to_string).collect();
    let why = why.join(": ");
    // The default chain lists every place it looked at, over many lines, which is for the log alone.
    let tell = !why.is_empty() && !why.contains('\n');
    let why = if tell { format!(" ({})", printable(&why)) } else { String::new() };
    if let Some(profile) = profile {
        format!("profile `{}` gives no AWS credentials{why}", printable(profile))
    } else if matches!(error, CredentialsError::CredentialsNotLoaded(_)) {
        format!(
            "no AWS credentials found{why}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile \
             that has some, or give this machine or task a role"
        )
    } else {
        format!("the AWS credentials cannot be loaded{why}; check the profile or the role")
    }
}

/// `error` and what caused it, the innermost last.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The innermost cause, which is the one that says something.
pub(crate) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(|cause| printable(&cause.to_string())).unwrap_or_default()
}
