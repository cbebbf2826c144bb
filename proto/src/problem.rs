//! What each kind of problem is called and answered with: one table, for the API, its description and its readers.

use crate::api::{Problem, ProblemCode};
use crate::failure::FailureKind;
use crate::limits::PROBLEM_CHARS_MAX;
use crate::location::printable;

impl ProblemCode {
    /// All there are.
    pub const ALL: [Self; 17] = [
        Self::BadRequest,
        Self::BadJob,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotReady,
        Self::IdempotencyMismatch,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Misdirected,
        Self::RateLimited,
        Self::TooManyJobs,
        Self::Busy,
        Self::Unavailable,
        Self::Timeout,
        Self::Internal,
    ];

    /// As it is written in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// In words.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status it is answered with.
    #[must_use]
    pub fn status(self) -> u16 {
        self.row().2
    }

    /// How a job that failed with it would be said to have failed, unless more is known.
    #[must_use]
    pub fn kind(self) -> FailureKind {
        self.row().3
    }

    fn row(self) -> (&'static str, &'static str, u16, FailureKind) {
        use FailureKind::{BadRequest, Denied, Internal, NotFound, Unavailable};
        match self {
            Self::BadRequest => ("bad_request", "The request makes no sense", 400, BadRequest),
            Self::BadJob => ("bad_job", "The job makes no sense", 400, BadRequest),
            Self::Unauthorized => ("unauthorized", "A token is needed", 401, Denied),
            Self::Forbidden => ("forbidden", "This is not allowed", 403, Denied),
            Self::NotFound => ("not_found", "There is no such thing", 404, NotFound),
            Self::MethodNotAllowed => ("method_not_allowed", "Not with this method", 405, BadRequest),
            Self::NotReady => ("not_ready", "Not ready yet", 409, Unavailable),
            Self::IdempotencyMismatch => {
                ("idempotency_mismatch", "The idempotency key is another job's", 409, BadRequest)
            }
            Self::TooLarge => ("too_large", "The request is too long", 413, BadRequest),
            Self::UnsupportedMediaType => {
                ("unsupported_media_type", "Not with this content type", 415, BadRequest)
            }
            Self::Misdirected => ("misdirected", "The request is meant for another host", 421, BadRequest),
            Self::RateLimited => ("rate_limited", "Too many submissions", 429, Unavailable),
            Self::TooManyJobs => ("too_many_jobs", "Too many jobs at a time", 429, Unavailable),
            Self::Busy => ("busy", "The coordinator has enough to do", 503, Unavailable),
            Self::Unavailable => ("unavailable", "Not there at present", 503, Unavailable),
            Self::Timeout => ("timeout", "The request took too long", 408, Unavailable),
            Self::Internal => ("internal", "A defect of zipfleet", 500, Internal),
        }
    }
}

impl Problem {
    /// A problem as it is told. What of `detail` came from outside is made harmless to terminals, and cut where it is
    /// very long.
    #[must_use]
    pub fn new(code: ProblemCode, kind: FailureKind, detail: &str) -> Self {
        let mut told = printable(detail);
        if let Some((end, _)) = told.char_indices().nth(PROBLEM_CHARS_MAX) {
            told.truncate(end);
            told.push('…');
        }
        Self {
            type_uri: format!("urn:zipfleet:problem:{}", code.name()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: told,
            code,
            kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_words_are_told_harmlessly() {
        let problem = Problem::new(ProblemCode::BadJob, FailureKind::BadRequest, "a\u{1b}[2J\u{202e}b");
        assert_eq!(problem.detail, "a\\u{1b}[2J\\u{202e}b");
        let long = Problem::new(ProblemCode::BadJob, FailureKind::BadRequest, &"é".repeat(1 << 20));
        assert_eq!(long.detail.chars().count(), PROBLEM_CHARS_MAX + 1);
    }
}
