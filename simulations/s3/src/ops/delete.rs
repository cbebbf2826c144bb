//! DeleteObject and DeleteObjects.

use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result};

use super::convert::{refuse_version, wanted};
use crate::op::Op;
use crate::store::{PAGE, Refusal, Wanted, WriteConditions};
use crate::twin::Twin;

pub(super) async fn one(
    twin: &Twin,
    req: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let input = req.input;
    refuse_version(input.version_id.as_deref())?;
    if input.if_match_size.is_some() || input.if_match_last_modified_time.is_some() {
        return Err(Refusal::NotImplemented("x-amz-if-match-size, x-amz-if-match-last-modified-time").into());
    }
    let conditions =
        WriteConditions { if_match: input.if_match.as_ref().map(wanted), ..WriteConditions::default() };
    twin.store().bucket_mut(&input.bucket)?.delete(&input.key, &conditions)?;
    Ok(S3Response::new(DeleteObjectOutput::default()))
}

pub(super) async fn many(
    twin: &Twin,
    req: S3Request<DeleteObjectsInput>,
) -> S3Result<S3Response<DeleteObjectsOutput>> {
    let input = req.input;
    if input.delete.objects.is_empty() || input.delete.objects.len() > PAGE {
        return Err(Refusal::MalformedXml.into());
    }
    let mut output = DeleteObjectsOutput::default();
    let quiet = input.delete.quiet.unwrap_or(false);
    for object in input.delete.objects {
        let key = object.key.clone();
        match delete(twin, &input.bucket, object) {
            Ok(()) if quiet => {}
            Ok(()) => output
                .deleted
                .get_or_insert_default()
                .push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
            Err(error) => output.errors.get_or_insert_default().push(Error {
                code: Some(error.code().as_str().to_owned()),
                message: error.message().map(str::to_owned),
                key: Some(key),
                version_id: None,
            }),
        }
    }
    Ok(S3Response::new(output))
}

fn delete(twin: &Twin, bucket: &str, object: ObjectIdentifier) -> S3Result<()> {
    if twin.access().denies(Op::DeleteObject, bucket, &object.key) {
        return Err(S3Error::with_message(s3s::S3ErrorCode::AccessDenied, "Access Denied"));
    }
    refuse_version(object.version_id.as_deref())?;
    let if_match = object.e_tag.map(|etag| Wanted::Tag(etag.into_value()));
    let conditions = WriteConditions { if_match, ..WriteConditions::default() };
    Ok(twin.store().bucket_mut(bucket)?.delete(&object.key, &conditions)?)
}
