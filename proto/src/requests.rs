//! Requests by kind, and what S3 charges for them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// US dollars for one PUT, COPY, POST or LIST request to S3 Standard in us-east-1
/// (<https://aws.amazon.com/s3/pricing/>, "Requests & data retrievals", 2026).
pub const WRITE_OR_LIST_USD: f64 = 0.005 / 1_000.0;
/// US dollars for one GET or HEAD request, same source.
pub const READ_USD: f64 = 0.0004 / 1_000.0;

/// Requests that S3 limits together: each bucket takes about 5,500 reads and 3,500 writes a second for each of
/// its prefixes at first (S3: "Performance design patterns").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestClass {
    /// GET, HEAD and LIST.
    Read,
    /// PUT, COPY, POST and DELETE.
    Write,
}

/// Requests of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sent {
    /// All that were sent, retries and those never answered included.
    pub sent: u64,
    /// Those of them that S3 refused with 503 or its like, asking to slow down.
    pub throttled: u64,
    /// Those of them that failed otherwise.
    pub failed: u64,
}

impl Sent {
    /// So many, all well.
    #[must_use]
    pub fn well(sent: u64) -> Self {
        Self { sent, throttled: 0, failed: 0 }
    }

    fn combined(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            sent: with(self.sent, other.sent),
            throttled: with(self.throttled, other.throttled),
            failed: with(self.failed, other.failed),
        }
    }
}

/// Requests of each kind, retries and failures included, and bytes moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RequestCounts {
    /// ListObjectsV2 requests.
    pub list: Sent,
    /// HeadObject and HeadBucket requests.
    pub head: Sent,
    /// GetObject requests.
    pub get: Sent,
    /// GetObjectAttributes requests.
    pub attributes: Sent,
    /// CreateMultipartUpload requests.
    pub create: Sent,
    /// UploadPart requests.
    pub upload_part: Sent,
    /// UploadPartCopy requests.
    pub copy: Sent,
    /// CompleteMultipartUpload requests.
    pub complete: Sent,
    /// AbortMultipartUpload requests, which are free.
    pub abort: Sent,
    /// ListParts and ListMultipartUploads requests.
    pub list_other: Sent,
    /// PutObject requests.
    pub put: Sent,
    /// DeleteObject requests, which are free.
    pub delete: Sent,
    /// Connections that requests went out on. The other requests used one that was open already.
    pub connections_opened: u64,
    /// Bytes of objects received.
    pub bytes_received: u64,
    /// Bytes of parts that S3 has confirmed.
    pub bytes_sent: u64,
    /// Bytes that S3 copied by itself.
    pub bytes_copied: u64,
}

impl RequestCounts {
    /// All requests, whatever their kind. Counts from elsewhere may be any numbers.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.kinds().into_iter().fold(0, |sum, (_, count)| sum.saturating_add(count.sent))
    }

    /// Each kind under S3's name for its operations.
    #[must_use]
    pub fn kinds(&self) -> [(&'static str, Sent); 12] {
        [
            ("ListObjectsV2", self.list),
            ("HeadObject", self.head),
            ("GetObject", self.get),
            ("GetObjectAttributes", self.attributes),
            ("CreateMultipartUpload", self.create),
            ("UploadPart", self.upload_part),
            ("UploadPartCopy", self.copy),
            ("CompleteMultipartUpload", self.complete),
            ("AbortMultipartUpload", self.abort),
            ("ListParts", self.list_other),
            ("PutObject", self.put),
            ("DeleteObject", self.delete),
        ]
    }

    /// All requests of a class.
    #[must_use]
    pub fn of_class(&self, class: RequestClass) -> u64 {
        let kinds: &[Sent] = match class {
            RequestClass::Read => &[self.list, self.head, self.get, self.attributes, self.list_other],
            RequestClass::Write => {
                &[self.create, self.upload_part, self.copy, self.complete, self.abort, self.put, self.delete]
            }
        };
        kinds.iter().fold(0, |sum, kind| sum.saturating_add(kind.sent))
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.combined(other, u64::saturating_add)
    }

    /// What was counted since `before`; a count that went back began anew, and counts whole.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        self.combined(before, |now, before| now.checked_sub(before).unwrap_or(now))
    }

    fn combined(&self, other: &Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let each = |one: Sent, other: Sent| one.combined(other, &with);
        Self {
            list: each(self.list, other.list),
            head: each(self.head, other.head),
            get: each(self.get, other.get),
            attributes: each(self.attributes, other.attributes),
            create: each(self.create, other.create),
            upload_part: each(self.upload_part, other.upload_part),
            copy: each(self.copy, other.copy),
            complete: each(self.complete, other.complete),
            abort: each(self.abort, other.abort),
            list_other: each(self.list_other, other.list_other),
            put: each(self.put, other.put),
            delete: each(self.delete, other.delete),
            connections_opened: with(self.connections_opened, other.connections_opened),
            bytes_received: with(self.bytes_received, other.bytes_received),
            bytes_sent: with(self.bytes_sent, other.bytes_sent),
            bytes_copied: with(self.bytes_copied, other.bytes_copied),
        }
    }

    /// What the requests cost at the prices of S3 Standard in us-east-1, in US dollars. Moving the bytes
    /// costs nothing within a region.
    #[must_use]
    pub fn price_usd(&self) -> f64 {
        let sum = |kinds: &[Sent]| kinds.iter().map(|kind| kind.sent as f64).sum::<f64>();
        let multipart = [self.create, self.upload_part, self.copy, self.complete];
        let others = [self.list, self.list_other, self.put];
        (sum(&multipart) + sum(&others)) * WRITE_OR_LIST_USD
            + sum(&[self.head, self.get, self.attributes]) * READ_USD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_begin_anew_count_whole() {
        let get = |sent| RequestCounts { get: Sent::well(sent), bytes_sent: sent, ..Default::default() };
        assert_eq!(get(7).since(&get(5)), get(2));
        assert_eq!(get(3).since(&get(5)), get(3));
        assert_eq!(get(3).plus(&get(5)), get(8));
    }

    #[test]
    fn the_price_of_fifteen_gigabytes() {
        let counts = RequestCounts {
            list: Sent::well(3),
            get: Sent::well(3_000),
            create: Sent::well(1),
            upload_part: Sent::well(900),
            complete: Sent::well(1),
            ..Default::default()
        };
        let dollars = 905.0 * 0.005 / 1_000.0 + 3_000.0 * 0.0004 / 1_000.0;
        assert!((counts.price_usd() - dollars).abs() < 1e-12);
        assert_eq!(
            RequestCounts { abort: Sent::well(7), delete: Sent::well(7), ..Default::default() }.price_usd(),
            0.0
        );
    }
}
