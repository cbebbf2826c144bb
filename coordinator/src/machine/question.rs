//! What a coordinator asks of S3.

use proto::batch::Upload;
use proto::complete::Completion;
use proto::job::JobId;
use proto::location::{Location, Source};

use crate::job::Leftovers;

/// What a coordinator asks of S3, each answered by one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// List a page of a source; answered by `Listed`.
    List {
        /// The job.
        job: JobId,
        /// Position of the source in the job.
        index: u16,
        /// The source.
        source: Source,
        /// Where the page begins; `None` for the first.
        from: Option<String>,
    },
    /// Create an upload; answered by `UploadCreated`.
    Create {
        /// The job.
        job: JobId,
        /// The segment it is for; `None` for the archive.
        segment: Option<u32>,
        /// Where it goes.
        destination: Location,
        /// Not when there is an object already.
        no_overwrite: bool,
    },
    /// Put the archive or a segment together; answered by `Completed`.
    Complete(JobId, Option<u32>, Completion),
    /// Remove the archive's upload and whatever it holds; answered by `Aborted`.
    Abort(JobId, Upload),
    /// Remove what is left beside the archive; answered by `Discarded`.
    Discard(JobId, Leftovers),
}

impl Question {
    /// The job it is asked for.
    #[must_use]
    pub fn job(&self) -> JobId {
        match self {
            Self::List { job, .. }
            | Self::Create { job, .. }
            | Self::Complete(job, ..)
            | Self::Abort(job, _)
            | Self::Discard(job, _) => *job,
        }
    }
}
