//! The only door to S3
