//! S3 as far as it can go wrong: objects that may change, uploads that verify what they are completed with.

use std::collections::BTreeMap;

use proto::batch::Upload;
use proto::complete::Completion;
use proto::crc::Crc;
use proto::failure::S3ErrorKind;
use proto::job::JobId;
use proto::limits::PART_BYTES_MIN;
use proto::listing::Etag;
use proto::location::Location;
use proto::plan::PartNumber;

/// The bucket that objects are in.
pub(super) const SOURCES: &str = "in";
/// The bucket that archives go to.
pub(super) const ARCHIVES: &str = "out";

/// An object to be archived.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) size: u64,
    /// Which of all objects there ever were it is.
    pub(super) version: u64,
}

/// Where in the pattern the bytes of a version begin.
pub(super) fn seed(version: u64) -> u64 {
    version.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20
}

impl Source {
    pub(super) fn etag(&self) -> Etag {
        Etag::parse(&format!("{:032x}", self.version))
    }
}

/// An object that was made.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) crc: Crc,
    pub(super) etag: String,
}

/// A part that an upload holds.
#[derive(Clone, Debug)]
pub(super) struct HeldPart {
    pub(super) crc: Crc,
    pub(super) etag: String,
}

/// An upload that is open.
#[derive(Clone, Debug)]
pub(super) struct OpenUpload {
    pub(super) destination: Location,
    /// Whose it is.
    pub(super) job: JobId,
    pub(super) parts: BTreeMap<PartNumber, HeldPart>,
}

/// All there is in S3.
#[derive(Debug, Default)]
pub(super) struct S3 {
    pub(super) sources: BTreeMap<String, Source>,
    /// By their ids.
    pub(super) uploads: BTreeMap<String, OpenUpload>,
    /// By their keys, in the bucket of archives.
    pub(super) objects: BTreeMap<String, Made>,
    last: u64,
}

impl S3 {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Puts an object there, or another in its place.
    pub(super) fn put_source(&mut self, key: String, size: u64) {
        let version = self.next();
        self.sources.insert(key, Source { size, version });
    }

    pub(super) fn create(&mut self, job: JobId, destination: &Location) -> Upload {
        let upload_id = format!("u{}", self.next());
        let upload = OpenUpload { destination: destination.clone(), job, parts: BTreeMap::new() };
        self.uploads.insert(upload_id.clone(), upload);
        Upload { destination: destination.clone(), upload_id }
    }

    /// Takes in a part; its ETag, which is another each time, as where S3 encrypts with keys of its own.
    pub(super) fn put_part(&mut self, upload: &Upload, number: PartNumber, crc: Crc) -> Option<String> {
        let etag = format!("e{}", self.next());
        let open = self.uploads.get_mut(&upload.upload_id)?;
        open.parts.insert(number, HeldPart { crc, etag: etag.clone() });
        Some(etag)
    }

    /// Puts an upload together if it is what it is said to be.
    pub(super) fn complete(&mut self, completion: &Completion) -> Result<String, S3ErrorKind> {
        let Completion { upload, parts, archive, no_overwrite, .. } = completion;
        let open = self.uploads.get(&upload.upload_id).ok_or(S3ErrorKind::NoSuchUpload)?;
        let key = &upload.destination.key;
        if *no_overwrite && self.objects.contains_key(key) {
            return Err(S3ErrorKind::PreconditionFailed);
        }
        let mut whole = Crc::EMPTY;
        for (index, part) in parts.iter().enumerate() {
            let held = open.parts.get(&part.number).ok_or(S3ErrorKind::Mismatch)?;
            let is_last = index + 1 == parts.len();
            if held.crc.bytes < PART_BYTES_MIN && !is_last {
                return Err(S3ErrorKind::Refused);
            }
            if held.etag != part.etag || held.crc.value != part.crc32 {
                return Err(S3ErrorKind::Mismatch);
            }
            whole = whole.then(held.crc);
        }
        if (whole.value, whole.bytes) != (archive.value, archive.bytes) {
            return Err(S3ErrorKind::Mismatch);
        }
        self.uploads.remove(&upload.upload_id);
        let etag = format!("o{}", self.next());
        self.objects.insert(key.clone(), Made { crc: whole, etag: etag.clone() });
        Ok(etag)
    }

    /// Removes all objects and uploads whose keys begin so.
    pub(super) fn sweep(&mut self, below: &str) {
        self.objects.retain(|key, _| !key.starts_with(below));
        self.uploads.retain(|_, open| !open.destination.key.starts_with(below));
    }
}
