//! What has become of a job's segments, and the parts that wait for one of them to have an upload.

use std::collections::BTreeMap;

use proto::batch::Upload;
use proto::limits::SEGMENTS_OPEN_MAX;
use proto::location::Location;
use proto::plan::Plan;

use crate::ledger::Ledger;
use crate::work::Object;

/// What has become of a segment for which an upload was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// S3 was asked to create its upload and has not answered.
    Creating,
    /// Its leaves can be uploaded.
    Open(Upload),
    /// S3 was asked to put it together and has not answered.
    Completing(Upload),
    /// S3 could not put it together, or its answer was lost: there may be an upload or an object.
    Unclear(Upload),
    /// It is an object.
    Made(Object),
    /// Its upload could not be created.
    Gone,
}

/// The segments of one job, by number, and the only place where it is known how far each has come. When its leaves
/// are done the ledger tells, as it does of all parts.
#[derive(Debug, Default)]
pub struct Segments {
    /// Those for which an upload was asked. They are asked for in their order.
    asked: Vec<Segment>,
    /// How many of them are objects.
    made: usize,
    /// Leaves that are ready and have no upload to go to yet, by segment; with each, whether it goes to the front of
    /// the queue.
    kept: BTreeMap<u32, Vec<(usize, bool)>>,
}

impl Segments {
    /// Takes the next of the first `planned` segments that S3 is to create an upload for; `None` if each has one, or
    /// as many are open as may.
    pub fn next(&mut self, planned: u32) -> Option<u32> {
        let next = u32::try_from(self.asked.len()).expect("there are at most 10,000");
        (next < planned && self.asked.len() - self.made < SEGMENTS_OPEN_MAX).then(|| {
            self.asked.push(Segment::Creating);
            next
        })
    }

    /// Notes that the upload of a segment is there; the leaves that waited for it.
    pub fn created(&mut self, segment: u32, upload: Upload) -> Vec<(usize, bool)> {
        self.set(segment, Segment::Open(upload));
        self.kept.remove(&segment).unwrap_or_default()
    }

    /// Notes that the upload of a segment could not be created.
    pub fn not_created(&mut self, segment: u32) {
        self.set(segment, Segment::Gone);
    }

    /// Takes the most urgent of the parts that are ready, are in no queue and have an upload to go to, to be put in a
    /// queue; with it, whether it goes to the front there. Leaves that have none are kept until it is there.
    pub fn next_ready(&mut self, plan: &Plan, ledger: &mut Ledger) -> Option<(usize, bool)> {
        loop {
            let ready = ledger.next_ready()?;
            match plan.parts[ready.0].within {
                Some(segment) if self.is_to_be(segment) => self.kept.entry(segment).or_default().push(ready),
                _ => return Some(ready),
            }
        }
    }

    fn is_to_be(&self, segment: u32) -> bool {
        matches!(self.asked.get(segment as usize), None | Some(Segment::Creating))
    }

    /// The upload that the leaves of a segment go to, if it is open.
    #[must_use]
    pub fn upload(&self, segment: u32) -> Option<&Upload> {
        match self.asked.get(segment as usize)? {
            Segment::Open(upload) => Some(upload),
            _ => None,
        }
    }

    /// Takes the upload of a segment that is open, for S3 to put together.
    pub fn complete(&mut self, segment: u32) -> Option<Upload> {
        let upload = self.upload(segment)?.clone();
        self.set(segment, Segment::Completing(upload.clone()));
        Some(upload)
    }

    /// Notes that S3 put a segment together, and the object's ETag; `None` if it could not, or did not tell. `false`
    /// if it was not asked to.
    pub fn completed(&mut self, segment: u32, etag: Option<String>) -> bool {
        let Some(Segment::Completing(upload)) = self.asked.get(segment as usize).cloned() else {
            return false;
        };
        self.made += usize::from(etag.is_some());
        self.set(
            segment,
            match etag {
                Some(etag) => Segment::Made(Object { location: upload.destination, etag }),
                None => Segment::Unclear(upload),
            },
        );
        true
    }

    /// The object that a segment has become.
    #[must_use]
    pub fn object(&self, segment: u32) -> Option<&Object> {
        match self.asked.get(segment as usize)? {
            Segment::Made(object) => Some(object),
            _ => None,
        }
    }

    /// Whether S3 has yet to answer something that decides what there is to be removed.
    #[must_use]
    pub fn awaits_s3(&self) -> bool {
        self.asked.iter().any(|segment| matches!(segment, Segment::Creating | Segment::Completing(_)))
    }

    /// The uploads that may be open, and where there may be objects.
    #[must_use]
    pub fn left(self) -> (Vec<Upload>, Vec<Location>) {
        let (mut uploads, mut objects) = (Vec::new(), Vec::new());
        for segment in self.asked {
            match segment {
                Segment::Open(upload) => uploads.push(upload),
                Segment::Unclear(upload) | Segment::Completing(upload) => {
                    objects.push(upload.destination.clone());
                    uploads.push(upload);
                }
                Segment::Made(object) => objects.push(object.location),
                Segment::Creating | Segment::Gone => {}
            }
        }
        (uploads, objects)
    }

    fn set(&mut self, segment: u32, state: Segment) {
        // None is there any more when what was left of them has been taken.
        if let Some(segment) = self.asked.get_mut(segment as usize) {
            *segment = state;
        }
    }
}
