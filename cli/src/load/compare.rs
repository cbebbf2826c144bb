//! Two loads side by side: what is better or worse in the second, as far as chance allows to say so.

use serde::Serialize;

use super::figures::{Quantile, Spread};
use super::run::Run;
use super::unit::Unit;

/// A rate or an amount that differs by less is taken for the same: it is measured once in each run, so nothing says how
/// much of the difference is chance.
const SAME: f64 = 0.1;

/// What one figure is in both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// What it is.
    pub(crate) what: String,
    /// In which unit.
    pub(crate) unit: Unit,
    /// Its value in the first run.
    pub(crate) first: Option<f64>,
    /// Its value in the second run.
    pub(crate) second: Option<f64>,
    /// What to make of it.
    pub(crate) verdict: Verdict,
}

impl Row {
    /// By how much the second is more than the first, as a share of it.
    pub(crate) fn change(&self) -> Option<f64> {
        let (first, second) = (self.first?, self.second?);
        (first != 0.0).then(|| second / first - 1.0)
    }
}

/// What to make of the second value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It is better.
    Better,
    /// It is worse.
    Worse,
    /// It is the same, or chance might have made the difference.
    Same,
    /// One of them is not known.
    Unknown,
}

/// Two runs, figure by figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// What was not alike in what was asked for: the more there is, the less the figures say.
    pub(crate) differs: Vec<String>,
    /// The figures.
    pub(crate) rows: Vec<Row>,
}

impl Comparison {
    /// Of two runs.
    pub(crate) fn of(first: &Run, second: &Run) -> Self {
        let mut rows = Vec::new();
        for (what, of) in [
            ("accepted", (|run| run.all.accepted_s) as fn(&Run) -> Option<Spread>),
            ("first part", |run| run.all.first_part_s),
            ("completed", |run| run.all.completed_s),
        ] {
            let (before, after) = (of(first), of(second));
            for (name, at) in [
                ("p50", (|spread| spread.p50) as fn(Spread) -> Quantile),
                ("p90", |spread| spread.p90),
                ("p99", |spread| spread.p99),
            ] {
                rows.push(latency(&format!("{what}, {name}"), before.map(at), after.map(at)));
            }
        }
        let mut row = |what: &str, unit, more_is: Verdict, of: &dyn Fn(&Run) -> Option<f64>| {
            rows.push(amount(what, unit, more_is, of(first), of(second)));
        };
        let not_completed = |run: &Run| {
            let (counted, completed) = (run.all.arrivals - run.all.stopped, run.all.completed);
            (counted > 0).then(|| (counted - completed) as f64 / counted as f64)
        };
        use Unit::{Bytes, BytesPerSecond, Cores, Number, PerSecond, Share};
        use Verdict::{Better, Worse};
        row("archives a second", PerSecond, Better, &|run| Some(run.all.jobs_per_second));
        row("bytes a second", BytesPerSecond, Better, &|run| Some(run.all.bytes_per_second));
        row("not completed", Share, Worse, &not_completed);
        row("fairness", Number, Better, &|run| run.fairness);
        row("highest load", PerSecond, Better, &|run| run.search.as_ref()?.highest);
        row("coordinator's processors", Cores, Worse, &|run| Some(run.coordinator?.cores_mean));
        row("coordinator's memory", Bytes, Worse, &|run| Some(run.coordinator?.bytes_max));
        row("nodes' processors", Cores, Worse, &|run| Some(run.nodes?.cores_mean));
        row("nodes' memory", Bytes, Worse, &|run| Some(run.nodes?.bytes_max));
        rows.retain(|row| row.first.is_some() || row.second.is_some());
        Self { differs: differs(first, second), rows }
    }

    /// Whether anything is worse in the second.
    pub(crate) fn is_worse(&self) -> bool {
        self.rows.iter().any(|row| row.verdict == Verdict::Worse)
    }
}

/// Two latencies are told apart where the intervals around them do not touch.
fn latency(what: &str, first: Option<Quantile>, second: Option<Quantile>) -> Row {
    let verdict = match (first, second) {
        (Some(first), Some(second)) if second.low > first.high => Verdict::Worse,
        (Some(first), Some(second)) if second.high < first.low => Verdict::Better,
        (Some(_), Some(_)) => Verdict::Same,
        _ => Verdict::Unknown,
    };
    let value = |quantile: Option<Quantile>| quantile.map(|quantile| quantile.value);
    Row { what: what.to_owned(), unit: Unit::Seconds, first: value(first), second: value(second), verdict }
}

/// Two amounts of which more is `more_is`.
fn amount(what: &str, unit: Unit, more_is: Verdict, first: Option<f64>, second: Option<f64>) -> Row {
    let less_is = if more_is == Verdict::Better { Verdict::Worse } else { Verdict::Better };
    let verdict = match (first, second) {
        // Of shares a hundredth is much, and of nothing none.
        (Some(first), Some(second)) if unit == Unit::Share && (second - first).abs() <= SAME / 10.0 => {
            Verdict::Same
        }
        (Some(first), Some(second)) if (second - first).abs() <= SAME * first.max(second) => Verdict::Same,
        (Some(first), Some(second)) if second > first => more_is,
        (Some(_), Some(_)) => less_is,
        _ => Verdict::Unknown,
    };
    Row { what: what.to_owned(), unit, first, second, verdict }
}

/// What was not asked for alike.
fn differs(first: &Run, second: &Run) -> Vec<String> {
    let mut differs = Vec::new();
    let mut note = |what: &str, of: &dyn Fn(&Run) -> String| {
        let (before, after) = (of(first), of(second));
        if before != after {
            differs.push(format!("{what}: {before}, then {after}"));
        }
    };
    note("arrivals", &|run| run.asked.arrivals.name().to_owned());
    note("rate", &|run| format!("{:.3}/s", run.asked.rate));
    note("length", &|run| format!("{:.0} s", run.asked.seconds));
    note("seed", &|run| run.asked.seed.to_string());
    note("populations", &|run| {
        let told = run
            .asked
            .populations
            .iter()
            .map(|one| format!("{} x {} of {}", one.weight, one.name, one.tenant));
        told.collect::<Vec<_>>().join(", ")
    });
    note("stopped before its end", &|run| if run.was_stopped { "yes" } else { "no" }.to_owned());
    differs
}

#[cfg(test)]
mod tests {
    use super::super::run::tests::run;
    use super::*;

    fn verdict(comparison: &Comparison, what: &str) -> Verdict {
        comparison.rows.iter().find(|row| row.what == what).unwrap_or_else(|| panic!("no {what}")).verdict
    }

    #[test]
    fn a_run_is_as_good_as_itself() {
        let comparison = Comparison::of(&run(1.0), &run(1.0));
        assert!(!comparison.is_worse() && comparison.differs.is_empty());
        assert!(comparison.rows.iter().all(|row| row.verdict == Verdict::Same), "{comparison:#?}");
        assert_eq!(verdict(&comparison, "nodes' processors"), Verdict::Same);
        // There was no search in either.
        assert!(!comparison.rows.iter().any(|row| row.what == "highest load"));
    }

    #[test]
    fn what_takes_longer_is_worse_and_the_other_way_round_better() {
        let slower = Comparison::of(&run(1.0), &run(1.3));
        assert!(slower.is_worse());
        assert_eq!(verdict(&slower, "completed, p50"), Verdict::Worse);
        assert_eq!(verdict(&slower, "accepted, p50"), Verdict::Same);
        let faster = Comparison::of(&run(1.3), &run(1.0));
        assert!(!faster.is_worse());
        assert_eq!(verdict(&faster, "completed, p50"), Verdict::Better);
    }

    #[test]
    fn less_work_done_is_worse() {
        let (mut first, second) = (run(1.0), run(1.0));
        first.all.jobs_per_second *= 1.5;
        first.asked.rate = 6.0;
        let comparison = Comparison::of(&first, &second);
        assert_eq!(verdict(&comparison, "archives a second"), Verdict::Worse);
        assert_eq!(comparison.differs, ["rate: 6.000/s, then 4.000/s"]);
        let mut failing = run(1.0);
        failing.all.completed -= 20;
        assert_eq!(verdict(&Comparison::of(&second, &failing), "not completed"), Verdict::Worse);
        failing.coordinator = None;
        assert_eq!(verdict(&Comparison::of(&second, &failing), "coordinator's memory"), Verdict::Unknown);
    }
}
