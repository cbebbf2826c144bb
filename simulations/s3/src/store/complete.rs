//! The rules of CompleteMultipartUpload.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Bucket, Object, ObjectPart, Part, Refusal, SMALLEST_PART, Terms, Upload, WriteConditions};
use crate::content::{Algorithm, Checksum, ChecksumKind, Rope, etag};

/// What a request to complete an upload says.
#[derive(Debug, Default)]
pub(crate) struct Completion {
    pub(crate) parts: Vec<ClaimedPart>,
    /// The checksum of the object, in base64.
    pub(crate) checksum: Option<(Algorithm, String)>,
    pub(crate) kind: Option<ChecksumKind>,
    /// The size of the object in bytes.
    pub(crate) size: Option<u64>,
    pub(crate) conditions: WriteConditions,
}

/// A part the object is to be made of.
#[derive(Debug)]
pub(crate) struct ClaimedPart {
    pub(crate) number: i32,
    /// Without quotes.
    pub(crate) etag: String,
    /// In base64.
    pub(crate) checksum: Option<(Algorithm, String)>,
}

impl Bucket {
    /// Makes an object of an upload's parts and ends the upload. When refused, the upload stays as it was.
    pub(crate) fn complete(
        &mut self,
        key: &str,
        id: &str,
        completion: &Completion,
        now: SystemTime,
    ) -> Result<Arc<Object>, Refusal> {
        let upload = self.upload(key, id)?;
        let parts = completion.find(upload)?;
        let checksum = completion.verify(upload.terms, &parts)?;
        completion.conditions.check_completion(self.objects.get(key).map(Arc::as_ref), upload.overtaken)?;
        let object = Arc::new(Object {
            content: Rope::concat(parts.iter().map(|(_, part)| &part.content)),
            etag: etag::of_parts(parts.iter().map(|(_, part)| part.etag.as_str())),
            last_modified: now,
            parts: object_parts(upload.terms, &parts),
            checksum: Some(checksum),
            attributes: upload.attributes.clone(),
        });
        self.abort(key, id)?;
        self.objects.insert(key.to_owned(), object.clone());
        self.overtake(key);
        Ok(object)
    }
}

fn object_parts(terms: Terms, parts: &[(i32, &Part)]) -> Vec<ObjectPart> {
    let kept = terms.kind == ChecksumKind::Composite;
    let part = |(number, part): &(i32, &Part)| ObjectPart {
        number: *number,
        size: part.content.len(),
        checksum: kept.then(|| part.checksum.clone()),
    };
    parts.iter().map(part).collect()
}

impl Completion {
    /// The parts claimed, if they are there, in order and large enough.
    fn find<'a>(&self, upload: &'a Upload) -> Result<Vec<(i32, &'a Part)>, Refusal> {
        if self.parts.is_empty() {
            return Err(Refusal::MalformedXml);
        }
        let ascending = self.parts.is_sorted_by(|a, b| a.number < b.number);
        let numbers = self.parts.iter().map(|part| part.number);
        let gapless = || numbers.zip(1..).all(|(number, expected)| number == expected);
        if !ascending || (upload.terms.consecutive() && !gapless()) {
            return Err(Refusal::InvalidPartOrder);
        }
        let parts: Result<Vec<_>, _> = self.parts.iter().map(|claimed| claimed.find(upload)).collect();
        let parts = parts?;
        let (_, but_last) = parts.split_last().expect("there is a part");
        if but_last.iter().any(|(_, part)| part.content.len() < SMALLEST_PART) {
            return Err(Refusal::EntityTooSmall);
        }
        Ok(parts)
    }

    /// The object's checksum, if what the request says of the object is true.
    fn verify(&self, terms: Terms, parts: &[(i32, &Part)]) -> Result<Checksum, Refusal> {
        let actual = parts.iter().map(|(_, part)| part.content.len()).sum();
        if let Some(claimed) = self.size
            && claimed != actual
        {
            return Err(Refusal::SizeMismatch { claimed, actual });
        }
        if self.kind.is_some_and(|kind| kind != terms.kind) {
            return Err(Refusal::OtherKind(terms.kind));
        }
        let sums: Vec<(&str, u64)> =
            parts.iter().map(|(_, part)| (part.checksum.as_str(), part.content.len())).collect();
        let value =
            terms.algorithm.of_parts(terms.kind, &sums).expect("the terms allow no SHA of whole objects");
        if let Some((algorithm, claimed)) = &self.checksum {
            // S3 refuses even the right checksum of a whole object when the request does not say that it is one.
            let stated = terms.kind == ChecksumKind::Composite || self.kind.is_some();
            if *algorithm != terms.algorithm || *claimed != value || !stated {
                return Err(Refusal::BadChecksum(*algorithm));
            }
        }
        Ok(Checksum { algorithm: terms.algorithm, kind: terms.kind, value })
    }
}

impl ClaimedPart {
    fn find<'a>(&self, upload: &'a Upload) -> Result<(i32, &'a Part), Refusal> {
        let terms = upload.terms;
        let part = upload.parts.get(&self.number).ok_or(Refusal::InvalidPart)?;
        let checksum_differs = match &self.checksum {
            Some((algorithm, value)) => {
                terms.declared && (*algorithm != terms.algorithm || *value != part.checksum)
            }
            None if terms.kind == ChecksumKind::Composite => {
                return Err(Refusal::PartWithoutChecksum { algorithm: terms.algorithm, number: self.number });
            }
            None => false,
        };
        if part.etag != self.etag || checksum_differs {
            return Err(Refusal::InvalidPart);
        }
        Ok((self.number, part))
    }
}
