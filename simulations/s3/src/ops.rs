//! S3's operations as s3s calls them: each reads its input, asks the store, writes its output.

mod attributes;
mod body;
mod buckets;
mod convert;
mod copy;
mod delete;
mod ingest;
mod list;
mod list_uploads;
mod put;
mod read;
mod refuse;
mod upload;

use async_trait::async_trait;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

pub(crate) use body::{FRAME, next_data};
pub(crate) use copy::Copied;

use crate::twin::Twin;

/// The operations of a twin. Those it lacks are answered with 501 NotImplemented by s3s.
pub(crate) struct Operations(pub(crate) Twin);

macro_rules! operations {
    ($($method:ident($input:ident) -> $output:ident = $function:path;)*) => {
        #[async_trait]
        impl S3 for Operations {
            $(async fn $method(&self, req: S3Request<$input>) -> S3Result<S3Response<$output>> {
                $function(&self.0, req).await
            })*
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput = buckets::list;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = buckets::head;
    create_bucket(CreateBucketInput) -> CreateBucketOutput = buckets::create;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = list::objects;
    get_object(GetObjectInput) -> GetObjectOutput = read::get;
    head_object(HeadObjectInput) -> HeadObjectOutput = read::head;
    get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput = attributes::get;
    put_object(PutObjectInput) -> PutObjectOutput = put::object;
    copy_object(CopyObjectInput) -> CopyObjectOutput = copy::object;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = delete::one;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = delete::many;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput = upload::create;
    upload_part(UploadPartInput) -> UploadPartOutput = upload::part;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = copy::part;
    complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput = upload::complete;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = upload::abort;
    list_parts(ListPartsInput) -> ListPartsOutput = list_uploads::parts;
    list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput = list_uploads::uploads;
}
