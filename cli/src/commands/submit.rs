//! `zipfleet submit`: one archive, by a cluster.

use std::process::ExitCode;
use std::time::Duration;

use proto::api::{Submission, Submitted};
use proto::failure::{Failure, FailureKind};

use super::batch;
use super::watch::{Telling, Told, conclude, watch};
use crate::args::SubmitArgs;
use crate::cluster::{Cluster, Why};
use crate::failures::{internal, usage};
use crate::output::Voice;
use crate::signals::Signals;

/// How often a job is submitted whose answer is lost each time.
const TRIES: u32 = 5;
/// Pause before it is submitted again.
const AGAIN: Duration = Duration::from_millis(500);

pub(super) async fn run(args: SubmitArgs, voice: Voice) -> Result<ExitCode, Failure> {
    if args.batch.file.is_some() {
        return Box::pin(batch::run(args.batch, &args.cluster, voice)).await;
    }
    let mut submission = args.submission().map_err(usage)?;
    let key =
        submission.idempotency_key.get_or_insert_with(|| format!("{:032x}", rand::random::<u128>())).clone();
    let cluster = Cluster::of(&args.cluster)?;
    let mut signals = Signals::listen().map_err(internal)?;
    let Submitted { id, is_new } = tokio::select! {
        submitted = submit(&cluster, &submission) => submitted?,
        code = signals.next() => {
            let why = format!(
                "stopped before the cluster had answered: it may have the job; `zipfleet jobs` shows it, and the same command with --idempotency-key {key} does not make it twice"
            );
            return Ok(voice.failure_with(&Failure::new(FailureKind::Cancelled, why), code));
        }
    };
    if !args.wait {
        let submitted = if is_new { "is submitted" } else { "was submitted before, with the same key" };
        let text =
            format!("job {id} {submitted}: `zipfleet watch {id}` shows it, `zipfleet cancel {id}` ends it");
        voice.result(&text, &serde_json::json!({ "id": id, "is_new": is_new }));
        return Ok(ExitCode::SUCCESS);
    }
    voice.say(&format!("job {id}"));
    let watched = watch(&cluster, id, Telling::Nothing, voice, &mut signals).await?;
    conclude(watched, id, voice, |_, Told { text, value }| voice.result(&text, &value))
}

/// Submits a job that has an idempotency key, again if the answer was lost.
async fn submit(cluster: &Cluster, submission: &Submission) -> Result<Submitted, Failure> {
    let mut may_have_it = false;
    for last in (0..TRIES).map(|n| n + 1 == TRIES) {
        let trouble = match cluster.submit(submission).await {
            Ok(submitted) => return Ok(submitted),
            Err(trouble) => trouble,
        };
        may_have_it |= trouble.why == Why::Unanswered;
        let again = may_have_it && matches!(trouble.why, Why::Unanswered | Why::Unreached);
        if !again || last {
            let mut failure = trouble.failure;
            if let (true, Some(key)) = (may_have_it, &submission.idempotency_key) {
                failure.message.push_str(&format!(
                    "; it may have the job: the same command with --idempotency-key {key} does not make it twice"
                ));
            }
            return Err(failure);
        }
        tokio::time::sleep(AGAIN).await;
    }
    unreachable!("the last try returns")
}
