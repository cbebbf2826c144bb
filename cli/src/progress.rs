//! Progress: a bar on a terminal, a line every few seconds elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use proto::job::{Progress, Stage};
use proto::requests::RequestCounts;

use crate::output::{Voice, count, rate, size};

/// How often a plain line is said.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What a job is doing, in a word.
pub(crate) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "waiting",
        Stage::Listing => "listing",
        Stage::Transferring => "transferring",
        Stage::Completing => "completing",
        Stage::Aborting => "removing",
    }
}

/// Shows how far something has come.
pub(crate) struct Display {
    voice: Voice,
    bar: ProgressBar,
    began: Instant,
    last_line: Instant,
}

impl Display {
    pub(crate) fn new(voice: Voice) -> Self {
        let target =
            if voice.draws() { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        bar.set_style(
            ProgressStyle::with_template(
                "{prefix:12} {bar:30} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {msg}",
            )
            .expect("the template is constant and valid"),
        );
        let now = Instant::now();
        Self { voice, bar, began: now, last_line: now }
    }

    /// Shows the progress of a job. A part of many small objects takes long, so what is on its way counts too:
    /// each byte is half done when it has been read.
    pub(crate) fn job(&mut self, progress: &Progress, requests: &RequestCounts) {
        let stage = stage(progress.stage);
        let mut detail =
            format!("{}, {}", count(progress.entries, "object"), count(progress.parts_planned, "part"));
        if progress.stage <= Stage::Listing {
            detail.push_str(" so far");
        } else if progress.bytes_done > 0 {
            detail.push_str(&format!(", {} left", indicatif::HumanDuration(self.bar.eta())));
        }
        let moved = (requests.bytes_received + requests.bytes_sent) / 2;
        let done = moved.max(progress.bytes_done).min(progress.bytes_planned);
        self.bytes(stage, done, progress.bytes_planned, &detail);
    }

    /// Shows that `done` of `total` bytes are dealt with.
    pub(crate) fn bytes(&mut self, stage: &'static str, done: u64, total: u64, detail: &str) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.set_prefix(stage);
        self.bar.set_message(detail.to_owned());
        if !self.voice.draws() && self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let rate = rate(done, self.began.elapsed().as_secs_f64());
            self.voice.say(&format!("{stage}: {} of {}, {rate}, {detail}", size(done), size(total)));
        }
    }

    /// Says a line that stays.
    pub(crate) fn above(&self, line: &str) {
        self.bar.suspend(|| self.voice.say(line));
    }

    /// Removes the bar, so that what follows stands alone.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
