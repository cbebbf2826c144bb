//! What the jobs of a load came to, in numbers.

use proto::failure::FailureKind;
use serde::{Deserialize, Serialize};

/// Deviations to each side within which 95 % of a normal distribution lies.
const DEVIATIONS: f64 = 1.96;
/// Least jobs from which the interval around a quantile is told: of fewer, nothing lies beyond it.
const JOBS_MIN: usize = 3;

/// What became of one arrival. All times are in seconds from the beginning of the load.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Of which population it was.
    pub(crate) population: usize,
    /// When it was to be sent: all latencies count from then on.
    pub(crate) at_s: f64,
    /// When it was sent.
    pub(crate) sent_s: f64,
    /// When the cluster said that it has it.
    pub(crate) accepted_s: Option<f64>,
    /// When it was known how it ended.
    pub(crate) ended_s: f64,
    /// How it ended.
    pub(crate) end: End,
}

/// How one arrival ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// The archive was there.
    Completed {
        /// Seconds from its submission until its first part was uploaded, by the cluster's clock.
        first_part_s: f64,
        /// Size of the archive.
        bytes: u64,
        /// Entries in it.
        entries: u64,
    },
    /// The cluster took it, and made no archive of it.
    Failed(FailureKind),
    /// The cluster did not take it, or did not answer.
    Refused(FailureKind),
    /// It is not known what became of it: the cluster went away.
    Lost(FailureKind),
    /// It was not sent, because as many were in flight as may be.
    NotSent,
    /// It was cancelled, because it could no longer be there within the limit.
    Late,
    /// It was cancelled, because somebody stopped the load.
    Stopped,
}

impl Record {
    /// Seconds until the cluster had it.
    pub(crate) fn to_accepted_s(&self) -> Option<f64> {
        self.accepted_s.map(|accepted_s| accepted_s - self.at_s)
    }

    /// Seconds until the archive was there; `None` if it never was.
    pub(crate) fn to_completed_s(&self) -> Option<f64> {
        matches!(self.end, End::Completed { .. }).then(|| self.ended_s - self.at_s)
    }

    /// Seconds until its first part was uploaded; `None` if there is no archive.
    pub(crate) fn to_first_part_s(&self) -> Option<f64> {
        let End::Completed { first_part_s, .. } = self.end else { return None };
        // The cluster counts from when it had the job. That was before its answer was here, so this is no less.
        Some((self.to_accepted_s()? + first_part_s).min(self.ended_s - self.at_s))
    }
}

/// A quantile, and between what it lies with 95 % confidence if jobs were independent of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quantile {
    /// Its value.
    pub(crate) value: f64,
    /// No less than this.
    pub(crate) low: f64,
    /// No more than this.
    pub(crate) high: f64,
}

/// How values are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// How many there are.
    pub(crate) count: u64,
    /// Their mean.
    pub(crate) mean: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// What half of them do not exceed.
    pub(crate) p50: Quantile,
    /// What 90 % of them do not exceed.
    pub(crate) p90: Quantile,
    /// What 95 % of them do not exceed.
    pub(crate) p95: Quantile,
    /// What 99 % of them do not exceed.
    pub(crate) p99: Quantile,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// Of these values; `None` if there are none.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let [p50, p90, p95, p99] = [0.5, 0.9, 0.95, 0.99].map(|share| quantile(&sorted, share));
        let count = sorted.len() as u64;
        Some(Self { count, mean: sorted.iter().sum::<f64>() / count as f64, min, p50, p90, p95, p99, max })
    }
}

/// The smallest of the values that at least `share` of them do not exceed. Its interval are those values between which
/// it would fall, had other jobs been drawn: how many do not exceed it is binomial, whatever they are like.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Quantile {
    let count = sorted.len() as f64;
    // What is a whole number on paper must not become the next one by rounding.
    let rank = |rank: f64| sorted[((rank - 1e-9).ceil().max(1.0) as usize).min(sorted.len()) - 1];
    let value = rank(count * share);
    if sorted.len() < JOBS_MIN {
        return Quantile { value, low: sorted[0], high: sorted[sorted.len() - 1] };
    }
    let off = DEVIATIONS * (count * share * (1.0 - share)).sqrt();
    Quantile {
        value,
        low: rank((count * share - off).floor()),
        high: rank((count * share + off).ceil() + 1.0),
    }
}

/// What some arrivals came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Arrivals.
    pub(crate) arrivals: u64,
    /// Jobs that made an archive.
    pub(crate) completed: u64,
    /// Jobs that failed.
    pub(crate) failed: u64,
    /// Submissions that were refused or not answered.
    pub(crate) refused: u64,
    /// Jobs of which it is not known how they ended.
    pub(crate) lost: u64,
    /// Arrivals that were not sent, because too many were in flight.
    pub(crate) not_sent: u64,
    /// Jobs that were cancelled because they could no longer be there within the limit.
    pub(crate) late: u64,
    /// Jobs that were cancelled because somebody stopped the load.
    pub(crate) stopped: u64,
    /// Bytes of all archives.
    pub(crate) bytes: u64,
    /// Entries of all archives.
    pub(crate) entries: u64,
    /// Archives a second.
    pub(crate) jobs_per_second: f64,
    /// Bytes of archives a second.
    pub(crate) bytes_per_second: f64,
    /// Seconds from arrival until the cluster had a job.
    pub(crate) accepted_s: Option<Spread>,
    /// Seconds from arrival until the first part was uploaded, of jobs that completed.
    pub(crate) first_part_s: Option<Spread>,
    /// Seconds from arrival until the archive was there.
    pub(crate) completed_s: Option<Spread>,
}

impl Figures {
    /// Of these records, which took so many seconds.
    pub(crate) fn of<'a>(records: impl Iterator<Item = &'a Record> + Clone, seconds: f64) -> Self {
        let mut figures = Self::default();
        for record in records.clone() {
            figures.arrivals += 1;
            match record.end {
                End::Completed { bytes, entries, .. } => {
                    figures.completed += 1;
                    figures.bytes += bytes;
                    figures.entries += entries;
                }
                End::Failed(_) => figures.failed += 1,
                End::Refused(_) => figures.refused += 1,
                End::Lost(_) => figures.lost += 1,
                End::NotSent => figures.not_sent += 1,
                End::Late => figures.late += 1,
                End::Stopped => figures.stopped += 1,
            }
        }
        let per_second = |number: u64| if seconds > 0.0 { number as f64 / seconds } else { 0.0 };
        Self {
            jobs_per_second: per_second(figures.completed),
            bytes_per_second: per_second(figures.bytes),
            accepted_s: Spread::of(records.clone().filter_map(Record::to_accepted_s)),
            first_part_s: Spread::of(records.clone().filter_map(Record::to_first_part_s)),
            completed_s: Spread::of(records.filter_map(Record::to_completed_s)),
            ..figures
        }
    }
}

/// Which share of arrivals made an archive within so many seconds. What came to nothing, for whatever reason, did not;
/// what was cancelled because somebody stopped the load does not count.
pub(crate) fn share_within(records: &[Record], limit_s: f64) -> f64 {
    let counted = records.iter().filter(|record| record.end != End::Stopped);
    let within = counted.clone().filter(|record| record.to_completed_s().is_some_and(|took| took <= limit_s));
    within.count() as f64 / (counted.count() as f64).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn completed(at_s: f64, took_s: f64) -> Record {
        Record {
            population: 0,
            at_s,
            sent_s: at_s + 0.001,
            accepted_s: Some(at_s + 0.1),
            ended_s: at_s + took_s,
            end: End::Completed { first_part_s: 0.25, bytes: 1_000, entries: 2 },
        }
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=1_000).map(f64::from).collect();
        let spread = Spread::of(values.iter().rev().copied()).expect("there are values");
        assert_eq!((spread.min, spread.max, spread.count, spread.mean), (1.0, 1_000.0, 1_000, 500.5));
        assert_eq!([spread.p50, spread.p90, spread.p99].map(|at| at.value), [500.0, 900.0, 990.0]);
        // 500 ± 1.96 · √250, 990 ± 1.96 · √9.9.
        assert_eq!((spread.p50.low, spread.p50.high), (469.0, 532.0));
        assert_eq!((spread.p99.low, spread.p99.high), (983.0, 998.0));
    }

    #[test]
    fn few_values_have_quantiles_too() {
        assert_eq!(Spread::of(std::iter::empty()), None);
        let one = Spread::of([2.0].into_iter()).expect("there is one");
        assert_eq!(one.p99, Quantile { value: 2.0, low: 2.0, high: 2.0 });
        let ten = Spread::of((1..=10).map(f64::from)).expect("there are ten");
        assert_eq!((ten.p50.value, ten.p90.value, ten.p99.value, ten.p99.high), (5.0, 9.0, 10.0, 10.0));
    }

    #[test]
    fn latencies_count_from_when_a_job_was_to_be_sent() {
        // It was sent half a second late, which a user would have waited.
        let record = Record { sent_s: 10.5, accepted_s: Some(10.6), ..completed(10.0, 2.0) };
        let close =
            |found: Option<f64>, expected: f64| (found.expect("it completed") - expected).abs() < 1e-9;
        assert!(close(record.to_accepted_s(), 0.6));
        assert!(close(record.to_first_part_s(), 0.85));
        assert!(close(record.to_completed_s(), 2.0));
    }

    #[test]
    fn what_came_to_nothing_is_counted_and_is_not_within_any_limit() {
        let other = |end| Record { end, ..completed(0.0, 1.0) };
        let mut records: Vec<Record> = (0..97).map(|i| completed(f64::from(i), 1.0)).collect();
        records.push(other(End::Failed(FailureKind::Unavailable)));
        records.push(other(End::Refused(FailureKind::Unavailable)));
        records.push(other(End::NotSent));
        records.push(other(End::Stopped));
        let figures = Figures::of(records.iter(), 10.0);
        let counts = [figures.arrivals, figures.completed, figures.failed, figures.refused, figures.not_sent];
        assert_eq!((counts, figures.stopped), ([101, 97, 1, 1, 1], 1));
        assert_eq!((figures.jobs_per_second, figures.bytes_per_second), (9.7, 9_700.0));
        assert_eq!(figures.completed_s.expect("some completed").count, 97);
        assert_eq!(share_within(&records, 1.5), 0.97);
        assert_eq!((share_within(&records, 0.5), share_within(&[], 1.0)), (0.0, 0.0));
    }
}
