//! What went wrong with one request, as a sentence and as a kind.

use proto::failure::{Failure, FailureKind, S3ErrorKind};

use crate::operation::Operation;

/// Why one S3 request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: S3ErrorKind,
    operation: Operation,
    message: String,
}

impl Error {
    /// "cannot `operation` `target`: `reason`".
    pub(crate) fn new(kind: S3ErrorKind, operation: Operation, target: &str, reason: &str) -> Self {
        Self { kind, operation, message: format!("cannot {} {target}: {reason}", operation.verb()) }
    }

    /// What can be done about it.
    #[must_use]
    pub fn kind(&self) -> S3ErrorKind {
        self.kind
    }

    /// S3's name for the operation that failed, for example `GetObject`.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation.name()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // The one condition ever put on a write is that there be nothing at the destination.
        let at_destination =
            error.kind == S3ErrorKind::PreconditionFailed && error.operation == Operation::CompleteUpload;
        let kind = if at_destination { FailureKind::Destination } else { error.kind.failure_kind() };
        Self::new(kind, error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_condition_is_about_the_source_or_the_destination() {
        let failed = |operation| {
            Failure::from(Error::new(S3ErrorKind::PreconditionFailed, operation, "s3://b/k", "it changed"))
        };
        assert_eq!(failed(Operation::GetObject).kind, FailureKind::SourceChanged);
        assert_eq!(failed(Operation::CompleteUpload).kind, FailureKind::Destination);
        assert_eq!(failed(Operation::GetObject).message, "cannot read s3://b/k: it changed");
    }
}
