//! Why a cluster did not answer as asked for, and what may be done about it.

use std::error::Error;
use std::time::Duration;

use proto::api::ProblemCode;
use proto::failure::{Failure, FailureKind};
use proto::location::printable;
use reqwest::{StatusCode, Url};
use serde::Deserialize;

/// There is no answer as asked for.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    /// What to tell.
    pub(crate) failure: Failure,
    /// What came of the request.
    pub(crate) why: Why,
}

/// What came of a request that was not answered as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nobody was there: nothing was sent.
    Unreached,
    /// It was sent, and may have been carried out.
    Unanswered,
    /// It was not carried out, and may be later: after this time, if that was said.
    Later(Option<Duration>),
    /// The cluster does not know who asks.
    Unknown,
    /// It will not be carried out.
    Refused,
}

/// What the API answers when it cannot do as asked (RFC 9457), as far as it is used here.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    kind: FailureKind,
    #[serde(default)]
    code: Option<ProblemCode>,
}

impl Trouble {
    /// It does not answer.
    pub(super) fn late(base: &Url) -> Self {
        Self::unavailable(base, "does not answer in time; is its coordinator running there?", Why::Unanswered)
    }

    /// It ended an answer that should have gone on.
    pub(super) fn cut_off(base: &Url) -> Self {
        Self::unavailable(base, "stopped telling what happens", Why::Unanswered)
    }

    /// It answers, but not like a cluster.
    pub(super) fn of_a_stranger(base: &Url) -> Self {
        let what = "gave an answer that no cluster of this version gives; is it something else?";
        Self::unavailable(base, what, Why::Refused)
    }

    /// The request did not get there, or its answer did not get here.
    pub(super) fn of_sending(base: &Url, error: &reqwest::Error) -> Self {
        let cause = root_cause(error);
        if error.is_connect() && cause.contains("certificate") {
            let message = format!(
                "the cluster at {base} is not trusted ({cause}): --cluster-ca names a file with the authority that vouches for it"
            );
            return Self { failure: Failure::new(FailureKind::Denied, message), why: Why::Refused };
        }
        let (what, why) = if error.is_connect() {
            (format!("cannot be reached ({cause}); is its coordinator running there?"), Why::Unreached)
        } else {
            let hint = if base.scheme() == "http" && cause.contains("HTTP") {
                "; should its address begin with https://?"
            } else {
                ""
            };
            (format!("did not finish its answer ({cause}{hint})"), Why::Unanswered)
        };
        Self::unavailable(base, &what, why)
    }

    /// It answered that it cannot do as asked.
    pub(super) fn of_answer(base: &Url, status: StatusCode, after: Option<Duration>, body: &[u8]) -> Self {
        let later = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        // What stands between here and the cluster did not hear from it in time.
        let is_lost = matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
        let Ok(Problem { detail, kind, code }) = serde_json::from_slice(body) else {
            let what = format!("answered {status}; is it a cluster of this version?");
            let why = match (later, is_lost) {
                (true, _) => Why::Later(after),
                (_, true) => Why::Unanswered,
                _ => Why::Refused,
            };
            return Self::unavailable(base, &what, why);
        };
        let mut failure = Failure::new(kind, printable(&detail));
        let why = match (status, code) {
            (StatusCode::UNAUTHORIZED, _) => {
                failure.message.push_str(" (a token is taken from ZIPFLEET_TOKEN or --token-file)");
                Why::Unknown
            }
            (_, Some(ProblemCode::Timeout)) => Why::Unanswered,
            _ if later => Why::Later(after),
            _ => Why::Refused,
        };
        Self { failure, why }
    }

    fn unavailable(base: &Url, what: &str, why: Why) -> Self {
        let message = format!("the cluster at {base} {what}");
        Self { failure: Failure::new(FailureKind::Unavailable, message), why }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        trouble.failure
    }
}

/// What is behind an error, without the layers that only say that something failed.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
