//! What a load is, in words for people: while it goes on, and when it has ended.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::load::figures::{End, Figures, Record, Spread};
use crate::load::run::{Round, Run};
use crate::load::taken::Taken;
use crate::load::unit::Unit;
use crate::output::{Voice, count, size, table};

/// How often a plain line is said.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Of how many jobs, the last that completed, it is shown what they took.
const OF_LATE: usize = 200;

/// Shows how far a load has come.
pub(super) struct Display {
    voice: Voice,
    bar: ProgressBar,
    last_line: Instant,
    seconds: f64,
}

impl Display {
    /// Of a load in which jobs arrive for so many seconds.
    pub(super) fn new(voice: Voice, seconds: f64) -> Self {
        let target =
            if voice.draws() { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(seconds.ceil() as u64), target);
        let style = ProgressStyle::with_template("{bar:20} {pos}/{len} s: {msg}");
        bar.set_style(style.expect("the template is constant and valid"));
        Self { voice, bar, last_line: Instant::now(), seconds }
    }

    /// Shows it after so many seconds.
    pub(super) fn show(&mut self, at_s: f64, records: &[Record], in_flight: usize) {
        let is_due = self.last_line.elapsed() >= LINE_EVERY;
        if !self.voice.speaks() || !(self.voice.draws() || is_due) {
            return;
        }
        let took = records.iter().rev().filter_map(Record::to_completed_s).take(OF_LATE);
        let completed = records.iter().filter(|record| matches!(record.end, End::Completed { .. })).count();
        let mut text = format!("{}, {in_flight} in flight", count(completed as u64, "archive"));
        if completed < records.len() {
            text.push_str(&format!(", {} came to nothing", records.len() - completed));
        }
        if let Some(spread) = Spread::of(took) {
            let [p50, p99] = [spread.p50, spread.p99].map(|at| Unit::Seconds.show(at.value));
            text.push_str(&format!("; of late half within {p50}, 99 % within {p99}"));
        }
        self.bar.set_position(at_s.min(self.seconds) as u64);
        self.bar.set_message(text.clone());
        if !self.voice.draws() {
            self.last_line = Instant::now();
            self.voice.say(&format!("{at_s:.0} s: {text}"));
        }
    }

    /// Says a line that stays.
    pub(super) fn above(&self, line: &str) {
        self.bar.suspend(|| self.voice.say(line));
    }

    /// Removes the bar, so that what follows stands alone.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// How a round of the search went.
pub(super) fn round(round: &Round) -> String {
    let (rate, share) = (Unit::PerSecond.show(round.rate), Unit::Share.show(round.share_within));
    let verdict = if round.is_borne { "borne" } else { "not borne" };
    format!(
        "{rate}: {verdict}; {share} within the limit, 99 % of the archives within {}",
        Unit::Seconds.show_or_dash(round.p99_s)
    )
}

/// When something was, as people read it.
pub(super) fn date(unix_s: u64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let at = i64::try_from(unix_s).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    at.and_then(|at| at.format(format).ok()).unwrap_or_default()
}

/// What a load came to.
pub(super) fn text(run: &Run) -> String {
    let mut lines = Vec::new();
    if let Some(search) = &run.search {
        lines.push(match search.highest {
            Some(highest) => format!(
                "the highest load borne is {}, found in {}; at that rate:",
                Unit::PerSecond.show(highest),
                count(search.rounds.len() as u64, "round")
            ),
            None => "no load that was tried is borne; in the last round:".to_owned(),
        });
    }
    lines.push(outcome(run));
    lines.push(latencies(&run.all));
    if run.tenants.len() > 1 {
        let rows = run.tenants.iter().map(|tenant| {
            let p99_s = tenant.figures.completed_s.map(|spread| spread.p99.value);
            let slowdown = Unit::Number.show_or_dash(tenant.slowdown);
            [
                tenant.name.clone(),
                tenant.figures.completed.to_string(),
                slowdown,
                Unit::Seconds.show_or_dash(p99_s),
            ]
        });
        lines.push(table(["tenant", "archives", "slowdown", "p99"], rows));
        lines.push(format!("fairness between tenants: {}", Unit::Number.show_or_dash(run.fairness)));
    }
    for (what, taken) in [("coordinator", run.coordinator), ("nodes together", run.nodes)] {
        if let Some(Taken { cores_mean, cores_max, bytes_max }) = taken {
            let [mean, most] = [cores_mean, cores_max].map(|cores| Unit::Cores.show(cores));
            let memory = size(bytes_max as u64);
            lines
                .push(format!("{what}: {mean} processors busy on average, {most} at most, {memory} at most"));
        }
    }
    for trouble in &run.troubles {
        lines.push(format!("{} x {}: {}", trouble.count, trouble.what, trouble.example));
    }
    lines.join("\n")
}

fn outcome(run: &Run) -> String {
    let Figures { arrivals, completed, bytes, jobs_per_second, bytes_per_second, .. } = run.all;
    let mut text = format!(
        "{} in {}: {} of {} ({}, {})",
        count(arrivals, "arrival"),
        Unit::Seconds.show(run.seconds),
        count(completed, "archive"),
        size(bytes),
        Unit::PerSecond.show(jobs_per_second),
        Unit::BytesPerSecond.show(bytes_per_second)
    );
    let all = &run.all;
    for (number, what) in [
        (all.failed, "failed"),
        (all.refused, "refused"),
        (all.lost, "lost"),
        (all.not_sent, "not sent, because too many were in flight"),
        (all.late, "cancelled as too late"),
        (all.stopped, "cancelled because it was stopped"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {number} {what}"));
        }
    }
    if let (Some(share), Some(limit_s)) = (run.share_within, run.asked.p99_limit_s) {
        text.push_str(&format!("; {} within {}", Unit::Share.show(share), Unit::Seconds.show(limit_s)));
    }
    text
}

fn latencies(all: &Figures) -> String {
    let rows = [("accepted", all.accepted_s), ("first part", all.first_part_s), ("archive", all.completed_s)];
    let rows = rows.into_iter().map(|(what, spread)| {
        let show = |of: fn(Spread) -> f64| Unit::Seconds.show_or_dash(spread.map(of));
        [
            what.to_owned(),
            show(|it| it.mean),
            show(|it| it.p50.value),
            show(|it| it.p90.value),
            show(|it| it.p95.value),
            show(|it| it.p99.value),
            show(|it| it.max),
        ]
    });
    table(["from arrival to", "mean", "p50", "p90", "p95", "p99", "most"], rows)
}
