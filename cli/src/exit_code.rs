//! The exit codes, as `docs/exit-codes.md` promises them.

use proto::failure::FailureKind;

/// `verify` looked at everything and the archive is not right.
pub(crate) const ARCHIVE_WRONG: u8 = 11;
/// `verify` found nothing wrong, but some contents cannot be checked.
pub(crate) const NOT_ALL_CHECKED: u8 = 13;
/// A job of a cluster was cancelled, by someone else or because its coordinator was told to stop.
pub(crate) const JOB_CANCELLED: u8 = 14;
/// Some jobs of a batch did not end well.
pub(crate) const BATCH_INCOMPLETE: u8 = 15;
/// A load was not borne within its limit, or the second of two is worse.
pub(crate) const LOAD_NOT_BORNE: u8 = 16;
/// The terminal was closed (128 + SIGHUP).
pub(crate) const HUNG_UP: u8 = 129;
/// Interrupted by Ctrl-C (128 + SIGINT).
pub(crate) const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM (128 + SIGTERM).
pub(crate) const TERMINATED: u8 = 143;

/// The exit code of a failure. Bad flags end with clap's own code, 2.
pub(crate) fn of(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Internal => 1,
        FailureKind::BadRequest => 2,
        FailureKind::NothingToArchive => 3,
        FailureKind::NotFound => 4,
        FailureKind::Denied => 5,
        FailureKind::BadNames => 6,
        FailureKind::SourceChanged => 7,
        FailureKind::Destination => 8,
        FailureKind::Unavailable => 9,
        FailureKind::TooLarge => 10,
        FailureKind::Corrupt => 12,
        FailureKind::Cancelled => INTERRUPTED,
    }
}
