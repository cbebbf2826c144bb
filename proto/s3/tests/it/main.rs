//! Conformance of the door to S3: over the twin, and over servers that answer what no S3 should.

mod connecting;
mod hostile;
mod listing;
mod reading;
mod refusals;
mod support;
mod uploading;
