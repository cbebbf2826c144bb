//! Who calls, and what they may.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use proto::job::JobSpec;
use proto::view::JobView;

use super::problem::Problem;

/// Whoever sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller;

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl Caller {
    /// Whether they may know of a job, and cancel it.
    pub(crate) fn may_see(&self, _job: &JobView) -> bool {
        true
    }

    pub(crate) fn check(&self, _spec: &mut JobSpec) -> Result<(), Problem> {
        Ok(())
    }

    pub(crate) fn jobs_max(&self) -> Option<usize> {
        None
    }
}
