//! Who is let in: requests from this machine's own pages and programs, or from whoever has a token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use proto::api::ProblemCode;
use proto::limits::API_ANSWER_MS;

use super::Api;
use super::caller::Caller;
use super::problem::Problem;
use crate::tokens::{Token, Tokens};

/// How long an answer may take.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_millis(API_ANSWER_MS);

/// Gives up on a request that takes too long.
pub(crate) async fn in_time(request: Request, next: Next) -> Response {
    let late = || Problem::unavailable(format!("not answered within {} s", ANSWER_LIMIT.as_secs()));
    let answer = tokio::time::timeout(ANSWER_LIMIT, next.run(request)).await;
    answer.unwrap_or_else(|_| late().into_response())
}

/// Lets in whoever has a token, or everybody while none are asked for: these come from this machine.
pub(crate) async fn admit(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let caller = match &api.tokens {
        None => Caller(None),
        Some(tokens) => match whose(tokens, request.headers()) {
            Ok(token) => Caller(Some(token)),
            Err(problem) => return problem.into_response(),
        },
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn whose(tokens: &Tokens, headers: &HeaderMap) -> Result<Arc<Token>, Problem> {
    let refused = |detail| Problem::new(ProblemCode::Unauthorized, detail);
    let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
    let secret =
        sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, secret)| secret.trim());
    let secret = secret.ok_or_else(|| refused("a token is needed: send Authorization: Bearer TOKEN"))?;
    tokens
        .find(secret)
        .ok_or_else(|| refused("this token is not known here: ask whoever runs the coordinator"))
}

/// Lets in operators alone.
pub(crate) async fn operators_only(caller: Caller, request: Request, next: Next) -> Response {
    match caller.check_operator() {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Refuses what comes from pages of other sites: a browser on this machine can have a name of its own lead here, or
/// send what needs no leave, and nobody would be asked who they are.
pub(crate) async fn from_this_machine(State(api): State<Api>, request: Request, next: Next) -> Response {
    if api.tokens.is_some() {
        return next.run(request).await;
    }
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
