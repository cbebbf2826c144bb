//! Segments: their uploads, and what is left of them in the end.

use proto::batch::Upload;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Stage};
use proto::limits::KEY_BYTES_MAX;

use super::{Effect, Machine, Question};
use crate::beside;

impl Machine {
    /// Has S3 create the uploads of segments that were planned, in their order and not too many at a time, and put
    /// together those of which every leaf is done.
    ///
    /// A segment can wait for leaves of later ones, when an entry reaches on into them. Those never wait for others,
    /// so there is always one that comes to its end and makes room for the next.
    pub(super) fn tend_segments(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id).filter(|job| job.is_granting()) else { return };
        while let Some((segment, joined)) = job.ledger.next_filled() {
            let Some(upload) = job.segments.complete(segment) else { continue };
            let completion = job.completion_of_segment(upload, joined);
            self.effects.push(Effect::Ask(Question::Complete(id, Some(segment), completion)));
        }
        while let Some(segment) = job.segments.next(job.ledger.segments()) {
            let destination = beside::segment(&job.spec.destination, id, segment);
            if destination.key.len() > KEY_BYTES_MAX {
                let message = format!(
                    "the key of {} is too long: an archive that needs segments, which are kept next to it, takes {} bytes less",
                    job.spec.destination,
                    destination.key.len() - job.spec.destination.key.len()
                );
                job.segments.not_created(segment);
                return self.fail(id, Failure::new(FailureKind::Destination, message));
            }
            let question =
                Question::Create { job: id, segment: Some(segment), destination, no_overwrite: false };
            self.effects.push(Effect::Ask(question));
        }
    }

    pub(super) fn segment_created(&mut self, id: JobId, segment: u32, upload: Result<Upload, Failure>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match upload {
            Ok(upload) => job.ledger.make_ready(job.segments.created(segment, upload)),
            Err(failure) => {
                job.segments.not_created(segment);
                self.fail(id, failure);
            }
        }
        self.clean_up(id);
    }

    pub(super) fn segment_completed(&mut self, id: JobId, segment: u32, etag: Result<String, Failure>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if !job.segments.completed(segment, etag.as_ref().ok().cloned()) {
            return;
        }
        match etag {
            Ok(_) => {
                job.ledger.made(segment);
                self.tend_segments(id);
            }
            Err(failure) => self.fail(id, failure),
        }
        self.clean_up(id);
    }

    /// Has S3 remove what a job has left beside its archive; `false` if there is nothing.
    pub(super) fn discard(&mut self, id: JobId) -> bool {
        let left = self.jobs.get_mut(&id).and_then(|job| {
            let left = job.take_leftovers();
            job.is_discarding |= left.is_some();
            left
        });
        let is_asked = left.is_some();
        self.effects.extend(left.map(|left| Effect::Ask(Question::Discard(id, left))));
        is_asked
    }

    pub(super) fn discarded(&mut self, id: JobId, left: Vec<String>) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.is_discarding = false;
        job.left_behind.extend(left);
        if job.stage == Stage::Aborting { self.clean_up(id) } else { self.finish_completed(id) }
    }
}
