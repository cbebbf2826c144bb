//! Sorts what S3 answers by what can be done about it.
//!
//! The error code decides where there is one ("List of error codes" in the S3 API reference, plus those
//! other servers are known to send); the HTTP status decides the rest.

use proto::failure::S3ErrorKind::{self, *};

use crate::operation::Operation;

/// What S3 said when it refused a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refusal<'a> {
    /// HTTP status.
    pub(crate) status: u16,
    /// S3's error code; HEAD has none, for want of a body.
    pub(crate) code: Option<&'a str>,
    /// S3's sentence.
    pub(crate) message: Option<&'a str>,
    /// The bucket's region, where it is another than the one asked.
    pub(crate) other_region: Option<&'a str>,
    /// S3's name for the request.
    pub(crate) request_id: Option<&'a str>,
}

/// The kind of error that `refusal` of `operation` is.
pub(crate) fn classify(operation: Operation, refusal: &Refusal<'_>) -> S3ErrorKind {
    // HEAD has no body that could name the reason, so a 400 with another region is taken for that.
    if refusal.other_region.is_some() && matches!(refusal.status, 300..=400) {
        return WrongRegion;
    }
    refusal
        .code
        .and_then(|code| by_code(operation, code, refusal))
        .unwrap_or_else(|| by_status(operation, refusal.status))
}

fn by_code(operation: Operation, code: &str, refusal: &Refusal<'_>) -> Option<S3ErrorKind> {
    Some(match code {
        "SlowDown" | "ServiceUnavailable" | "RequestLimitExceeded" | "BandwidthLimitExceeded" => Throttled,
        // MinIO tells reads and writes apart.
        "SlowDownRead" | "SlowDownWrite" | "TooManyRequests" | "TooManyRequestsException" => Throttled,
        _ if code.starts_with("Throttl") || code.starts_with("RequestThrottled") => Throttled,

        "InternalError" | "RequestTimeout" | "IncompleteBody" | "OperationAborted" => Transient,

        "NoSuchBucket" | "NoSuchAccessPoint" => NoSuchBucket,
        "NoSuchKey" | "NoSuchVersion" => NoSuchKey,
        "NoSuchUpload" => NoSuchUpload,

        "AccessDenied" | "AccountProblem" | "AllAccessDisabled" | "UnauthorizedAccess" => Denied,
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidSecurity" | "NotSignedUp" => Denied,
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "RequestTimeTooSkewed" => Denied,

        "PreconditionFailed" => PreconditionFailed,
        // It reaches further than its size was said to be.
        "InvalidRange" => PreconditionFailed,
        // The same of a copy.
        "InvalidArgument"
            if operation == Operation::CopyPart
                && refusal.message.is_some_and(|text| text.contains("not valid for source object")) =>
        {
            PreconditionFailed
        }
        "ConditionalRequestConflict" => Conflict,

        // A body was damaged on the way, so sending it again may succeed; of a completed upload the
        // parts themselves are wrong.
        "BadDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch" => {
            if matches!(operation, Operation::UploadPart | Operation::PutObject) {
                Transient
            } else {
                Mismatch
            }
        }
        "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" => Mismatch,
        "InvalidRequest" if refusal.message.is_some_and(|text| text.contains("x-amz-mp-object-size")) => {
            Mismatch
        }

        "PermanentRedirect" | "TemporaryRedirect" | "Redirect" | "IncorrectRegion" => WrongRegion,
        "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => WrongRegion,

        // Their statuses would have them taken for refused credentials and for a passing failure.
        "InvalidObjectState" | "NotImplemented" => Refused,
        _ => return None,
    })
}

fn by_status(operation: Operation, status: u16) -> S3ErrorKind {
    match status {
        // An error inside a 200: the answer began before S3 knew that it would fail.
        200..=299 => Transient,
        300..=399 => WrongRegion,
        401 | 403 => Denied,
        // An answer to HEAD has no body to say why; expired credentials are the usual reason.
        400 if operation.is_head() => Denied,
        404 if operation == Operation::HeadBucket => NoSuchBucket,
        404 if matches!(operation, Operation::HeadObject | Operation::GetObject) => NoSuchKey,
        408 => Transient,
        412 => PreconditionFailed,
        429 | 503 => Throttled,
        501 => Refused,
        500..=599 => Transient,
        _ => Refused,
    }
}

/// What a refusal of `kind` means, as it follows "cannot read s3://bucket/key:", and what to do.
pub(crate) fn reason(
    operation: Operation,
    kind: S3ErrorKind,
    refusal: &Refusal<'_>,
    bucket: &str,
    region: &str,
) -> String {
    match kind {
        Throttled => "S3 asks to slow down".to_owned(),
        Transient => "S3 failed".to_owned(),
        NoSuchBucket => format!("bucket `{bucket}` does not exist"),
        NoSuchKey if operation == Operation::HeadObject => "no such object, or no such bucket".to_owned(),
        NoSuchKey => "no such object".to_owned(),
        NoSuchUpload => "the upload no longer exists: it was completed or aborted".to_owned(),
        Denied if operation.is_head() && refusal.status == 400 => {
            "S3 refuses without a reason, usually because the credentials have expired".to_owned()
        }
        Denied => denied(operation, refusal.code),
        PreconditionFailed if operation == Operation::CompleteUpload => {
            "there is an object at the destination already".to_owned()
        }
        PreconditionFailed => "the object has changed since it was listed".to_owned(),
        Conflict => {
            "the destination was written or deleted while the upload was open; start again".to_owned()
        }
        Mismatch => "S3 holds other bytes than were meant".to_owned(),
        WrongRegion => match refusal.other_region {
            Some(other) => {
                format!("the bucket is in region {other}, not {region}; set the region to {other}")
            }
            None => format!(
                "the bucket is not in region {region} or not at this endpoint; set the region it is in"
            ),
        },
        Refused if refusal.code == Some("InvalidObjectState") => {
            "the object is archived (Glacier); restore it first".to_owned()
        }
        Refused if refusal.status == 404 => "not found; is this the endpoint of an S3 server?".to_owned(),
        Refused => "S3 refuses the request".to_owned(),
    }
}

fn denied(operation: Operation, code: Option<&str>) -> String {
    match code {
        Some("ExpiredToken" | "TokenRefreshRequired") => {
            "the session token has expired; renew the credentials".to_owned()
        }
        Some("InvalidToken") => "the session token is not valid; check the credentials".to_owned(),
        Some("InvalidAccessKeyId") => {
            "the access key is unknown; check the credentials and the endpoint".to_owned()
        }
        Some("SignatureDoesNotMatch") => "the secret access key is wrong; check the credentials".to_owned(),
        Some("RequestTimeTooSkewed") => "this machine's clock is wrong; set it".to_owned(),
        _ => {
            let permission = operation.permission();
            // Whether an object exists is told only to those who may list the bucket.
            let hint = if permission == "s3:GetObject" {
                ", and kms:Decrypt if it is encrypted with KMS; without s3:ListBucket a missing object looks the same"
            } else {
                ""
            };
            format!("access denied; the caller needs {permission}{hint}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(operation: Operation, status: u16, code: &str) -> S3ErrorKind {
        let code = (!code.is_empty()).then_some(code);
        classify(operation, &Refusal { status, code, ..Refusal::default() })
    }

    #[test]
    fn codes_decide_before_statuses() {
        use Operation::{CompleteUpload, GetObject, ListObjects, UploadPart};
        for (operation, status, code, expected) in [
            (GetObject, 503, "SlowDown", Throttled),
            (GetObject, 503, "ServiceUnavailable", Throttled),
            (GetObject, 400, "ThrottlingException", Throttled),
            (GetObject, 400, "RequestLimitExceeded", Throttled),
            (GetObject, 500, "InternalError", Transient),
            (UploadPart, 400, "RequestTimeout", Transient),
            (CompleteUpload, 200, "InternalError", Transient),
            (CompleteUpload, 200, "InvalidPart", Mismatch),
            (CompleteUpload, 200, "SlowDown", Throttled),
            (CompleteUpload, 409, "OperationAborted", Transient),
            (CompleteUpload, 409, "ConditionalRequestConflict", Conflict),
            (CompleteUpload, 412, "PreconditionFailed", PreconditionFailed),
            (CompleteUpload, 404, "NoSuchUpload", NoSuchUpload),
            (CompleteUpload, 400, "BadDigest", Mismatch),
            (CompleteUpload, 400, "InvalidPartOrder", Mismatch),
            (CompleteUpload, 400, "EntityTooSmall", Mismatch),
            (UploadPart, 400, "BadDigest", Transient),
            (UploadPart, 400, "XAmzContentChecksumMismatch", Transient),
            (ListObjects, 404, "NoSuchBucket", NoSuchBucket),
            (GetObject, 404, "NoSuchKey", NoSuchKey),
            (GetObject, 403, "AccessDenied", Denied),
            (GetObject, 403, "InvalidAccessKeyId", Denied),
            (GetObject, 403, "SignatureDoesNotMatch", Denied),
            (GetObject, 400, "ExpiredToken", Denied),
            (GetObject, 400, "InvalidToken", Denied),
            (GetObject, 403, "RequestTimeTooSkewed", Denied),
            (GetObject, 403, "InvalidObjectState", Refused),
            (GetObject, 301, "PermanentRedirect", WrongRegion),
            (GetObject, 400, "AuthorizationHeaderMalformed", WrongRegion),
            (GetObject, 416, "InvalidRange", PreconditionFailed),
            (GetObject, 501, "NotImplemented", Refused),
            (GetObject, 400, "SomethingNew", Refused),
            (GetObject, 500, "SomethingNew", Transient),
        ] {
            assert_eq!(kind(operation, status, code), expected, "{code}");
        }
    }

    #[test]
    fn a_wrong_size_at_completion_is_a_mismatch() {
        let message =
            Some("The provided 'x-amz-mp-object-size' header value 5 does not match what was computed: 6");
        let refusal = Refusal { status: 400, code: Some("InvalidRequest"), message, ..Refusal::default() };
        assert_eq!(classify(Operation::CompleteUpload, &refusal), Mismatch);
        assert_eq!(kind(Operation::CompleteUpload, 400, "InvalidRequest"), Refused);
    }

    #[test]
    fn a_copy_beyond_the_end_is_of_an_object_that_changed() {
        let message = Some("Range specified is not valid for source object of size: 5");
        let refusal = Refusal { status: 400, code: Some("InvalidArgument"), message, ..Refusal::default() };
        assert_eq!(classify(Operation::CopyPart, &refusal), PreconditionFailed);
        assert_eq!(classify(Operation::UploadPart, &refusal), Refused);
    }

    #[test]
    fn statuses_decide_where_no_code_is() {
        for (status, expected) in [
            (200, Transient),
            (301, WrongRegion),
            (307, WrongRegion),
            (400, Denied),
            (403, Denied),
            (404, NoSuchKey),
            (408, Transient),
            (412, PreconditionFailed),
            (429, Throttled),
            (500, Transient),
            (501, Refused),
            (503, Throttled),
            (504, Transient),
        ] {
            assert_eq!(kind(Operation::HeadObject, status, ""), expected, "{status}");
        }
        assert_eq!(kind(Operation::HeadObject, 404, "NotFound"), NoSuchKey);
        assert_eq!(kind(Operation::ListObjects, 404, ""), Refused);
        assert_eq!(kind(Operation::GetObject, 400, ""), Refused);
    }

    #[test]
    fn the_right_region_is_named() {
        let refusal = Refusal { status: 400, other_region: Some("eu-west-1"), ..Refusal::default() };
        assert_eq!(classify(Operation::HeadObject, &refusal), WrongRegion);
        let reason = reason(Operation::HeadObject, WrongRegion, &refusal, "b", "us-east-1");
        assert_eq!(reason, "the bucket is in region eu-west-1, not us-east-1; set the region to eu-west-1");
        let denied = Refusal { status: 403, ..refusal };
        assert_eq!(classify(Operation::HeadObject, &denied), Denied);
    }
}
