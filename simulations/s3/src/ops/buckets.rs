//! Buckets: ListBuckets, HeadBucket, CreateBucket.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::convert::now;
use crate::twin::Twin;

/// The one Region in which creating a bucket one has already is no error.
const FORGIVING: &str = "us-east-1";

pub(super) async fn list(
    twin: &Twin,
    _: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let store = twin.store();
    let buckets = store.buckets().map(|(name, bucket)| Bucket {
        name: Some(name.to_owned()),
        creation_date: Some(bucket.created().into()),
        bucket_region: Some(twin.region().to_owned()),
    });
    Ok(S3Response::new(ListBucketsOutput {
        buckets: Some(buckets.collect()),
        ..ListBucketsOutput::default()
    }))
}

pub(super) async fn head(
    twin: &Twin,
    req: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    twin.store().bucket(&req.input.bucket)?;
    let bucket_region = Some(twin.region().to_owned());
    Ok(S3Response::new(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }))
}

pub(super) async fn create(
    twin: &Twin,
    req: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let bucket = req.input.bucket;
    let new = twin.store().create_bucket(&bucket, now());
    if !new && twin.region() != FORGIVING {
        return Err(s3_error!(
            BucketAlreadyOwnedByYou,
            "Your previous request to create the named bucket succeeded and you already own it."
        ));
    }
    Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{bucket}")) }))
}
