//! How many requests of each class a bucket and its places are sent: what the fleet has agreed on, and what came of it.

use std::collections::BTreeMap;

use proto::location::place;
use proto::report::Throttled;
use proto::requests::RequestClass;
use proto::session::Pace;

/// Most buckets, places and classes in one report; those refused most come first.
const THROTTLED_MAX: usize = 128;
/// Places of a bucket told apart between two reports; requests to more of them count for the whole bucket.
const PLACES_MAX: usize = 64;
/// What one request takes from an allowance. A pace of one millihertz adds one of these units a millisecond.
const REQUEST: u64 = 1_000_000;
/// How many milliseconds' worth of requests may be sent at once after a pause.
const BURST_MS: u64 = 100;

/// What a request counts for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    bucket: &'a str,
    place: &'a str,
    class: RequestClass,
}

impl<'a> Target<'a> {
    /// A read of this key.
    #[must_use]
    pub fn read(bucket: &'a str, key: &'a str) -> Self {
        Self { bucket, place: place(key), class: RequestClass::Read }
    }

    /// A write of this key.
    #[must_use]
    pub fn write(bucket: &'a str, key: &'a str) -> Self {
        Self { bucket, place: place(key), class: RequestClass::Write }
    }
}

/// The paces in force, and the requests since the last report.
#[derive(Debug, Default)]
pub struct Pacer {
    buckets: BTreeMap<String, [Lanes; 2]>,
}

/// Requests of one class to one bucket: all of them, and those to each place while the bucket has no pace itself.
#[derive(Debug, Default)]
struct Lanes {
    whole: Lane,
    places: BTreeMap<String, Lane>,
}

/// Requests of one class to one bucket or place.
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

impl Lanes {
    /// The lane of a place, if it is told apart.
    fn place(&mut self, place: &str) -> Option<&mut Lane> {
        if self.whole.allowance.is_some() {
            return None;
        }
        if !self.places.contains_key(place) {
            if self.places.len() >= PLACES_MAX {
                return None;
            }
            self.places.insert(place.to_owned(), Lane::default());
        }
        self.places.get_mut(place)
    }

    fn admit(&mut self, place: &str, now_ms: u64) -> Result<(), u64> {
        if let Some(allowance) = &mut self.whole.allowance {
            allowance.spend(now_ms)?;
        } else if let Some(lane) = self.place(place) {
            if let Some(allowance) = &mut lane.allowance {
                allowance.spend(now_ms)?;
            }
            lane.sent += 1;
        }
        self.whole.sent += 1;
        Ok(())
    }

    /// All lanes, with their places.
    fn all(&mut self) -> impl Iterator<Item = (Option<&String>, &mut Lane)> {
        let places = self.places.iter_mut().map(|(place, lane)| (Some(place), lane));
        std::iter::once((None, &mut self.whole)).chain(places)
    }

    fn is_paced(&self) -> bool {
        self.whole.allowance.is_some() || self.places.values().any(|lane| lane.allowance.is_some())
    }
}

impl Pacer {
    /// Puts these paces in force, and no others.
    pub fn set(&mut self, paces: Vec<Pace>, now_ms: u64) {
        let mut before = BTreeMap::new();
        for (bucket, lanes) in &mut self.buckets {
            for (class, lanes) in [RequestClass::Read, RequestClass::Write].into_iter().zip(lanes) {
                for (place, lane) in lanes.all() {
                    if let Some(allowance) = lane.allowance.take() {
                        before.insert((bucket.clone(), place.cloned(), class), allowance);
                    }
                }
            }
        }
        for Pace { bucket, place, class, millihertz } in paces {
            // What is left of the allowance before stays: paces come often, and each would be a burst.
            let mut allowance = before.remove(&(bucket.clone(), place.clone(), class)).unwrap_or(Allowance {
                millihertz,
                units: REQUEST,
                filled_ms: now_ms,
            });
            allowance.fill(now_ms);
            allowance.millihertz = millihertz;
            let lanes = &mut self.buckets.entry(bucket).or_default()[class as usize];
            let lane = match place {
                Some(place) => lanes.places.entry(place).or_default(),
                None => &mut lanes.whole,
            };
            lane.allowance = Some(allowance);
        }
    }

    /// Whether a request may be sent now, which then counts as sent.
    ///
    /// # Errors
    /// After how many milliseconds to ask again; a new pace may allow it sooner.
    pub fn admit(&mut self, target: Target<'_>, now_ms: u64) -> Result<(), u64> {
        self.lanes(target).admit(target.place, now_ms)
    }

    /// Notes that S3 asked to slow down.
    pub fn refused(&mut self, target: Target<'_>) {
        let lanes = self.lanes(target);
        match lanes.place(target.place) {
            Some(lane) => lane.refused += 1,
            None => lanes.whole.refused += 1,
        }
    }

    /// What S3 refused since this was last asked, and what was sent at a pace; of each bucket where there is either,
    /// also what it was sent in all.
    pub fn take_throttled(&mut self) -> Vec<Throttled> {
        let mut throttled = Vec::new();
        for (bucket, lanes) in &mut self.buckets {
            for (class, lanes) in [RequestClass::Read, RequestClass::Write].into_iter().zip(lanes) {
                let is_told = lanes.is_paced() || lanes.all().any(|(_, lane)| lane.refused > 0);
                for (place, lane) in lanes.all() {
                    let (sent, refused) = (std::mem::take(&mut lane.sent), std::mem::take(&mut lane.refused));
                    let is_of_whole = place.is_none() && is_told;
                    if refused > 0 || (sent > 0 && (lane.allowance.is_some() || is_of_whole)) {
                        let (bucket, place) = (bucket.clone(), place.cloned());
                        throttled.push(Throttled { bucket, place, class, refused, sent });
                    }
                }
                lanes.places.retain(|_, lane| lane.allowance.is_some());
            }
        }
        self.buckets.retain(|_, lanes| lanes.iter().any(Lanes::is_paced));
        throttled.sort_by_key(|told| std::cmp::Reverse((told.place.is_none(), told.refused)));
        throttled.truncate(THROTTLED_MAX);
        throttled
    }

    fn lanes(&mut self, target: Target<'_>) -> &mut Lanes {
        if !self.buckets.contains_key(target.bucket) {
            self.buckets.insert(target.bucket.to_owned(), Default::default());
        }
        let lanes = self.buckets.get_mut(target.bucket).expect("it was just put there");
        &mut lanes[target.class as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RequestClass::{Read, Write};

    fn pace(bucket: &str, class: RequestClass, millihertz: u64) -> Pace {
        Pace { bucket: bucket.into(), place: None, class, millihertz }
    }

    fn target<'a>(bucket: &'a str, class: RequestClass) -> Target<'a> {
        Target { bucket, place: "", class }
    }

    /// Requests admitted by someone who asks every millisecond.
    fn admitted(pacer: &mut Pacer, bucket: &str, class: RequestClass, ms: std::ops::Range<u64>) -> usize {
        ms.filter(|now_ms| pacer.admit(target(bucket, class), *now_ms).is_ok()).count()
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
        assert_eq!(pacer.admit(target("a", Read), 0), Ok(()));
        let wait = pacer.admit(target("a", Read), 1).expect_err("too soon");
        assert!((3_333..=3_334).contains(&wait), "{wait}");
        assert_eq!(pacer.admit(target("a", Read), 1 + wait), Ok(()));
        pacer.set(vec![pace("a", Read, 0)], 5_000);
        assert!(pacer.admit(target("a", Read), 6_000).is_err_and(|wait| wait > 1_000_000));
    }

    #[test]
    fn a_pause_is_not_made_up_for_and_a_new_pace_is_no_gift() {
        let mut pacer = Pacer::default();
        pacer.set(vec![pace("a", Read, 100_000)], 0);
        assert_eq!(admitted(&mut pacer, "a", Read, 60_000..60_001), 1);
        let burst = (0..1_000).filter(|_| pacer.admit(target("a", Read), 60_001).is_ok()).count();
        assert!(burst <= 10, "{burst}");
        for _ in 0..10 {
            pacer.set(vec![pace("a", Read, 100_000)], 60_001);
            assert!(pacer.admit(target("a", Read), 60_001).is_err());
        }
    }

    #[test]
    fn reports_tell_refusals_and_what_went_at_a_pace() {
        let mut pacer = Pacer::default();
        pacer.set(vec![pace("paced", Write, 1_000_000)], 0);
        for (bucket, class) in [("free", Read), ("free", Write), ("paced", Write), ("paced", Read)] {
            assert_eq!(pacer.admit(target(bucket, class), 1_000), Ok(()));
        }
        pacer.refused(target("free", Read));
        let told = |bucket: &str, place: Option<&str>, class, refused| {
            let place = place.map(ToOwned::to_owned);
            Throttled { bucket: bucket.into(), place, class, refused, sent: 1 }
        };
        let all =
            [told("free", None, Read, 0), told("paced", None, Write, 0), told("free", Some(""), Read, 1)];
        assert_eq!(pacer.take_throttled(), all);
        assert_eq!(pacer.take_throttled(), []);
        assert_eq!(pacer.buckets.len(), 1, "what has no pace is forgotten");
    }

    #[test]
    fn a_pace_of_a_place_holds_for_no_other_and_one_of_a_bucket_for_all() {
        let mut pacer = Pacer::default();
        let now = |pacer: &mut Pacer, key: &str| pacer.admit(Target::write("b", key), 0).is_ok();
        let paced = |place: Option<&str>| Pace { place: place.map(ToOwned::to_owned), ..pace("b", Write, 1) };
        pacer.set(vec![paced(Some("a/x/"))], 0);
        assert!(now(&mut pacer, "a/x/1") && !now(&mut pacer, "a/x/2"));
        assert!((0..9).all(|_| now(&mut pacer, "a/y/1") && now(&mut pacer, "a") && now(&mut pacer, "a/x")));
        pacer.set(vec![paced(None)], 0);
        assert!(now(&mut pacer, "a/y/1") && !now(&mut pacer, "a/x/1") && !now(&mut pacer, "c"));
        pacer.refused(Target::write("b", "c"));
        let [told] = &pacer.take_throttled()[..] else { panic!("only the bucket is told of") };
        assert_eq!((told.place.as_deref(), told.refused, told.sent), (None, 1, 29));
    }

    #[test]
    fn a_million_folders_are_a_few_places_and_the_bucket() {
        let mut pacer = Pacer::default();
        for folder in 0..1_000_000 {
            let key = format!("{folder}/x");
            pacer.admit(Target::read("b", &key), 0).unwrap();
            pacer.refused(Target::read("b", &key));
        }
        let told = pacer.take_throttled();
        assert_eq!(told.len(), PLACES_MAX + 1);
        assert_eq!((told[0].place.as_deref(), told[0].sent), (None, 1_000_000));
        assert_eq!(told[0].refused, 1_000_000 - PLACES_MAX as u64);
    }
}
