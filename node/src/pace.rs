//! How many requests of each class a bucket is sent: what the fleet has agreed on, and what came of it.

use std::collections::BTreeMap;

use proto::report::Throttled;
use proto::requests::RequestClass;
use proto::session::Pace;

/// Most buckets and classes in one report; those refused most come first.
const THROTTLED_MAX: usize = 64;
/// What one request takes from an allowance. A pace of one millihertz adds one of these units a millisecond.
const REQUEST: u64 = 1_000_000;
/// How many milliseconds' worth of requests may be sent at once after a pause.
const BURST_MS: u64 = 100;

/// The paces in force, and the requests since the last report.
#[derive(Debug, Default)]
pub struct Pacer {
    lanes: BTreeMap<String, [Lane; 2]>,
}

/// Requests of one class to one bucket.
#[derive(Debug, Default)]
struct Lane {
    allowance: Option<Allowance>,
    sent: u64,
    refused: u64,
}

/// A bucket of tokens.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    millihertz: u64,
    /// What may be spent, in units.
    units: u64,
    /// When it was last added to.
    filled_ms: u64,
}

impl Allowance {
    fn fill(&mut self, now_ms: u64) {
        let most = self.millihertz.saturating_mul(BURST_MS).max(REQUEST);
        let gained = self.millihertz.saturating_mul(now_ms.saturating_sub(self.filled_ms));
        self.units = self.units.saturating_add(gained).min(most);
        self.filled_ms = now_ms;
    }

    /// Spends what one request takes, or tells in how many milliseconds there may be enough.
    fn spend(&mut self, now_ms: u64) -> Result<(), u64> {
        self.fill(now_ms);
        match self.units.checked_sub(REQUEST) {
            Some(rest) => {
                self.units = rest;
                Ok(())
            }
            None => {
                Err((REQUEST - self.units).checked_div(self.millihertz).map_or(u64::MAX, |wait| wait + 1))
            }
        }
    }
}

impl Pacer {
    /// Puts these paces in force, and no others.
    pub fn set(&mut self, paces: Vec<Pace>, now_ms: u64) {
        let mut before = BTreeMap::new();
        for (bucket, lanes) in &mut self.lanes {
            for (class, lane) in [RequestClass::Read, RequestClass::Write].into_iter().zip(lanes) {
                if let Some(allowance) = lane.allowance.take() {
                    before.insert((bucket.clone(), class), allowance);
                }
            }
        }
        for Pace { bucket, class, millihertz } in paces {
            // What is left of the allowance before stays: paces come often, and each would be a burst.
            let mut allowance = before.remove(&(bucket.clone(), class)).unwrap_or(Allowance {
                millihertz,
                units: REQUEST,
                filled_ms: now_ms,
            });
            allowance.fill(now_ms);
            allowance.millihertz = millihertz;
            self.lanes.entry(bucket).or_default()[class as usize].allowance = Some(allowance);
        }
    }

    /// Whether a request may be sent now, which then counts as sent.
    ///
    /// # Errors
    /// After how many milliseconds to ask again; a new pace may allow it sooner.
    pub fn admit(&mut self, bucket: &str, class: RequestClass, now_ms: u64) -> Result<(), u64> {
        let lane = self.lane(bucket, class);
        if let Some(allowance) = &mut lane.allowance {
            allowance.spend(now_ms)?;
        }
        lane.sent += 1;
        Ok(())
    }

    /// Notes that S3 asked to slow down.
    pub fn refused(&mut self, bucket: &str, class: RequestClass) {
        self.lane(bucket, class).refused += 1;
    }

    /// What S3 refused since this was last asked, and what was sent at a pace.
    pub fn take_throttled(&mut self) -> Vec<Throttled> {
        let mut throttled = Vec::new();
        for (bucket, lanes) in &mut self.lanes {
            for (class, lane) in [RequestClass::Read, RequestClass::Write].into_iter().zip(lanes) {
                let (sent, refused) = (std::mem::take(&mut lane.sent), std::mem::take(&mut lane.refused));
                if refused > 0 || (sent > 0 && lane.allowance.is_some()) {
                    throttled.push(Throttled { bucket: bucket.clone(), class, refused, sent });
                }
            }
        }
        self.lanes.retain(|_, lanes| lanes.iter().any(|lane| lane.allowance.is_some()));
        throttled.sort_by_key(|throttled| std::cmp::Reverse(throttled.refused));
        throttled.truncate(THROTTLED_MAX);
        throttled
    }

    fn lane(&mut self, bucket: &str, class: RequestClass) -> &mut Lane {
        if !self.lanes.contains_key(bucket) {
            self.lanes.insert(bucket.to_owned(), Default::default());
        }
        let lanes = self.lanes.get_mut(bucket).expect("it was just put there");
        &mut lanes[class as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RequestClass::{Read, Write};

    fn pace(bucket: &str, class: RequestClass, millihertz: u64) -> Pace {
        Pace { bucket: bucket.into(), class, millihertz }
    }

    /// Requests admitted by someone who asks every millisecond.
    fn admitted(pacer: &mut Pacer, bucket: &str, class: RequestClass, ms: std::ops::Range<u64>) -> usize {
        ms.filter(|now_ms| pacer.admit(bucket, class, *now_ms).is_ok()).count()
    }

    #[test]
    fn a_pace_holds_for_its_bucket_and_class_alone() {
        let mut pacer = Pacer::default();
        pacer.set(vec![pace("a", Read, 100_000)], 0);
        let count = admitted(&mut pacer, "a", Read, 0..10_000);
        assert!((1_000..=1_010).contains(&count), "{count}");
        assert_eq!(admitted(&mut pacer, "a", Write, 0..1_000), 1_000);
        assert_eq!(admitted(&mut pacer, "b", Read, 0..1_000), 1_000);
        pacer.set(Vec::new(), 10_000);
        assert_eq!(admitted(&mut pacer, "a", Read, 10_000..11_000), 1_000);
    }

    #[test]
    fn waiting_as_long_as_told_is_enough() {
        let mut pacer = Pacer::default();
        pacer.set(vec![pace("a", Read, 300)], 0);
        assert_eq!(pacer.admit("a", Read, 0), Ok(()));
        let wait = pacer.admit("a", Read, 1).expect_err("too soon");
        assert!((3_333..=3_334).contains(&wait), "{wait}");
        assert_eq!(pacer.admit("a", Read, 1 + wait), Ok(()));
        pacer.set(vec![pace("a", Read, 0)], 5_000);
        assert!(pacer.admit("a", Read, 6_000).is_err_and(|wait| wait > 1_000_000));
    }

    #[test]
    fn a_pause_is_not_made_up_for_and_a_new_pace_is_no_gift() {
        let mut pacer = Pacer::default();
        pacer.set(vec![pace("a", Read, 100_000)], 0);
        assert_eq!(admitted(&mut pacer, "a", Read, 60_000..60_001), 1);
        let burst = (0..1_000).filter(|_| pacer.admit("a", Read, 60_001).is_ok()).count();
        assert!(burst <= 10, "{burst}");
        for _ in 0..10 {
            pacer.set(vec![pace("a", Read, 100_000)], 60_001);
            assert!(pacer.admit("a", Read, 60_001).is_err());
        }
    }

    #[test]
    fn reports_tell_refusals_and_what_went_at_a_pace() {
        let mut pacer = Pacer::default();
        pacer.set(vec![pace("paced", Write, 1_000_000)], 0);
        for (bucket, class) in [("free", Read), ("free", Write), ("paced", Write), ("paced", Read)] {
            assert_eq!(pacer.admit(bucket, class, 1_000), Ok(()));
        }
        pacer.refused("free", Read);
        let told =
            |bucket: &str, class, refused| Throttled { bucket: bucket.into(), class, refused, sent: 1 };
        assert_eq!(pacer.take_throttled(), [told("free", Read, 1), told("paced", Write, 0)]);
        assert_eq!(pacer.take_throttled(), []);
        assert_eq!(pacer.lanes.len(), 1, "what has no pace is forgotten");
    }
}
