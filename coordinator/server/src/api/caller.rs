//! Who calls, and what they may.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use proto::api::ProblemCode;
use proto::job::JobSpec;
use proto::location::{Location, Source};
use proto::view::JobView;

use super::problem::Problem;
use crate::tokens::Token;

/// Whoever sent a request: with a token, or from this machine while none are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) Option<Arc<Token>>);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // What the gate did not look at is refused, not let through.
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(ProblemCode::Unauthorized, "nobody was asked who this is"))
    }
}

impl Caller {
    /// The name of their token.
    pub(crate) fn token(&self) -> Option<&str> {
        self.0.as_ref().map(|token| &*token.name)
    }

    /// Whether they see all jobs, and may have nodes leave.
    pub(crate) fn is_operator(&self) -> bool {
        self.0.as_ref().is_none_or(|token| token.is_operator)
    }

    /// Refuses whoever is no operator.
    pub(crate) fn check_operator(&self) -> Result<(), Problem> {
        match &self.0 {
            Some(token) if !token.is_operator => {
                let detail = format!("token `{}` may not do this: it needs `operator = true`", token.name);
                Err(Problem::new(ProblemCode::Forbidden, detail))
            }
            _ => Ok(()),
        }
    }

    /// Whether they may know of a job, and cancel it.
    pub(crate) fn may_see(&self, job: &JobView) -> bool {
        self.is_operator() || self.0.as_ref().is_some_and(|token| job.owner.as_ref() == Some(&token.name))
    }

    /// Most jobs they may have that have not ended.
    pub(crate) fn jobs_max(&self) -> Option<usize> {
        self.0.as_ref().map(|token| token.jobs_max)
    }

    /// What they may read: addresses of which each object's must begin with one; anything if there are none. Refuses
    /// a token that may read nothing, which would look the same.
    pub(crate) fn may_read(&self) -> Result<&[String], Problem> {
        match &self.0 {
            None => Ok(&[]),
            Some(token) if token.read.is_empty() => {
                let detail = format!("token `{}` may read nothing, so it can archive nothing", token.name);
                Err(Problem::new(ProblemCode::Forbidden, detail))
            }
            Some(token) => Ok(&token.read),
        }
    }

    /// Refuses a job that reads or writes where they may not; makes it theirs, and has its manifests name nothing else
    /// either.
    pub(crate) fn check(&self, spec: &mut JobSpec) -> Result<(), Problem> {
        let Some(token) = &self.0 else { return Ok(()) };
        for source in &mut spec.sources {
            let address = match source {
                Source::Prefix { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
                Source::Object(at) => address(at),
                Source::Manifest { location, within } => {
                    within.clone_from(&token.read);
                    address(location)
                }
            };
            check_within(token, &address, "read", &token.read)?;
        }
        check_within(token, &address(&spec.destination), "write", &token.write)?;
        spec.owner = Some(token.name.clone());
        Ok(())
    }
}

fn address(at: &Location) -> String {
    // Not as it is shown, where control characters are escaped.
    format!("s3://{}/{}", at.bucket, at.key)
}

/// Refuses what begins with none of `prefixes`.
pub(crate) fn check_within(
    token: &Token,
    wanted: &str,
    what: &str,
    prefixes: &[String],
) -> Result<(), Problem> {
    if prefixes.iter().any(|prefix| wanted.starts_with(prefix)) {
        return Ok(());
    }
    let may = if prefixes.is_empty() { "nothing".to_owned() } else { prefixes.join(", ") };
    let name = &token.name;
    let detail = format!("token `{name}` may not {what} {wanted}: what it may {what} is {may}");
    Err(Problem::new(ProblemCode::Forbidden, detail))
}
