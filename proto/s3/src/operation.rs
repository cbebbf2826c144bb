//! The S3 operations used, and what to say of each.

/// One S3 operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    ListObjects,
    HeadObject,
    GetObject,
    GetAttributes,
    CreateUpload,
    UploadPart,
    CopyPart,
    CompleteUpload,
    AbortUpload,
    ListParts,
    ListUploads,
    PutObject,
    DeleteObject,
    HeadBucket,
}

impl Operation {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::HeadBucket as usize + 1;

    /// Whether its answers never have a body, which could tell why it failed.
    pub(crate) fn is_head(self) -> bool {
        matches!(self, Self::HeadObject | Self::HeadBucket)
    }

    /// S3's name for it.
    pub(crate) fn name(self) -> &'static str {
        self.wording().0
    }

    /// What it does, as it follows "cannot" in a sentence.
    pub(crate) fn verb(self) -> &'static str {
        self.wording().1
    }

    /// What the caller must be permitted to do (S3: "Required permissions for Amazon S3 API operations").
    pub(crate) fn permission(self) -> &'static str {
        self.wording().2
    }

    fn wording(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::ListObjects => ("ListObjectsV2", "list", "s3:ListBucket"),
            Self::HeadObject => ("HeadObject", "look up", "s3:GetObject"),
            Self::GetObject => ("GetObject", "read", "s3:GetObject"),
            Self::GetAttributes => {
                ("GetObjectAttributes", "ask for the checksums of", "s3:GetObject and s3:GetObjectAttributes")
            }
            Self::CreateUpload => ("CreateMultipartUpload", "begin the upload of", "s3:PutObject"),
            Self::UploadPart => ("UploadPart", "upload", "s3:PutObject"),
            Self::CopyPart => ("UploadPartCopy", "copy", "s3:GetObject of the source and s3:PutObject"),
            Self::CompleteUpload => ("CompleteMultipartUpload", "complete the upload of", "s3:PutObject"),
            Self::AbortUpload => ("AbortMultipartUpload", "abort the upload of", "s3:AbortMultipartUpload"),
            Self::ListParts => ("ListParts", "list the parts of", "s3:ListMultipartUploadParts"),
            Self::ListUploads => {
                ("ListMultipartUploads", "list the open uploads of", "s3:ListBucketMultipartUploads")
            }
            Self::PutObject => ("PutObject", "write", "s3:PutObject"),
            Self::DeleteObject => ("DeleteObject", "delete", "s3:DeleteObject"),
            Self::HeadBucket => ("HeadBucket", "look up", "s3:ListBucket"),
        }
    }
}
