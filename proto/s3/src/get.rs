//! GetObject.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use proto::crc::StoredChecksum;
use proto::failure::S3ErrorKind;

use crate::attempt::{Target, root_cause};
use crate::connect::S3;
use crate::decode::{content_range, range_header, whole_checksum};
use crate::error::Error;
use crate::operation::Operation;

/// How long S3 may be silent before and within a body: its slowest first bytes take a second or two.
const STALL_LIMIT: Duration = Duration::from_secs(20);

/// An object, or a range of one, on its way.
#[derive(Debug)]
pub struct Fetched {
    /// The stored checksum of the whole object, if S3 has one of use and the whole was asked for. Nobody has
    /// compared it with the bytes.
    pub stored: Option<StoredChecksum>,
    /// How many bytes come in all.
    pub bytes: u64,
    /// Size of the whole object in bytes, if the answer tells.
    pub object_bytes: Option<u64>,
    body: ByteStream,
    missing: u64,
    target: String,
    s3: S3,
}

impl S3 {
    /// Begins to read an object, or the bytes `range` of it (never an empty one), provided its ETag is still
    /// `etag` (without quotes).
    ///
    /// # Errors
    /// See [`Error::kind`]; `PreconditionFailed` when the object has changed, or ends before the range does. A
    /// server that answers with other bytes than were asked for is refused.
    ///
    /// # Panics
    /// When `range` is empty: HTTP cannot ask for no bytes.
    pub async fn get(
        &self,
        bucket: &str,
        key: &str,
        etag: &str,
        range: Option<Range<u64>>,
    ) -> Result<Fetched, Error> {
        let target = Target { range: range.clone(), ..Target::new(Operation::GetObject, bucket, key) };
        let request = self.client.get_object().bucket(bucket).key(key).if_match(format!("\"{etag}\""));
        let request = request.set_range(range.as_ref().map(range_header)).customize();
        let request = match range {
            Some(_) => request,
            // The header by hand: through the SDK's own setting it would hash the body itself, once more.
            None => request.mutate_request(|request| {
                request.headers_mut().insert("x-amz-checksum-mode", "ENABLED");
            }),
        };
        let answer = self.attempt(&target, STALL_LIMIT, request.send()).await?;

        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        let Some(bytes) = length else { return Err(target.malformed("no Content-Length")) };
        let (mut stored, mut object_bytes) = (None, Some(bytes));
        match (range, answer.content_range()) {
            (None, None) => {
                let (crc32, crc64) = (answer.checksum_crc32(), answer.checksum_crc64_nvme());
                stored = whole_checksum(answer.checksum_type(), crc32, crc64);
            }
            (None, Some(_)) => return Err(target.malformed("a range where the whole was asked for")),
            (Some(_), None) => {
                let reason = "the server sends the whole object where a range was asked for";
                return Err(target.error(S3ErrorKind::Refused, reason));
            }
            (Some(range), Some(header)) => {
                let answered = content_range(header);
                object_bytes = answered.as_ref().and_then(|(_, total)| *total);
                if object_bytes.is_some_and(|total| total < range.end) {
                    let reason = "the object ends before the range does";
                    return Err(target.error(S3ErrorKind::PreconditionFailed, reason));
                }
                let is_range = answered.is_some_and(|(answered, _)| answered == range);
                if !is_range || bytes != range.end - range.start {
                    return Err(target.malformed(&format!("{bytes} bytes of Content-Range `{header}`")));
                }
            }
        }
        Ok(Fetched {
            stored,
            bytes,
            object_bytes,
            body: answer.body,
            missing: bytes,
            target: target.to_string(),
            s3: self.clone(),
        })
    }
}

impl Fetched {
    /// The next bytes as they came from the network, or `None` when all have come.
    ///
    /// # Errors
    /// `Transient` when the connection breaks or falls silent, or the body ends early or late. The bytes
    /// that came before are good; the rest must be asked for anew.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let reason = match tokio::time::timeout(STALL_LIMIT, self.body.next()).await {
            Ok(Some(Ok(frame))) => {
                self.s3.counts.received(frame.len());
                match self.missing.checked_sub(frame.len() as u64) {
                    Some(missing) => {
                        self.missing = missing;
                        return Ok(Some(frame));
                    }
                    None => format!("more than the {} bytes announced came", self.bytes),
                }
            }
            Ok(None) if self.missing == 0 => return Ok(None),
            Ok(None) => self.incomplete("the body ended"),
            Ok(Some(Err(error))) => self.incomplete(&root_cause(&error)),
            Err(_) => self.incomplete(&format!("nothing came for {} s", STALL_LIMIT.as_secs())),
        };
        Err(Error::new(S3ErrorKind::Transient, Operation::GetObject, &self.target, &reason))
    }

    fn incomplete(&self, why: &str) -> String {
        format!("{why} with {} of {} bytes missing", self.missing, self.bytes)
    }
}
