//! Conformance of the door to S3: over the twin, and over servers that answer what no S3 should.

mod connecting;
mod connections;
mod copying;
mod hostile;
mod listing;
mod reading;
mod refusals;
mod small;
mod support;
mod uploading;
