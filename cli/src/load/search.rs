//! The highest load that a cluster bears: rates are doubled or halved until one is borne and one is not, and then what
//! lies between is halved.

use proto::limits::{LOAD_RATE_MAX, LOAD_ROUNDS_MAX};

/// So close together two rates are one.
const CLOSE: f64 = 1.1;

/// The search for the highest rate that is borne.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    first: f64,
    rounds: usize,
    /// The highest that was borne, and the lowest that was not.
    borne: Option<f64>,
    not_borne: Option<f64>,
}

impl Search {
    /// A search that begins with this rate.
    pub(crate) fn from(first: f64) -> Self {
        Self { first, rounds: 0, borne: None, not_borne: None }
    }

    /// What is to be tried next; `None` when it is over.
    pub(crate) fn next(&self) -> Option<f64> {
        if self.rounds >= LOAD_ROUNDS_MAX {
            return None;
        }
        match (self.borne, self.not_borne) {
            (None, None) => Some(self.first),
            (Some(borne), None) => (borne < LOAD_RATE_MAX).then(|| (2.0 * borne).min(LOAD_RATE_MAX)),
            (None, Some(not_borne)) => Some(not_borne / 2.0),
            // The middle of a ratio: rates are as far apart as one is a multiple of the other.
            (Some(borne), Some(not)) => (not / borne > CLOSE).then(|| (borne * not).sqrt()),
        }
    }

    /// Takes note of whether a rate was borne.
    pub(crate) fn note(&mut self, rate: f64, is_borne: bool) {
        self.rounds += 1;
        if is_borne {
            self.borne = Some(self.borne.map_or(rate, |borne| borne.max(rate)));
        } else {
            self.not_borne = Some(self.not_borne.map_or(rate, |not_borne| not_borne.min(rate)));
        }
    }

    /// The highest rate that was borne, so far.
    pub(crate) fn highest(&self) -> Option<f64> {
        self.borne
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks for the limit of a cluster that bears up to `limit`; what was found, and in how many rounds.
    fn search(first: f64, limit: f64) -> (Option<f64>, usize) {
        let mut search = Search::from(first);
        while let Some(rate) = search.next() {
            search.note(rate, rate <= limit);
        }
        (search.highest(), search.rounds)
    }

    #[test]
    fn it_finds_the_limit_from_below_and_from_above() {
        for (first, limit) in [(1.0, 37.0), (64.0, 5.5), (10.0, 10.0), (3.0, 3.1)] {
            let (found, rounds) = search(first, limit);
            let found = found.expect("it is borne");
            assert!(found <= limit && found * CLOSE * CLOSE >= limit, "{found} of {limit}");
            assert!(rounds <= LOAD_ROUNDS_MAX);
        }
    }

    #[test]
    fn it_ends_where_there_is_no_limit() {
        assert_eq!(search(1.0, 0.0), (None, LOAD_ROUNDS_MAX));
        let (found, rounds) = search(LOAD_RATE_MAX / 4.0, f64::INFINITY);
        assert_eq!((found, rounds), (Some(LOAD_RATE_MAX), 3));
    }
}
