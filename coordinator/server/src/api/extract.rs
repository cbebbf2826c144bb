//! What requests carry in their paths and queries, and what is said when that is nonsense.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use proto::job::JobId;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// The job that a path names.
pub(crate) struct Named(pub(crate) JobId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(id) = path.map_err(|refused| Problem::bad_request(refused.body_text()))?;
        id.parse().map(Self).map_err(Problem::bad_request)
    }
}

/// The parameters of a query, each of which must be known.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(asked) = query.map_err(|refused| Problem::bad_request(refused.body_text()))?;
        Ok(Self(asked))
    }
}
