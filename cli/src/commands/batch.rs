//! `zipfleet submit --batch`: many archives, some at a time, by a cluster.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::api::{Submission, Submitted};
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Outcome};
use proto::limits::{BATCH_AWAY_MS, BATCH_LOSSES_MAX, BATCH_PAUSE_MS};
use proto::location::printable;
use proto::view::{JobState, JobView};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::args::{BatchArgs, ClusterArgs};
use crate::batch::{Fingerprint, Line, ResultLine, Results, read};
use crate::cluster::{Cluster, Why};
use crate::exit_code::{self, BATCH_INCOMPLETE};
use crate::failures::{internal, usage};
use crate::output::{Voice, count, size};
use crate::signals::Signals;
use crate::watching::{Unseen, until_ended};

/// How long a cluster may stay away before the batch stops.
const AWAY_MAX: Duration = Duration::from_millis(BATCH_AWAY_MS);
/// Shortest pause before a job is submitted again.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Longest pause, unless the cluster asks for a longer one.
const PAUSE_MAX: Duration = Duration::from_secs(10);

pub(super) async fn run(args: BatchArgs, cluster: &ClusterArgs, voice: Voice) -> Result<ExitCode, Failure> {
    let path = args.file.expect("it is called with a file alone");
    let cluster = Arc::new(Cluster::of(cluster)?);
    let from: Box<dyn Read + Send> = if is_stdin(&path) {
        Box::new(std::io::stdin())
    } else {
        let file = File::open(&path);
        Box::new(file.map_err(|error| usage(format!("{} cannot be read: {error}", path.display())))?)
    };
    let kept_at = args.results.or_else(|| (!is_stdin(&path)).then(|| beside(&path)));
    let results = match &kept_at {
        None => Results::unkept(),
        Some(at) => Results::at(at).map_err(|why| usage(format!("{} {why}", at.display())))?,
    };
    let mut signals = Signals::listen().map_err(internal)?;
    let (sender, lines) = mpsc::channel(1);
    let name = path.clone();
    // A thread of its own: whoever types the lines takes as long as that takes.
    let reading = tokio::task::spawn_blocking(move || {
        read(&name, from, &mut |line| sender.blocking_send(line).is_ok())
    });
    let at_a_time = usize::try_from(args.concurrency).expect("it is at most BATCH_JOBS_MAX");
    let mut batch =
        Batch { cluster, voice, at_a_time, results, running: JoinSet::new(), told: Told::default() };
    let ended = batch.run(lines, reading, &mut signals).await;
    let how_to_go_on = match &kept_at {
        Some(at) => format!("the same command goes on where it stopped: {} says what is done", at.display()),
        None => "what is done was not written down, because there is no --results".to_owned(),
    };
    batch.conclude(ended, &how_to_go_on)
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Where results are kept unless told otherwise.
fn beside(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".results.jsonl");
    beside.into()
}

/// A batch that is being worked on.
struct Batch {
    cluster: Arc<Cluster>,
    voice: Voice,
    at_a_time: usize,
    results: Results,
    running: JoinSet<Result<ResultLine, Failure>>,
    told: Told,
}

/// How many jobs of a batch ended how.
#[derive(Clone, Copy, Default, Serialize)]
struct Told {
    completed: u64,
    failed: u64,
    done_before: u64,
}

/// Why a batch is over.
enum Over {
    /// There are no more lines.
    AllRead,
    /// Someone wants to stop; the exit code.
    Stopped(u8),
}

impl Batch {
    /// Has all jobs made, so many at a time.
    async fn run(
        &mut self,
        mut lines: mpsc::Receiver<Line>,
        reading: JoinHandle<Result<(), String>>,
        signals: &mut Signals,
    ) -> Result<Over, Failure> {
        let mut is_read = false;
        while !(is_read && self.running.is_empty()) {
            tokio::select! {
                code = signals.next() => return Ok(Over::Stopped(code)),
                Some(ended) = self.running.join_next() => self.ended(&ended.map_err(internal)??)?,
                line = lines.recv(), if !is_read && self.running.len() < self.at_a_time => match line {
                    Some(line) => self.begin(line)?,
                    None => is_read = true,
                },
            }
        }
        reading.await.map_err(internal)?.map_err(|why| usage(format!("the batch {why}")))?;
        Ok(Over::AllRead)
    }

    /// Has the job of a line made, unless it is made already or none.
    fn begin(&mut self, line: Line) -> Result<(), Failure> {
        let Line { number, name, job } = line;
        let mut result = ResultLine {
            line: number,
            name,
            id: None,
            state: JobState::Failed,
            summary: None,
            error: None,
            fingerprint: None,
            serial: 0,
        };
        match job {
            Err(why) => {
                result.error = Some(usage(why));
                self.ended(&result)?;
            }
            Ok(job) => {
                let fingerprint = Fingerprint::of(&job);
                let Some(key) = self.results.meet(&job, fingerprint) else {
                    self.told.done_before += 1;
                    return Ok(());
                };
                result.fingerprint = Some(fingerprint);
                result.serial = key.serial;
                let job = Submission { idempotency_key: Some(key.text), ..job };
                self.running.spawn(make(Arc::clone(&self.cluster), job, result));
            }
        }
        Ok(())
    }

    /// Tells how a job ended, and writes it down.
    fn ended(&mut self, result: &ResultLine) -> Result<(), Failure> {
        let completed = result.state == JobState::Completed;
        *(if completed { &mut self.told.completed } else { &mut self.told.failed }) += 1;
        self.voice.result(&describe(result), result);
        self.results.add(result).map_err(|error| {
            let message = format!("the results cannot be written down: {error}");
            Failure::new(FailureKind::Unavailable, message)
        })
    }

    /// The closing words, and the exit code.
    fn conclude(self, over: Result<Over, Failure>, how_to_go_on: &str) -> Result<ExitCode, Failure> {
        let Self { voice, told, running, .. } = self;
        let Told { completed, failed, done_before } = told;
        let mut text = format!("{completed} completed, {failed} failed");
        if done_before > 0 {
            text.push_str(&format!(", {done_before} done before"));
        }
        voice.result(&text, &serde_json::json!({ "batch": told }));
        let go_on = match running.len() as u64 {
            0 => String::new(),
            1 => "; 1 job goes on".to_owned(),
            many => format!("; {} go on", count(many, "job")),
        };
        match over {
            Ok(Over::AllRead) if failed == 0 => Ok(ExitCode::SUCCESS),
            Ok(Over::AllRead) => {
                let message = format!("{} did not end well; {how_to_go_on}", count(failed, "job"));
                voice.say(&message);
                Ok(ExitCode::from(BATCH_INCOMPLETE))
            }
            Ok(Over::Stopped(code)) => {
                let message =
                    format!("the batch is stopped{go_on} (`zipfleet jobs` shows them); {how_to_go_on}");
                Ok(voice.failure_with(&Failure::new(FailureKind::Cancelled, message), code))
            }
            Err(failure) => {
                let message = format!("{failure}; the batch is stopped{go_on}; {how_to_go_on}");
                let code = exit_code::of(failure.kind);
                Ok(voice.failure_with(&Failure::new(failure.kind, message), code))
            }
        }
    }
}

fn describe(result: &ResultLine) -> String {
    let mut text = format!("line {}", result.line);
    if let Some(name) = &result.name {
        text.push_str(&format!(" ({})", printable(name)));
    }
    let state = match result.state {
        JobState::Completed => "completed",
        JobState::Cancelled => "cancelled",
        JobState::Failed | JobState::Waiting | JobState::Running => "failed",
    };
    text.push_str(&format!(": {state}"));
    if let Some(summary) = &result.summary {
        text.push_str(&format!(": {}, {}", count(summary.entries, "entry"), size(summary.bytes)));
        summary.warnings.iter().for_each(|warning| text.push_str(&format!("; warning: {warning}")));
    }
    if let Some(failure) = &result.error {
        text.push_str(&format!(": {failure}"));
    }
    text
}

/// Has one job made, whatever the cluster does meanwhile; fails only when the batch cannot go on.
async fn make(cluster: Arc<Cluster>, job: Submission, mut result: ResultLine) -> Result<ResultLine, Failure> {
    let mut losses = 0;
    loop {
        let id = match submit(&cluster, &job).await {
            Ok(id) => id,
            Err(Stop::Job(failure)) => {
                result.error = Some(failure);
                return Ok(result);
            }
            Err(Stop::Batch(failure)) => return Err(failure),
        };
        result.id = Some(id);
        match until_ended(&cluster, id, true, AWAY_MAX, async |_| {}).await {
            Ok(view) => return Ok(ended(result, *view)),
            Err(Unseen::Lost(_)) if losses < BATCH_LOSSES_MAX => losses += 1,
            Err(Unseen::Lost(failure) | Unseen::Refused(failure)) => {
                result.error = Some(failure);
                return Ok(result);
            }
            Err(Unseen::Away(failure)) => return Err(failure),
        }
    }
}

fn ended(result: ResultLine, view: JobView) -> ResultLine {
    let (summary, error) = match view.outcome {
        Some(Outcome::Completed(summary)) => (Some(summary), None),
        Some(Outcome::Failed { mut failure, left_behind }) => {
            left_behind.iter().for_each(|left| failure.message.push_str(&format!("; and {left}")));
            (None, Some(failure))
        }
        None => (None, Some(internal("the cluster told that the job has ended, but not how"))),
    };
    ResultLine { state: view.state, summary, error, ..result }
}

/// Why a job was not submitted.
enum Stop {
    /// Something is wrong with it.
    Job(Failure),
    /// Others would fare no better.
    Batch(Failure),
}

/// Submits a job; waits while the cluster takes none, and for some time while it is not there.
async fn submit(cluster: &Cluster, job: &Submission) -> Result<JobId, Stop> {
    let (mut pause, mut away_since) = (PAUSE_MIN, None);
    loop {
        let trouble = match cluster.submit(job).await {
            Ok(Submitted { id, .. }) => return Ok(id),
            Err(trouble) => trouble,
        };
        let asked = match trouble.why {
            Why::Refused => return Err(Stop::Job(trouble.failure)),
            Why::Unknown => return Err(Stop::Batch(trouble.failure)),
            Why::Later(asked) => {
                // It is there, and has much to do.
                away_since = None;
                asked.unwrap_or_default().min(Duration::from_millis(BATCH_PAUSE_MS))
            }
            Why::Unreached | Why::Unanswered => {
                if away_since.get_or_insert_with(Instant::now).elapsed() >= AWAY_MAX {
                    return Err(Stop::Batch(trouble.failure));
                }
                Duration::ZERO
            }
        };
        if pause < PAUSE_MAX && pause * 2 >= PAUSE_MAX {
            tracing::warn!(failure = %trouble.failure, "a job is not taken for some time; trying on");
        }
        // All that wait do not come back at the same moment.
        tokio::time::sleep(pause.max(asked).mul_f64(rand::random_range(1.0..1.25))).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
