//! Waiting for a job of a cluster, whatever its coordinator and the network do meanwhile.

use std::pin::pin;
use std::time::{Duration, Instant};

use proto::api::JobEvent;
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, Progress, Stage};
use proto::view::{JobView, NodeState};

use crate::cluster::{Cluster, Events, Trouble, Why};
use crate::output::Voice;

/// How long a cluster may stay away while a job is watched: a coordinator restarts in less.
pub(crate) const AWAY_MAX: Duration = Duration::from_secs(10);
/// Pause before a cluster that went away is asked again.
const AGAIN: Duration = Duration::from_millis(200);
/// How often a cluster is asked that does not tell.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long a job may stand still before it is looked for the reason.
const IDLE_MAX: Duration = Duration::from_secs(3);
/// How often it is looked whether it stands still.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why it is not known how a job ended.
pub(crate) enum Unseen {
    /// The cluster no longer knows it: it was started again meanwhile.
    Lost(Failure),
    /// The cluster stays away.
    Away(Failure),
    /// The cluster does not tell.
    Refused(Failure),
}

impl From<Unseen> for Failure {
    fn from(unseen: Unseen) -> Self {
        match unseen {
            Unseen::Lost(failure) | Unseen::Away(failure) | Unseen::Refused(failure) => failure,
        }
    }
}

/// Waits until a job has ended; gives every event to `tell`. When the cluster goes away it is asked again for so long.
/// `was_there` is whether the job is known to have been there.
pub(crate) async fn until_ended(
    cluster: &Cluster,
    id: JobId,
    mut was_there: bool,
    away_max: Duration,
    mut tell: impl AsyncFnMut(Seen<'_>),
) -> Result<Box<JobView>, Unseen> {
    let mut events = Events::of(cluster, id);
    let mut away_since = None;
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        let next = {
            let mut next = pin!(events.next());
            loop {
                tokio::select! {
                    next = &mut next => break next,
                    _ = look.tick() => tell(Seen::Nothing).await,
                }
            }
        };
        match next {
            Ok(event) => {
                (was_there, away_since) = (true, None);
                tell(Seen::Event(&event)).await;
                if let JobEvent::Ended(view) = event {
                    return Ok(view);
                }
            }
            // As many watch as may: it does not tell, but can be asked.
            Err(Trouble { why: Why::Later(_), .. }) if let Ok(answer) = cluster.job(id, None).await => {
                (was_there, away_since) = (true, None);
                if answer.job.outcome.is_some() {
                    return Ok(Box::new(answer.job));
                }
                tell(Seen::Event(&JobEvent::Progress(answer.job.progress))).await;
                tokio::time::sleep(ASK_EVERY).await;
            }
            Err(trouble) => {
                // From the first trouble on: a request that hangs must not use up the time for all others.
                let since = *away_since.get_or_insert_with(Instant::now);
                after(trouble, id, was_there, since.elapsed() >= away_max)?;
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// What is seen of a job.
pub(crate) enum Seen<'a> {
    /// Something happened.
    Event(&'a JobEvent),
    /// Nothing happened of late.
    Nothing,
}

/// Whether to ask again after a trouble.
fn after(trouble: Trouble, id: JobId, was_there: bool, was_long_away: bool) -> Result<(), Unseen> {
    let failure = trouble.failure;
    if failure.kind == FailureKind::NotFound && was_there {
        let message =
            format!("the coordinator was started again meanwhile, and job {id} is lost: submit it again");
        return Err(Unseen::Lost(Failure::new(FailureKind::Unavailable, message)));
    }
    if matches!(trouble.why, Why::Refused | Why::Unknown) {
        return Err(Unseen::Refused(failure));
    }
    if was_long_away {
        let message = format!(
            "{failure}; if it has ended, job {id} is lost, and the next coordinator with its --state removes what was uploaded"
        );
        return Err(Unseen::Away(Failure::new(FailureKind::Unavailable, message)));
    }
    tracing::info!(%failure, "looking again");
    Ok(())
}

/// Notices a job that waits for nodes.
pub(crate) struct Idle {
    progress: Progress,
    since: Instant,
    has_told: bool,
}

impl Idle {
    pub(crate) fn new() -> Self {
        Self { progress: Progress::default(), since: Instant::now(), has_told: false }
    }

    /// Takes note of how far it has come.
    pub(crate) fn note(&mut self, progress: &Progress) {
        let was = std::mem::replace(&mut self.progress, *progress);
        if progress.stage != Stage::Transferring || progress.bytes_done != was.bytes_done {
            (self.since, self.has_told) = (Instant::now(), false);
        }
    }

    /// Says so when it has stood still for long and there is no node.
    pub(crate) async fn look(&mut self, cluster: &Cluster, voice: Voice) {
        let stands = self.progress.stage == Stage::Transferring && self.since.elapsed() >= IDLE_MAX;
        if !stands || self.has_told {
            return;
        }
        self.has_told = true;
        // Whatever keeps it from answering shows where the job is watched.
        let nodes = cluster.nodes().await.unwrap_or_default();
        if !nodes.iter().any(|node| node.state == NodeState::Active) {
            voice.say("no node takes parts at present: the job waits for one (`zipfleet nodes` shows them)");
        }
    }
}
