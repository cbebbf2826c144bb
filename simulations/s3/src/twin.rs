//! The twin itself: a handle to all of its state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::behaviour::access::{Access, Denial};
use crate::behaviour::fault::{Fault, FaultKind, Faults, Strike};
use crate::behaviour::model::{Model, Timing};
use crate::behaviour::rates::Rates;
use crate::behaviour::throttle::{Client, Throttles};
use crate::content::{Rope, etag, mix};
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
    /// Whether each upload of a part has an ETag of its own, even of the same bytes, as in a bucket encrypted
    /// with SSE-KMS.
    pub kms_etags: bool,
}

impl Default for TwinOptions {
    fn default() -> Self {
        Self {
            keys: vec![("zipfleet".to_owned(), "zipfleet-secret".to_owned())],
            region: "us-east-1".to_owned(),
            seed: 0,
            copy_returns_checksum: true,
            kms_etags: false,
        }
    }
}

/// An S3 in memory. Clones are handles to the same one.
#[derive(Clone)]
pub struct Twin(Arc<State>);

struct State {
    region: String,
    copy_returns_checksum: bool,
    kms_etags: bool,
    etags: AtomicU64,
    store: Mutex<Store>,
    access: Mutex<Access>,
    throttles: Mutex<Throttles>,
    traffic: Mutex<Traffic>,
}

/// What befalls requests, and how many there were.
struct Traffic {
    faults: Faults,
    model: Model,
    rates: Rates,
    counts: BTreeMap<Op, u64>,
    connections: u64,
    arrived: u64,
}

/// A request that has arrived, and what is to become of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Counted from 1.
    pub(crate) number: u64,
    /// What befalls it.
    pub(crate) strike: Option<Strike>,
    /// How long it takes.
    pub(crate) timing: Timing,
}

impl Twin {
    /// A twin without buckets.
    #[must_use]
    pub fn new(options: TwinOptions) -> Self {
        let access = Access { secrets: options.keys.into_iter().collect(), ..Access::default() };
        let traffic = Traffic {
            faults: Faults::new(options.seed),
            model: Model::default(),
            rates: Rates::default(),
            counts: BTreeMap::new(),
            connections: 0,
            arrived: 0,
        };
        Self(Arc::new(State {
            region: options.region,
            copy_returns_checksum: options.copy_returns_checksum,
            kms_etags: options.kms_etags,
            etags: AtomicU64::new(options.seed),
            store: Mutex::default(),
            access: Mutex::new(access),
            throttles: Mutex::default(),
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

    /// How many connections were accepted since the start or the last reset.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.traffic().connections
    }

    /// Counts requests and connections from 0 again.
    pub fn reset_requests(&self) {
        let mut traffic = self.traffic();
        traffic.counts.clear();
        traffic.connections = 0;
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

    /// Sets how long answers take, and how many are given, from now on.
    pub fn set_model(&self, model: Model) {
        let mut traffic = self.traffic();
        traffic.model = model;
        traffic.rates = Rates::default();
    }

    /// Makes all content that a client uploads and downloads share so many bytes a second, over all its
    /// connections and in both directions together, from now on: also that which is already on its way. With
    /// none, nothing moves.
    pub fn throttle(&self, client: Client, bytes_per_second: u64) {
        self.throttles().set(client, bytes_per_second, Instant::now());
    }

    /// Ends a client's throttle, if it has one.
    pub fn unthrottle(&self, client: &Client) {
        self.throttles().remove(client);
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

    /// Notes a request, and says what is to become of it.
    pub(crate) fn arrived(&self, target: &Target) -> Arrival {
        let mut traffic = self.traffic();
        let Traffic { faults, model, rates, counts, arrived, .. } = &mut *traffic;
        *arrived += 1;
        *counts.entry(target.op).or_default() += 1;
        let struck = faults.strike(target);
        let exceeded = rates.exceeded(model, target, Instant::now());
        let refused = exceeded.then_some(Strike { kind: FaultKind::SlowDown, place: 0.0 });
        Arrival { number: *arrived, strike: refused.or(struck), timing: model.timing(target.op) }
    }

    /// Notes a connection, and says how long it takes to set up.
    pub(crate) fn connected(&self) -> Duration {
        let mut traffic = self.traffic();
        traffic.connections += 1;
        traffic.model.connection_latency()
    }

    /// The ETag of a part just uploaded, of which `digest` is a digest.
    pub(crate) fn part_etag(&self, digest: String) -> String {
        if !self.0.kms_etags {
            return digest;
        }
        let number = mix(self.0.etags.fetch_add(1, Relaxed));
        etag::hex(u128::from(number) << 64 | u128::from(mix(number)))
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

    /// The budgets of clients, for one question.
    pub(crate) fn throttles(&self) -> MutexGuard<'_, Throttles> {
        self.0.throttles.lock().unwrap_or_else(PoisonError::into_inner)
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
