//! Objects of a coordinator's own, written as their bytes come, of which no more than one part is ever held.

use bytes::Bytes;
use proto::batch::Upload;
use proto::complete::{CompletedPart, Completion};
use proto::crc::Crc;
use proto::failure::Failure;
use proto::job::JobId;
use proto::limits::STATE_PART_BYTES;
use proto::location::Location;
use proto::plan::PartNumber;
use proto_s3::{Progress, S3, with_retries};

use crate::abort::abort;
use crate::complete::complete;

/// An object that is being written. Nothing of it is left if it is dropped before it is finished.
pub(crate) struct Writer {
    s3: S3,
    location: Location,
    job: JobId,
    content_type: &'static str,
    part: Vec<u8>,
    parts: Vec<CompletedPart>,
    crc: Crc,
    upload: Option<Upload>,
    /// Whether S3 may have something of it.
    is_begun: bool,
}

impl Writer {
    /// An object that belongs to a job.
    pub(crate) fn new(s3: S3, location: Location, job: JobId, content_type: &'static str) -> Self {
        Self {
            s3,
            location,
            job,
            content_type,
            part: Vec::new(),
            parts: Vec::new(),
            crc: Crc::EMPTY,
            upload: None,
            is_begun: false,
        }
    }

    /// Takes in its next bytes, and waits for S3 whenever a part is full.
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            // Not before more comes: what fits one part is written by one request.
            if self.part.len() >= STATE_PART_BYTES {
                self.upload_part().await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(STATE_PART_BYTES - self.part.len()));
            self.part.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Has it exist.
    pub(crate) async fn finish(mut self) -> Result<(), Failure> {
        if self.upload.is_none() {
            let bytes = Bytes::from(std::mem::take(&mut self.part));
            self.is_begun = true;
            with_retries(async || self.s3.put(&self.location, bytes.clone()).await).await?;
        } else {
            self.upload_part().await?;
            let upload = self.upload.clone().expect("it is there");
            let (parts, archive) = (std::mem::take(&mut self.parts), self.crc);
            let completion =
                Completion { upload, parts, contested: Vec::new(), archive, no_overwrite: false };
            complete(&self.s3, self.job, "object", completion).await?;
        }
        self.is_begun = false;
        Ok(())
    }

    async fn upload_part(&mut self) -> Result<(), Failure> {
        self.is_begun = true;
        let upload = match &self.upload {
            Some(upload) => upload.clone(),
            None => {
                let Self { s3, location, job, content_type, .. } = &*self;
                let create = async || s3.create_upload_of(location, *job, content_type).await;
                let upload = with_retries(create).await?;
                self.upload.insert(upload).clone()
            }
        };
        let body = Bytes::from(std::mem::take(&mut self.part));
        let (number, crc) = (PartNumber::from_index(self.parts.len()), Crc::of(&body));
        let progress = Progress::default();
        let etag =
            with_retries(async || self.s3.upload_part(&upload, number, body.clone(), crc, &progress).await)
                .await?;
        self.parts.push(CompletedPart { number, etag, crc32: crc.value });
        self.crc = self.crc.then(crc);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Without a runtime the program is about to end, and the next coordinator looks for what is left.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.is_begun {
            return;
        }
        let (s3, location, upload) = (self.s3.clone(), self.location.clone(), self.upload.take());
        runtime.spawn(async move {
            if let Some(upload) = upload
                && let Err(failure) = abort(&s3, &upload).await
            {
                tracing::warn!(%failure, "an upload is left");
            }
            // S3 may have it although it did not say so.
            if let Err(error) = with_retries(async || s3.delete(&location).await).await {
                tracing::warn!(%error, "an object is left");
            }
        });
    }
}
