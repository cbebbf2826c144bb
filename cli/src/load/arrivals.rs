//! When jobs arrive. The times are fixed before the first of them is sent: a cluster that is behind must not slow down
//! those who ask it.

use std::str::FromStr;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::mix::Mix;

/// How long it is from one burst to the next, in seconds.
const BURST_EVERY_S: f64 = 10.0;
/// How much of that time a burst lasts.
const BURST_SHARE: f64 = 0.2;

/// How arrivals are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// Each by itself, at a steady rate.
    Poisson,
    /// All within a fifth of the time, at five times the rate.
    Bursts,
    /// At a rate that rises from nothing to the one that is given.
    Ramp,
    /// At times that were given one by one.
    Trace,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "poisson" => Ok(Self::Poisson),
            "bursts" => Ok(Self::Bursts),
            "ramp" => Ok(Self::Ramp),
            _ => Err(format!("`{text}` is none of poisson, bursts, ramp, trace:FILE")),
        }
    }
}

impl Shape {
    /// How it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Poisson => "poisson",
            Self::Bursts => "bursts",
            Self::Ramp => "ramp",
            Self::Trace => "trace",
        }
    }
}

/// One job that is to be submitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Arrival {
    /// When, in seconds from the beginning.
    pub(crate) at_s: f64,
    /// Of which of the mix's populations.
    pub(crate) population: usize,
}

/// The arrivals of `length_s` seconds at `rate` a second on average, or up to `rate` where it rises: the same for the
/// same seed.
pub(crate) fn schedule(
    shape: Shape,
    rate: f64,
    length_s: f64,
    seed: u64,
    mix: &Mix,
) -> impl Iterator<Item = Arrival> {
    // Two sequences: what arrives when must not depend on of what it is.
    let mut times = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut kinds = Xoshiro256PlusPlus::seed_from_u64(seed ^ u64::MAX);
    let mut expected = 0.0;
    std::iter::from_fn(move || {
        // Of a process with one arrival in each unit of time; `time_of` stretches its time.
        expected -= (1.0 - times.random::<f64>()).ln();
        let at_s = time_of(shape, rate, length_s, expected);
        (at_s < length_s).then(|| Arrival { at_s, population: mix.pick(kinds.random()) })
    })
}

/// When so many arrivals are to be expected, in seconds.
fn time_of(shape: Shape, rate: f64, length_s: f64, expected: f64) -> f64 {
    match shape {
        Shape::Poisson | Shape::Trace => expected / rate,
        Shape::Bursts => {
            let of_burst = rate * BURST_EVERY_S;
            let before = (expected / of_burst).floor();
            before * BURST_EVERY_S + (expected - before * of_burst) / rate * BURST_SHARE
        }
        Shape::Ramp => (2.0 * length_s * expected / rate).sqrt(),
    }
}

/// Reads a trace: on each line a time in seconds from the beginning, which never falls, and the name of a population
/// if the mix is not to say which. Lines that are empty or begin with `#` do not count.
///
/// # Errors
/// What is wrong with which line.
pub(crate) fn read_trace(text: &str, seed: u64, mix: &Mix) -> Result<Vec<Arrival>, String> {
    let mut kinds = Xoshiro256PlusPlus::seed_from_u64(seed ^ u64::MAX);
    let mut arrivals: Vec<Arrival> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (time, name) = match line.split_once(char::is_whitespace) {
            Some((time, name)) => (time, Some(name.trim())),
            None => (line, None),
        };
        let before_s = arrivals.last().map_or(0.0, |arrival| arrival.at_s);
        let at_s = time.parse().ok().filter(|at_s: &f64| at_s.is_finite() && *at_s >= before_s);
        let at_s = at_s.ok_or_else(|| {
            format!("line {number}: `{time}` is no time in seconds, or earlier than the one before")
        })?;
        let population = match name {
            None => mix.pick(kinds.random()),
            Some(name) => mix
                .position(name)
                .ok_or_else(|| format!("line {number}: the mix has no population `{name}`"))?,
        };
        arrivals.push(Arrival { at_s, population });
    }
    if arrivals.is_empty() { Err("there is no arrival in it".to_owned()) } else { Ok(arrivals) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix() -> Mix {
        let text = "
            [[population]]
            name = 'small'
            weight = 3
            sources = ['s3://load/small/']
            [[population]]
            name = 'large'
            sources = ['s3://load/large/']
        ";
        Mix::read(text).expect("a mix")
    }

    fn arrivals(shape: Shape, rate: f64, length_s: f64, seed: u64) -> Vec<Arrival> {
        schedule(shape, rate, length_s, seed, &mix()).collect()
    }

    /// How many of them arrive from `from_s` on and before `to_s`.
    fn between(arrivals: &[Arrival], from_s: f64, to_s: f64) -> f64 {
        arrivals.iter().filter(|arrival| (from_s..to_s).contains(&arrival.at_s)).count() as f64
    }

    /// Whether a number of arrivals is what chance makes of `expected`: within five deviations.
    fn is_about(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= 5.0 * expected.sqrt()
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals() {
        for shape in [Shape::Poisson, Shape::Bursts, Shape::Ramp] {
            let first = arrivals(shape, 20.0, 100.0, 7);
            assert_eq!(first, arrivals(shape, 20.0, 100.0, 7));
            assert_ne!(first, arrivals(shape, 20.0, 100.0, 8));
            assert!(first.is_sorted_by(|a, b| a.at_s <= b.at_s), "{shape:?} runs forward");
        }
    }

    #[test]
    fn poisson_has_the_rate_and_the_spread() {
        let all = arrivals(Shape::Poisson, 50.0, 2_000.0, 1);
        assert!(is_about(all.len() as f64, 100_000.0), "{}", all.len());
        // Its gaps are as long as they are spread: a steady beat would have no spread at all.
        let gaps: Vec<f64> = all.windows(2).map(|pair| pair[1].at_s - pair[0].at_s).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03, "{} and {mean}", variance.sqrt());
        let small = all.iter().filter(|arrival| arrival.population == 0).count() as f64;
        assert!((small / all.len() as f64 - 0.75).abs() < 0.01, "{small} of {}", all.len());
    }

    #[test]
    fn bursts_have_the_rate_and_rest_in_between() {
        let all = arrivals(Shape::Bursts, 50.0, 1_000.0, 1);
        assert!(is_about(all.len() as f64, 50_000.0), "{}", all.len());
        assert!(is_about(between(&all, 500.0, 502.0), 500.0));
        assert_eq!(between(&all, 502.0, 510.0), 0.0);
    }

    #[test]
    fn a_ramp_rises_to_the_rate() {
        let all = arrivals(Shape::Ramp, 100.0, 1_000.0, 1);
        assert!(is_about(all.len() as f64, 50_000.0), "{}", all.len());
        for (from_s, expected) in [(0.0, 500.0), (450.0, 5_000.0), (900.0, 9_500.0)] {
            assert!(is_about(between(&all, from_s, from_s + 100.0), expected), "from {from_s} s");
        }
    }

    #[test]
    fn a_trace_is_taken_as_it_is() {
        let read = read_trace("# at, what\n0.5 large\n\n0.5\tsmall\n2.25\n", 1, &mix()).expect("a trace");
        assert_eq!(
            read[..2].iter().map(|a| (a.at_s, a.population)).collect::<Vec<_>>(),
            [(0.5, 1), (0.5, 0)]
        );
        assert_eq!((read.len(), read[2].at_s), (3, 2.25));
        for (text, words) in [
            ("", "no arrival"),
            ("1\n0.5\n", "line 2"),
            ("-1", "line 1"),
            ("inf", "line 1"),
            ("1 huge", "no population `huge`"),
        ] {
            let why = read_trace(text, 1, &mix()).expect_err(text);
            assert!(why.contains(words), "{why}");
        }
    }
}
