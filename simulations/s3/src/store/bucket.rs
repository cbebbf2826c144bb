//! A bucket: its objects and its open uploads, and what happens to one when the other changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Attributes, Object, Refusal, Terms, Upload, WriteConditions};

/// A bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    created: SystemTime,
    pub(super) objects: BTreeMap<String, Arc<Object>>,
    /// By key, then by upload id, which is the order in which they are listed.
    pub(super) uploads: BTreeMap<(String, String), Upload>,
    uploads_created: u64,
}

impl Bucket {
    /// An empty bucket.
    pub(super) fn new(now: SystemTime) -> Self {
        Self { created: now, objects: BTreeMap::new(), uploads: BTreeMap::new(), uploads_created: 0 }
    }

    /// When it was created.
    pub(crate) fn created(&self) -> SystemTime {
        self.created
    }

    /// The object under a key.
    pub(crate) fn object(&self, key: &str) -> Result<Arc<Object>, Refusal> {
        self.objects.get(key).cloned().ok_or(Refusal::NoSuchKey)
    }

    /// All keys in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &String> {
        self.objects.keys()
    }

    /// Stores an object if the conditions hold.
    pub(crate) fn put(
        &mut self,
        key: &str,
        object: Object,
        conditions: &WriteConditions,
    ) -> Result<(), Refusal> {
        conditions.check(self.objects.get(key).map(Arc::as_ref))?;
        self.objects.insert(key.to_owned(), Arc::new(object));
        self.overtake(key);
        Ok(())
    }

    /// Deletes an object if the conditions hold. Without conditions there need not be one.
    pub(crate) fn delete(&mut self, key: &str, conditions: &WriteConditions) -> Result<(), Refusal> {
        conditions.check(self.objects.get(key).map(Arc::as_ref))?;
        if self.objects.remove(key).is_some() {
            self.overtake(key);
        }
        Ok(())
    }

    /// Begins an upload and returns its id. Ids ascend in the order of creation and are never used again.
    pub(crate) fn create_upload(
        &mut self,
        key: &str,
        terms: Terms,
        attributes: Attributes,
        now: SystemTime,
    ) -> String {
        self.uploads_created += 1;
        let id = format!("{:012}.{:016x}", self.uploads_created, crate::content::mix(self.uploads_created));
        self.uploads.insert((key.to_owned(), id.clone()), Upload::new(terms, attributes, now));
        id
    }

    /// An open upload to read.
    pub(crate) fn upload(&self, key: &str, id: &str) -> Result<&Upload, Refusal> {
        self.uploads.get(&(key.to_owned(), id.to_owned())).ok_or(Refusal::NoSuchUpload)
    }

    /// An open upload to change.
    pub(crate) fn upload_mut(&mut self, key: &str, id: &str) -> Result<&mut Upload, Refusal> {
        self.uploads.get_mut(&(key.to_owned(), id.to_owned())).ok_or(Refusal::NoSuchUpload)
    }

    /// All open uploads: key, id and upload, in order.
    pub(crate) fn uploads(&self) -> impl Iterator<Item = (&str, &str, &Upload)> {
        self.uploads.iter().map(|((key, id), upload)| (key.as_str(), id.as_str(), upload))
    }

    /// Ends an upload and forgets its parts.
    pub(crate) fn abort(&mut self, key: &str, id: &str) -> Result<(), Refusal> {
        self.uploads.remove(&(key.to_owned(), id.to_owned())).map(|_| ()).ok_or(Refusal::NoSuchUpload)
    }

    /// Marks the open uploads of a key that was written or deleted.
    pub(super) fn overtake(&mut self, key: &str) {
        let from = (key.to_owned(), String::new());
        let of_key = self.uploads.range_mut(from..).take_while(|((other, _), _)| other == key);
        of_key.for_each(|(_, upload)| upload.overtaken = true);
    }
}
