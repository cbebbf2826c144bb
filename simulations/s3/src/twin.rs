//! The twin itself: a handle to all of its state.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::behaviour::access::{Access, Denial};
use crate::behaviour::fault::{Fault, Faults, Strike};
use crate::behaviour::model::{Model, Timing};
use crate::content::Rope;
use crate::op::{Op, Target};
use crate::store::{LONGEST_KEY, Store, WriteConditions};
use crate::views::{self, ObjectView, PartView, PutAttributes, UploadView};

/// What a twin is made with.
#[derive(Clone, Debug)]
pub struct TwinOptions {
    /// Access keys and their secrets.
    pub keys: Vec<(String, String)>,
    /// The Region of every bucket.
    pub region: String,
    /// Where the chance of faults begins.
    pub seed: u64,
    /// Whether UploadPartCopy answers with the checksum of the copied bytes, as S3 does and some servers do not.
    pub copy_returns_checksum: bool,
}

impl Default for TwinOptions {
    fn default() -> Self {
        Self {
            keys: vec![("zipfleet".to_owned(), "zipfleet-secret".to_owned())],
            region: "us-east-1".to_owned(),
            seed: 0,
            copy_returns_checksum: true,
        }
    }
}

/// An S3 in memory. Clones are handles to the same one.
#[derive(Clone)]
pub struct Twin(Arc<State>);

struct State {
    region: String,
    copy_returns_checksum: bool,
    store: Mutex<Store>,
    access: Mutex<Access>,
    traffic: Mutex<Traffic>,
}

/// What befalls requests, and how many there were.
struct Traffic {
    faults: Faults,
    model: Model,
    counts: BTreeMap<Op, u64>,
    arrived: u64,
}

impl Twin {
    /// A twin without buckets.
    #[must_use]
    pub fn new(options: TwinOptions) -> Self {
        let access = Access { secrets: options.keys.into_iter().collect(), ..Access::default() };
        let traffic = Traffic {
            faults: Faults::new(options.seed),
            model: Model::default(),
            counts: BTreeMap::new(),
            arrived: 0,
        };
        Self(Arc::new(State {
            region: options.region,
            copy_returns_checksum: options.copy_returns_checksum,
            store: Mutex::default(),
            access: Mutex::new(access),
            traffic: Mutex::new(traffic),
        }))
    }

    /// Makes a bucket, if there is none of that name.
    pub fn create_bucket(&self, name: &str) {
        self.store().create_bucket(name, whole_seconds(SystemTime::now()));
    }

    /// Puts an object as S3 would by default: see [`put_with`](Self::put_with).
    pub fn put(&self, bucket: &str, key: &str, content: Rope) {
        self.put_with(bucket, key, content, PutAttributes::default());
    }

    /// Puts an object, and makes the bucket if there is none. Real content gets its MD5 as ETag, synthetic
    /// content another digest.
    ///
    /// # Panics
    /// When the key is empty or longer than 1,024 bytes.
    pub fn put_with(&self, bucket: &str, key: &str, content: Rope, attributes: PutAttributes) {
        assert!((1..=LONGEST_KEY).contains(&key.len()), "a key of {} bytes", key.len());
        let now = SystemTime::now();
        let last_modified = whole_seconds(attributes.last_modified.unwrap_or(now));
        let object = views::object(content, attributes, last_modified);
        let mut store = self.store();
        store.create_bucket(bucket, whole_seconds(now));
        let put = store.bucket_mut(bucket).and_then(|b| b.put(key, object, &WriteConditions::default()));
        put.expect("the bucket was just made, and there are no conditions");
    }

    /// The object under a key, if there is one.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str) -> Option<ObjectView> {
        let object = self.store().bucket(bucket).and_then(|bucket| bucket.object(key)).ok()?;
        Some(object.as_ref().into())
    }

    /// Deletes an object, if there is one.
    pub fn delete(&self, bucket: &str, key: &str) {
        // Only that there is no such bucket can go wrong, and then there is nothing to delete.
        let _absent =
            self.store().bucket_mut(bucket).and_then(|b| b.delete(key, &WriteConditions::default()));
    }

    /// All keys of a bucket in the order of their UTF-8 bytes; none if there is no such bucket.
    #[must_use]
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.store().bucket(bucket).map(|bucket| bucket.keys().cloned().collect()).unwrap_or_default()
    }

    /// The open multipart uploads of all buckets.
    #[must_use]
    pub fn uploads(&self) -> Vec<UploadView> {
        let store = self.store();
        let uploads = store.buckets().flat_map(|(name, bucket)| bucket.uploads().map(move |u| (name, u)));
        let view = |(bucket, (key, id, upload)): (&str, (&str, &str, &crate::store::Upload))| UploadView {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            upload_id: id.to_owned(),
            parts: upload
                .parts
                .iter()
                .map(|(number, part)| PartView {
                    number: *number,
                    size: part.content.len(),
                    etag: part.etag.clone(),
                })
                .collect(),
        };
        uploads.map(view).collect()
    }

    /// How many requests for each operation arrived, answered or not, since the start or the last reset.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.traffic().counts.iter().map(|(op, count)| (op.name().to_owned(), *count)).collect()
    }

    /// Counts requests from 0 again.
    pub fn reset_requests(&self) {
        self.traffic().counts.clear();
    }

    /// The faults in force, in the order they are tried.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.traffic().faults.list()
    }

    /// Adds a fault after those in force. At most one strikes a request.
    pub fn add_fault(&self, fault: Fault) {
        self.traffic().faults.add(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.traffic().faults.clear();
    }

    /// Sets how long answers take from now on.
    pub fn set_model(&self, model: Model) {
        self.traffic().model = model;
    }

    /// Refuses requests from now on.
    pub fn deny(&self, denial: Denial) {
        self.access().denials.push(denial);
    }

    /// Allows again all that was denied.
    pub fn clear_denials(&self) {
        self.access().denials.clear();
    }

    /// Makes an access key one whose time is over.
    pub fn expire_key(&self, access_key: &str) {
        self.access().expired.insert(access_key.to_owned());
    }

    /// Notes a request, and says its number, what befalls it and how long it takes.
    pub(crate) fn arrived(&self, target: &Target) -> (u64, Option<Strike>, Timing) {
        let mut traffic = self.traffic();
        traffic.arrived += 1;
        *traffic.counts.entry(target.op).or_default() += 1;
        (traffic.arrived, traffic.faults.strike(target), traffic.model.timing(target.op))
    }

    /// The Region of every bucket.
    pub(crate) fn region(&self) -> &str {
        &self.0.region
    }

    /// Whether UploadPartCopy answers with a checksum.
    pub(crate) fn copy_returns_checksum(&self) -> bool {
        self.0.copy_returns_checksum
    }

    /// The store, for one call: nothing waits while it is held.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys and denials, for one question.
    pub(crate) fn access(&self) -> MutexGuard<'_, Access> {
        self.0.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.0.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time as S3 keeps it: in whole seconds.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
