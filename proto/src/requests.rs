//! Requests by kind, and what S3 charges for them.

use serde::{Deserialize, Serialize};

/// US dollars for one PUT, COPY, POST or LIST request to S3 Standard in us-east-1
/// (<https://aws.amazon.com/s3/pricing/>, "Requests & data retrievals", 2026).
const WRITE_OR_LIST_USD: f64 = 0.005 / 1_000.0;
/// US dollars for one GET or HEAD request, same source.
const READ_USD: f64 = 0.0004 / 1_000.0;

/// Requests that S3 limits together: each bucket takes about 5,500 reads and 3,500 writes a second for each of
/// its prefixes at first (S3: "Performance design patterns").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RequestClass {
    /// GET, HEAD and LIST.
    Read,
    /// PUT, COPY, POST and DELETE.
    Write,
}

/// Requests of each kind, retries and failures included, and bytes moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// ListObjectsV2 requests.
    pub list: u64,
    /// HeadObject and HeadBucket requests.
    pub head: u64,
    /// GetObject requests.
    pub get: u64,
    /// CreateMultipartUpload requests.
    pub create: u64,
    /// UploadPart requests.
    pub upload_part: u64,
    /// CompleteMultipartUpload requests.
    pub complete: u64,
    /// AbortMultipartUpload requests, which are free.
    pub abort: u64,
    /// ListParts and ListMultipartUploads requests.
    pub list_other: u64,
    /// PutObject requests.
    pub put: u64,
    /// DeleteObject requests, which are free.
    pub delete: u64,
    /// Connections that requests went out on. The other requests used one that was open already.
    pub connections_opened: u64,
    /// Bytes of objects received.
    pub bytes_received: u64,
    /// Bytes of parts that S3 has confirmed.
    pub bytes_sent: u64,
}

impl RequestCounts {
    /// All requests, whatever their kind. Counts from elsewhere may be any numbers.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self { list, head, get, create, upload_part, complete, abort, list_other, put, delete, .. } =
            self;
        let all = [list, head, get, create, upload_part, complete, abort, list_other, put, delete];
        all.into_iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// What the requests cost at the prices of S3 Standard in us-east-1, in US dollars. Moving the bytes
    /// costs nothing within a region.
    #[must_use]
    pub fn price_usd(&self) -> f64 {
        let multipart = self.create + self.upload_part + self.complete;
        let write_or_list = self.list + self.list_other + multipart + self.put;
        write_or_list as f64 * WRITE_OR_LIST_USD + (self.head + self.get) as f64 * READ_USD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_of_fifteen_gigabytes() {
        let counts = RequestCounts {
            list: 3,
            get: 3_000,
            create: 1,
            upload_part: 900,
            complete: 1,
            ..Default::default()
        };
        let dollars = 905.0 * 0.005 / 1_000.0 + 3_000.0 * 0.0004 / 1_000.0;
        assert!((counts.price_usd() - dollars).abs() < 1e-12);
        assert_eq!(RequestCounts { abort: 7, delete: 7, ..Default::default() }.price_usd(), 0.0);
    }
}
