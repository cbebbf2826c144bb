//! What is known of the rivals' counts at the population they were made for: from their authors where they tell, else
//! from their sources, counted before and apart from the plans here, as the mean of three other samples.

use super::model::Takes;

/// Most by which a count of ours may differ from a known one.
const TOLERANCE: f64 = 0.05;

/// What is known of one rival.
#[derive(Clone, Copy)]
pub(super) struct Published {
    pub(super) list: u64,
    pub(super) head: u64,
    pub(super) get: u64,
    pub(super) upload_part: u64,
    pub(super) copy: u64,
    pub(super) create_and_complete: u64,
    pub(super) put: u64,
    pub(super) received_bytes: f64,
    pub(super) copied_bytes: f64,
    pub(super) price_usd: f64,
}

impl Published {
    /// One that streams everything.
    pub(super) const fn streamed(upload_part: u64, price_usd: f64) -> Self {
        Self {
            list: 3,
            head: 0,
            get: 3_000,
            upload_part,
            copy: 0,
            create_and_complete: 2,
            put: 0,
            received_bytes: 15.7e9,
            copied_bytes: 0.0,
            price_usd,
        }
    }

    /// Where a plan of ours for that rival counts otherwise.
    pub(super) fn differences(&self, takes: &Takes) -> Vec<String> {
        let requests = &takes.requests;
        let create_and_complete = requests.create.sent + requests.complete.sent;
        let pairs = [
            ("LIST", self.list as f64, requests.list.sent as f64),
            ("HEAD", self.head as f64, requests.head.sent as f64),
            ("GET", self.get as f64, requests.get.sent as f64),
            ("UploadPart", self.upload_part as f64, requests.upload_part.sent as f64),
            ("UploadPartCopy", self.copy as f64, requests.copy.sent as f64),
            ("Create and Complete", self.create_and_complete as f64, create_and_complete as f64),
            ("PUT", self.put as f64, requests.put.sent as f64),
            ("bytes received", self.received_bytes, requests.bytes_received as f64),
            ("bytes copied", self.copied_bytes, requests.bytes_copied as f64),
            ("price", self.price_usd, requests.price_usd()),
        ];
        let is_off = |known: f64, ours: f64| (ours - known).abs() > TOLERANCE * known;
        let off = pairs.into_iter().filter(|(_, known, ours)| is_off(*known, *ours));
        off.map(|(what, known, ours)| format!("{what}: {ours} instead of {known}")).collect()
    }
}
