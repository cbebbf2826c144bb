//! Failures of the command line's own.

use proto::failure::{Failure, FailureKind};

/// A flag or argument that makes no sense.
pub(crate) fn usage(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::BadRequest, message)
}

/// Something that should not happen.
pub(crate) fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::new(FailureKind::Internal, error.to_string())
}
