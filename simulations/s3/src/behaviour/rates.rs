//! How many requests a second S3 takes for a bucket.

use std::collections::BTreeMap;
use std::time::Instant;

use super::allowance::Allowance;
use super::model::Model;
use crate::op::{Op, Target};

/// Seconds' worth of requests that may come at once.
const BURST_SECONDS: f64 = 0.25;

/// What is left of each bucket's rate for each operation.
#[derive(Debug, Default)]
pub(crate) struct Rates(BTreeMap<(String, Op), Allowance>);

impl Rates {
    /// Whether a request is one too many; one that is not is counted.
    pub(crate) fn exceeded(&mut self, model: &Model, target: &Target, now: Instant) -> bool {
        let Some(per_second) = model.rate_of(target.op) else { return false };
        let full = || Allowance::new(per_second, (per_second * BURST_SECONDS).max(1.0), now);
        let left = self.0.entry((target.bucket.clone(), target.op)).or_insert_with(full);
        let exceeded = !left.wait(1.0, now).is_zero();
        if !exceeded {
            left.spend(1.0);
        }
        exceeded
    }
}
