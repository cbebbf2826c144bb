//! The spans of a job: its own, from submission until it is settled, and below it those of what S3 is asked. The
//! spans of parts hang below it too, whichever machine makes them.

use coordinator::machine::Question;
use proto::job::{JobId, JobSpec};
use proto_trace::{context, descend};
use tracing::{Span, debug_span, info_span};

/// The span of a job: below the submitter's, if there is one. From now on `spec` names it as what the spans of
/// parts hang below.
pub(crate) fn of_job(id: JobId, spec: &mut JobSpec) -> Span {
    let JobSpec { destination, owner, .. } = &*spec;
    let span = info_span!(parent: None, "job", %id, %destination, owner);
    descend(&span, spec.trace);
    // Where no spans are exported, parts hang below the submitter's.
    spec.trace = context(&span).or(spec.trace);
    span
}

/// The span of a question to S3, below that of its job.
pub(crate) fn of_question(job: Option<&Span>, question: &Question) -> Span {
    let job = job.and_then(Span::id);
    match question {
        Question::List { source, from, .. } => debug_span!(parent: job, "list", %source, from),
        Question::Create { segment, .. } => debug_span!(parent: job, "create", segment),
        Question::Complete(_, segment, _) => debug_span!(parent: job, "complete", segment),
        Question::Abort(..) => debug_span!(parent: job, "abort"),
        Question::Discard(..) => debug_span!(parent: job, "discard"),
    }
}

/// The span of what is done for a job that has ended.
pub(crate) fn of_settling(job: Option<&Span>) -> Span {
    debug_span!(parent: job.and_then(Span::id), "settle")
}
