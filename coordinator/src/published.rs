//! What S3 promises, and what was published of how long it takes: what planning and foretelling both go by.

/// Reads a second S3 promises for one prefix (S3: "Performance design patterns").
pub(crate) const READS_PER_S: f64 = 5_500.0;
/// Writes a second S3 promises for one prefix, same source.
pub(crate) const WRITES_PER_S: f64 = 3_500.0;
/// Seconds a copy takes beside its bytes, however many there are: the times published for objects of 1 to 10 GiB in
/// parts of 64 to 256 MiB leave 1.9 to 3.1 s, those for larger parts less (awslabs/aws-c-s3#288).
pub(crate) const COPY_LATENCY_S: f64 = 2.0;
/// Seconds for one of the requests by which a part is composed: no published figure, but those for other writes.
pub(crate) const COMPOSING_LATENCY_S: f64 = 0.2;
