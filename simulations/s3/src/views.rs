//! What the twin's owner puts in and sees of its state, past the wire.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::content::{Algorithm, Checksum, ChecksumKind, Rope, etag};
use crate::store::{Attributes, Object, ObjectPart};

/// How an object is put other than S3 would by default.
#[derive(Clone, Debug, Default)]
pub struct PutAttributes {
    /// The checksum that is stored with it.
    pub checksum: StoredChecksum,
    /// When it was last modified, kept in whole seconds; `None` is now.
    pub last_modified: Option<SystemTime>,
    /// The Content-Type.
    pub content_type: Option<String>,
    /// What its writer noted, without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
}

/// The checksum stored with an object that is put past the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoredChecksum {
    /// None, as with objects from before 2025.
    None,
    /// A CRC64NVME, as S3 stores by itself.
    #[default]
    Crc64Nvme,
    /// A CRC32 of the whole object, as the SDKs store.
    Crc32,
    /// A CRC32 of the CRC32s of parts, as multipart uploads of the SDKs store. The sizes are in bytes; what they
    /// leave over is the last part, and what they have too many is ignored.
    Crc32Composite {
        /// The sizes of the parts.
        part_sizes: Vec<u64>,
    },
}

/// An object as it is stored.
#[derive(Clone, Debug)]
pub struct ObjectView {
    /// In bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    /// The checksum stored with it.
    pub checksum: Option<Checksum>,
    /// The Content-Type its writer gave.
    pub content_type: Option<String>,
    /// What its writer noted, without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// In whole seconds.
    pub last_modified: SystemTime,
    /// Its bytes.
    pub content: Rope,
}

/// An open multipart upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadView {
    /// The bucket.
    pub bucket: String,
    /// The key it is to be completed under.
    pub key: String,
    /// Its id.
    pub upload_id: String,
    /// The parts uploaded so far, by number.
    pub parts: Vec<PartView>,
}

/// A part of an open multipart upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartView {
    /// From 1 to 10,000.
    pub number: i32,
    /// In bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
}

impl From<&Object> for ObjectView {
    fn from(object: &Object) -> Self {
        Self {
            size: object.size(),
            etag: object.etag.clone(),
            checksum: object.checksum.clone(),
            content_type: object.attributes.content_type.clone(),
            metadata: object.attributes.metadata.clone(),
            last_modified: object.last_modified,
            content: object.content.clone(),
        }
    }
}

/// Makes the object that [`PutAttributes`] describe.
pub(crate) fn object(content: Rope, attributes: PutAttributes, last_modified: SystemTime) -> Object {
    let (checksum, parts) = match attributes.checksum {
        StoredChecksum::None => (None, Vec::new()),
        StoredChecksum::Crc64Nvme => (Some(Checksum::full(Algorithm::Crc64Nvme, &content)), Vec::new()),
        StoredChecksum::Crc32 => (Some(Checksum::full(Algorithm::Crc32, &content)), Vec::new()),
        StoredChecksum::Crc32Composite { part_sizes } => composite(&content, &part_sizes),
    };
    // The MD5 of synthetic content would cost as much as the content is long.
    let etag = match parts.is_empty() {
        true if content.resident() == content.len() => etag::hex(u128::from_be_bytes(etag::md5(&content))),
        true => etag::of_content(&content),
        false => etag::of_parts(parts.iter().filter_map(|part| part.checksum.as_deref())),
    };
    Object {
        content,
        etag,
        last_modified,
        checksum,
        parts,
        attributes: Attributes {
            content_type: attributes.content_type,
            metadata: attributes.metadata,
            ..Attributes::default()
        },
    }
}

fn composite(content: &Rope, sizes: &[u64]) -> (Option<Checksum>, Vec<ObjectPart>) {
    let mut parts = Vec::new();
    let mut at = 0;
    // The last part takes what is left, however much the sizes say.
    for (number, size) in (1..).zip(sizes.iter().copied().chain([u64::MAX])) {
        let size = size.min(content.len() - at);
        if size > 0 {
            let checksum = Some(Algorithm::Crc32.of(&content.slice(at..at + size)));
            parts.push(ObjectPart { number, size, checksum });
        }
        at += size;
    }
    let sums: Vec<(&str, u64)> =
        parts.iter().filter_map(|part| Some((part.checksum.as_deref()?, part.size))).collect();
    let kind = ChecksumKind::Composite;
    let value = Algorithm::Crc32.of_parts(kind, &sums);
    (value.map(|value| Checksum { algorithm: Algorithm::Crc32, kind, value }), parts)
}
