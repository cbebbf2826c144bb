//! UploadPart.

use std::time::Duration;

use aws_sdk_s3::config::{Config, StalledStreamProtectionConfig};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use proto::batch::Upload;
use proto::crc::Crc;
use proto::failure::S3ErrorKind;
use proto::listing::Etag;
use proto::plan::PartNumber;

use crate::attempt::{ANSWER_LIMIT, Target};
use crate::connect::S3;
use crate::decode::{crc32_from_base64, crc32_to_base64};
use crate::error::Error;
use crate::operation::Operation;
use crate::progress::{Counted, Progress};

/// The slowest upload waited for, in bytes a second: a dozen of them share a line of 6 Mbit/s. One that does
/// not move at all is noticed much sooner, by `STALL_LIMIT`.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 << 10;
/// How long the network may take nothing of a body. Sockets take it by the megabyte, which at the slowest speed
/// is once in 20 seconds.
const STALL_LIMIT: Duration = Duration::from_secs(45);

impl S3 {
    /// Uploads one part, whose CRC is `crc`, and returns its ETag without quotes. S3 verifies the CRC before
    /// it accepts the part. What of the body has gone out is added to `progress`.
    ///
    /// # Errors
    /// See [`Error::kind`]; `Transient` also when the bytes were damaged on the way.
    pub async fn upload_part(
        &self,
        upload: &Upload,
        number: PartNumber,
        body: Bytes,
        crc: Crc,
        progress: &Progress,
    ) -> Result<String, Error> {
        let Upload { destination, upload_id } = upload;
        let target = Target::new(Operation::UploadPart, &destination.bucket, &destination.key);
        let target = Target { part: Some(number), ..target };
        let bytes = body.len();
        debug_assert_eq!(crc.bytes, bytes as u64, "the CRC is that of the body");
        let part_number =
            i32::try_from(number.0).map_err(|_| target.error(S3ErrorKind::Refused, "no such part number"))?;
        let request = self.client.upload_part().bucket(&destination.bucket).key(&destination.key);
        let body = ByteStream::from_body_1_x(Counted::new(body, progress.clone()));
        let request = request.upload_id(upload_id).part_number(part_number).body(body);
        // A given CRC-32 and an unsigned payload spare two passes over the bytes. The CRC protects them as well.
        let request =
            request.checksum_crc32(crc32_to_base64(crc.value)).customize().disable_payload_signing();
        let request = request.config_override(Config::builder().stalled_stream_protection(stall_watchdog()));
        let limit = ANSWER_LIMIT + Duration::from_secs(bytes as u64 / SLOWEST_BYTES_PER_SECOND);
        let answer = self.attempt(&target, limit, request.send()).await?;

        // Not every server echoes it.
        if let Some(echoed) = answer.checksum_crc32()
            && crc32_from_base64(echoed) != Some(crc.value)
        {
            return Err(target.error(S3ErrorKind::Transient, "S3 received other bytes than were sent"));
        }
        let Some(etag) = answer.e_tag() else { return Err(target.malformed("no ETag")) };
        self.counts.sent(bytes);
        Ok(Etag::parse(etag).to_string())
    }
}

fn stall_watchdog() -> StalledStreamProtectionConfig {
    let watchdog = StalledStreamProtectionConfig::enabled();
    watchdog.upload_enabled(true).download_enabled(false).grace_period(STALL_LIMIT).build()
}
