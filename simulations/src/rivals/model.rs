//! What a rival's plan takes, and how its time is predicted.
//!
//! The model is kind to rivals: no processor time, no start-up unless published, no retries.

use proto::requests::{RequestCounts, Sent};

use super::population::Population;

/// Seconds of a GET or HEAD, and of any other request, beside the bytes: as in our own estimate.
const READ_S: f64 = 0.03;
const WRITE_S: f64 = 0.1;
/// Bytes a second that S3 copies for one request (awslabs/aws-c-s3#288).
const COPY_BYTES_PER_S: f64 = 78e6;
/// Seconds for a page of a listing.
const LIST_PAGE_S: f64 = 0.1;
/// Seconds to complete an upload (figment-chain's published figure).
const COMPLETE_S: f64 = 0.5;
/// Requests a second that S3 promises for one prefix.
const READS_PER_S: f64 = 5_500.0;
const WRITES_PER_S: f64 = 3_500.0;
/// Bytes a second through one Lambda each way: jrodon v1 took 15.7 GB through it in 211 s.
pub(super) const LAMBDA_BYTES_PER_S: f64 = 75e6;
/// US dollars for a gigabyte-second of Lambda on arm64.
const LAMBDA_USD_PER_GB_S: f64 = 0.000_013_333_4;
/// Seconds after which a Lambda is ended.
const LAMBDA_S_MAX: f64 = 900.0;
/// What an entry takes in an archive beside its data, and again in the directory, in bytes: about.
pub(super) const HEADER_BYTES: u64 = 100;

/// What making one archive takes.
pub(super) struct Takes {
    pub(super) requests: RequestCounts,
    /// US dollars for machines, where their size was published.
    pub(super) machines_usd: Option<f64>,
    pub(super) seconds: f64,
    pub(super) remarks: Vec<String>,
}

/// What it takes, or why there is no archive in the end.
pub(super) type Outcome = Result<Takes, String>;

impl Takes {
    /// What `requests` take in so many seconds of work, listing before and completing after it not counted.
    pub(super) fn new(requests: RequestCounts, work_s: f64) -> Self {
        let seconds = requests.list.sent as f64 * LIST_PAGE_S + work_s + COMPLETE_S;
        Self { requests, machines_usd: None, seconds, remarks: Vec::new() }
    }

    /// The same in one Lambda with so many megabytes of memory.
    pub(super) fn in_lambda(mut self, memory_mb: f64) -> Self {
        self.machines_usd = Some(lambda_usd(memory_mb, self.seconds));
        if self.seconds > LAMBDA_S_MAX {
            self = self.remark("longer than the 900 s of a Lambda");
        }
        self
    }

    pub(super) fn remark(mut self, remark: &str) -> Self {
        self.remarks.push(remark.to_owned());
        self
    }
}

/// What so many seconds of a Lambda with so many megabytes of memory cost, in US dollars.
pub(super) fn lambda_usd(memory_mb: f64, seconds: f64) -> f64 {
    memory_mb / 1_024.0 * seconds * LAMBDA_USD_PER_GB_S
}

/// One archive uploaded in so many streamed and copied parts, after listing the objects.
pub(super) fn one_upload(
    population: &Population,
    streamed: u64,
    copied: u64,
) -> Result<RequestCounts, String> {
    if streamed + copied > 10_000 {
        return Err("fails: more than 10,000 parts".to_owned());
    }
    Ok(RequestCounts {
        list: Sent::well(population.pages()),
        create: Sent::well(1),
        upload_part: Sent::well(streamed),
        copy: Sent::well(copied),
        complete: Sent::well(1),
        ..RequestCounts::default()
    })
}

/// GETs and HEADs.
pub(super) fn reads(requests: &RequestCounts) -> u64 {
    requests.get.sent + requests.head.sent
}

/// What is neither GET, HEAD nor LIST.
pub(super) fn writes(requests: &RequestCounts) -> u64 {
    let RequestCounts { create, upload_part, copy, complete, put, .. } = requests;
    [create, upload_part, copy, complete, put].iter().map(|kind| kind.sent).sum()
}

/// Seconds that requests take one after the other, S3's copying included.
pub(super) fn in_turn_s(requests: &RequestCounts) -> f64 {
    reads(requests) as f64 * READ_S
        + writes(requests) as f64 * WRITE_S
        + requests.bytes_copied as f64 / COPY_BYTES_PER_S
}

/// Seconds that requests take, so many at a time, and no faster than S3 promises.
pub(super) fn requests_s(requests: &RequestCounts, at_once: f64) -> f64 {
    let promised_s = (reads(requests) as f64 / READS_PER_S).max(writes(requests) as f64 / WRITES_PER_S);
    (in_turn_s(requests) / at_once.max(1.0)).max(promised_s)
}
