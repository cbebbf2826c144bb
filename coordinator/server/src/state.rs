//! Where a coordinator keeps what must outlive it, and how that is read back.

use std::fmt;

use proto::job::JobId;
use proto::listing::SourceObject;
use proto::location::{Location, printable};
use proto_s3::{Error, S3, with_retries};

/// Where a coordinator keeps its state. No two coordinators may share one: each would remove the uploads of the
/// other when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateLocation {
    /// Bucket name.
    pub bucket: String,
    /// What the keys of all its objects begin with; usually ends in a slash.
    pub prefix: String,
}

/// What is kept there, each kind below a name of its own.
#[derive(Clone, Copy)]
pub(crate) enum Folder {
    /// Records of open uploads.
    Uploads,
    /// Sources of jobs that came in the request.
    Manifests,
    /// Reports of jobs that have ended.
    Reports,
    /// Records of callbacks that are owed.
    Callbacks,
}

/// Objects of one kind.
pub(crate) struct Found {
    pub(crate) objects: Vec<SourceObject>,
    /// Whether there are more than were asked for.
    pub(crate) has_more: bool,
}

impl fmt::Display for StateLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, printable(&self.prefix))
    }
}

impl StateLocation {
    /// What the keys of everything of a kind begin with.
    pub(crate) fn folder(&self, folder: Folder) -> String {
        let name = match folder {
            Folder::Uploads => "uploads",
            Folder::Manifests => "manifests",
            Folder::Reports => "reports",
            Folder::Callbacks => "callbacks",
        };
        format!("{}{name}/", self.prefix)
    }

    /// Where what is kept of a job goes.
    pub(crate) fn object(&self, folder: Folder, job: JobId) -> Location {
        let ending = if matches!(folder, Folder::Manifests) { "ndjson" } else { "json" };
        Location { bucket: self.bucket.clone(), key: format!("{}{job}.{ending}", self.folder(folder)) }
    }

    /// What there is of a kind, at most so many.
    pub(crate) async fn objects(&self, s3: &S3, folder: Folder, most: usize) -> Result<Found, Error> {
        let below = self.folder(folder);
        let (mut next, mut objects) = (None, Vec::new());
        loop {
            let page = with_retries(async || s3.list_page(0, &self.bucket, &below, next.as_deref()).await);
            let page = page.await?;
            objects.extend(page.objects);
            next = page.next;
            if next.is_none() || objects.len() > most {
                let has_more = objects.len() > most;
                objects.truncate(most);
                return Ok(Found { objects, has_more });
            }
        }
    }

    /// The bytes of an object that is there, or why they cannot be had.
    pub(crate) async fn read(
        &self,
        s3: &S3,
        object: &SourceObject,
        bytes_max: u64,
    ) -> Result<Vec<u8>, String> {
        if object.size > bytes_max {
            return Err("it is too long".to_owned());
        }
        let text = with_retries(async || {
            let etag = object.etag.to_string();
            let mut fetched = s3.get(&self.bucket, &object.key, &etag, None).await?;
            let mut text = Vec::new();
            while let Some(bytes) = fetched.next().await? {
                text.extend_from_slice(&bytes);
            }
            Ok(text)
        });
        text.await.map_err(|error: Error| error.to_string())
    }
}
