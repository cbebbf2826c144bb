//! How fast each token submits.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What each token may still submit at once.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<String, Allowance>);

#[derive(Debug)]
struct Allowance {
    left: f64,
    at: Instant,
}

impl Pace {
    /// Takes one from what `name` may; says how long to wait if there is none. A minute's worth may come at once.
    pub(super) fn admit(&mut self, name: &str, per_minute: u32) -> Result<(), Duration> {
        let (now, most) = (Instant::now(), f64::from(per_minute));
        let per_second = most / 60.0;
        let allowance = self.0.entry(name.to_owned()).or_insert(Allowance { left: most, at: now });
        let earned = now.saturating_duration_since(allowance.at).as_secs_f64() * per_second;
        allowance.left = (allowance.left + earned).min(most);
        allowance.at = now;
        if allowance.left >= 1.0 {
            allowance.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(((1.0 - allowance.left) / per_second).ceil()))
    }
}
