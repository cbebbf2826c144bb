//! How evenly tenants fare: Jain's index over how much longer the jobs of each took than they take alone.

use std::collections::BTreeMap;

/// Jain's index of `values`: 1 when all are alike, 1/n when one has everything. `None` for fewer than two.
pub(crate) fn jain(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    let squares: f64 = values.iter().map(|value| value * value).sum();
    (values.len() >= 2 && squares > 0.0).then(|| sum * sum / (values.len() as f64 * squares))
}

/// How many times as long as alone the jobs of each tenant took, on average. Jobs are told as tenant, population and
/// seconds; `alone_s` is what a job of each population takes on an idle cluster, in seconds.
pub(crate) fn slowdowns(
    jobs: impl Iterator<Item = (usize, usize, f64)>,
    alone_s: &[f64],
) -> BTreeMap<usize, f64> {
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (tenant, population, seconds) in jobs {
        let (sum, count) = sums.entry(tenant).or_default();
        *sum += seconds / alone_s[population].max(f64::MIN_POSITIVE);
        *count += 1.0;
    }
    sums.into_iter().map(|(tenant, (sum, count))| (tenant, sum / count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_one_where_all_are_alike() {
        let about =
            |found: Option<f64>, expected: f64| (found.expect("there are two") - expected).abs() < 1e-9;
        assert!(about(jain(&[3.0, 3.0, 3.0]), 1.0));
        assert!(about(jain(&[1.0, 0.0, 0.0, 0.0]), 0.25));
        assert!(about(jain(&[1.0, 3.0]), 0.8));
        assert_eq!((jain(&[]), jain(&[2.0]), jain(&[0.0, 0.0])), (None, None, None));
    }

    #[test]
    fn small_and_large_jobs_are_measured_by_what_they_take_alone() {
        // Two tenants: one with jobs of 1 s, one with jobs of 10 s; the latter wait as long and lose less by it.
        let jobs = [(0, 0, 2.0), (0, 0, 4.0), (1, 1, 12.0)];
        let found = slowdowns(jobs.into_iter(), &[1.0, 10.0]);
        assert_eq!(found, BTreeMap::from([(0, 3.0), (1, 1.2)]));
    }
}
