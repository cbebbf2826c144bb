//! Who is let in: requests from this machine's own pages and programs, or from whoever has a token.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use proto::api::ProblemCode;

use super::problem::Problem;

/// How long an answer may take: a coordinator that sorts a million names answers late.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Gives up on a request that takes too long.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    let late = || Problem::unavailable(format!("not answered within {} s", ANSWER_LIMIT.as_secs()));
    let answer = tokio::time::timeout(ANSWER_LIMIT, next.run(request)).await;
    answer.unwrap_or_else(|_| late().into_response())
}

/// Refuses what comes from pages of other sites: a browser on this machine can have a name of its own lead here, or
/// send what needs no leave, and nobody would be asked who they are.
pub(crate) async fn from_this_machine(request: Request, next: Next) -> Response {
    match check_origin(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check_origin(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if !matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        let detail = "this is asked for as localhost, 127.0.0.1 or [::1] alone";
        return Err(Problem::new(ProblemCode::Misdirected, detail));
    }
    let is_other = |origin: &str| origin.split_once("://").is_none_or(|(_, authority)| authority != host);
    if !method.is_safe() && text(header::ORIGIN).is_some_and(is_other) {
        let detail = "pages of other sites may not do this: without tokens only this machine's programs may";
        return Err(Problem::new(ProblemCode::Forbidden, detail));
    }
    Ok(())
}
