//! The jobs as those who submitted them know them: who wants which, under which key, and how they ended.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use coordinator::machine::Ended;
use proto::api::JobReport;
use proto::explain::{Decision, Explanation};
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, JobSpec, Outcome};
use proto::limits::{BARS_REMEMBERED, CALLBACK_URL_BYTES_MAX, JOBS_REMEMBERED, KEYS_REMEMBERED};
use proto::location::Location;
use proto::requests::RequestCounts;
use proto::timeline::Timeline;
use proto::view::JobView;
use tokio::sync::{oneshot, watch};

use crate::callback::address;

/// Something like a hash of a submission: the same for the same submission.
pub type Fingerprint = [u8; 32];

/// A job that someone wants.
#[derive(Debug)]
pub struct JobRequest {
    /// Its id, should it become a job.
    pub id: JobId,
    /// The job.
    pub spec: JobSpec,
    /// The key under which it is submitted once, and what it looks like.
    pub key: Option<(String, Fingerprint)>,
    /// Whom to tell how it ended.
    pub callback: Option<CallbackTarget>,
    /// Most jobs its owner may have that have not ended.
    pub jobs_max: Option<usize>,
    /// The manifest written for it, to be removed when it has ended.
    pub manifest: Option<Location>,
}

impl JobRequest {
    /// A job that is like no other.
    #[must_use]
    pub fn new(spec: JobSpec) -> Self {
        let id = JobId(rand::random());
        Self { id, spec, key: None, callback: None, jobs_max: None, manifest: None }
    }
}

/// Whom to tell how a job ended.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackTarget {
    /// Where to POST.
    pub(crate) url: String,
    /// What to sign it with.
    pub(crate) key: Arc<[u8]>,
}

impl CallbackTarget {
    /// Whom to tell at `url`, signed with `key`.
    ///
    /// # Errors
    /// When there can be no callback to that address.
    pub fn new(url: String, key: Arc<[u8]>) -> Result<Self, Failure> {
        if url.len() > CALLBACK_URL_BYTES_MAX || address(&url).is_none() {
            let message = format!(
                "a callback goes to an address as https://host/path, of up to {CALLBACK_URL_BYTES_MAX} bytes and without a password"
            );
            return Err(Failure::new(FailureKind::BadRequest, message));
        }
        Ok(Self { url, key })
    }
}

impl std::fmt::Debug for CallbackTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Either may hold what only caller and receiver should know.
        f.debug_struct("CallbackTarget").finish_non_exhaustive()
    }
}

/// A job as whoever watches it sees it.
#[derive(Clone, Debug)]
pub struct Sight {
    /// The job, with its outcome when nothing of it is left to do.
    pub view: JobView,
    /// What went wrong so far and was mended; only ever grows. Shared by all who watch.
    pub problems: Arc<[Decision]>,
}

/// A job that has ended, as long as it is remembered.
pub(crate) struct Kept {
    /// Without its outcome until nothing of it is left.
    pub(crate) view: JobView,
    pub(crate) explanation: Explanation,
    pub(crate) timeline: Timeline,
    pub(crate) requests: RequestCounts,
}

/// What is known of a job beside what the machine knows.
pub(crate) struct Card {
    pub(crate) owner: Option<String>,
    pub(crate) callback: Option<CallbackTarget>,
    pub(crate) manifest: Option<Location>,
    /// Jobs are numbered as they are submitted.
    number: u64,
    /// Who waits for it; none once it is settled.
    waiting: Option<oneshot::Sender<Outcome>>,
    watched: Option<watch::Sender<Sight>>,
    /// How it ended, once it has.
    kept: Option<Box<Kept>>,
}

/// An idempotency key, which is its owner's alone.
type OwnKey = (Option<String>, String);

/// All jobs that have not been forgotten.
#[derive(Default)]
pub(crate) struct Roster {
    cards: BTreeMap<JobId, Card>,
    numbers: BTreeMap<u64, JobId>,
    /// They outlive what is remembered of their jobs: whoever retries may do so minutes later.
    keys: BTreeMap<OwnKey, (JobId, Fingerprint)>,
    /// The same, the oldest first.
    keys_by_age: VecDeque<OwnKey>,
    unsettled: BTreeMap<Option<String>, usize>,
    /// Those that have ended, the last first.
    remembered: VecDeque<JobId>,
    submitted: u64,
}

impl Roster {
    /// The job that was submitted under the same key, with what it looked like.
    pub(crate) fn known(&self, owner: Option<&str>, key: &str) -> Option<(JobId, Fingerprint)> {
        self.keys.get(&(owner.map(ToOwned::to_owned), key.to_owned())).copied()
    }

    /// How many jobs of an owner are not settled.
    pub(crate) fn unsettled_of(&self, owner: Option<&str>) -> usize {
        self.unsettled.get(&owner.map(ToOwned::to_owned)).copied().unwrap_or_default()
    }

    /// Takes a job in.
    pub(crate) fn add(&mut self, request: &JobRequest, waiting: oneshot::Sender<Outcome>) {
        let JobRequest { id, spec, key, callback, manifest, .. } = request;
        let owner = spec.owner.clone();
        self.submitted += 1;
        self.numbers.insert(self.submitted, *id);
        if let Some((key, fingerprint)) = key {
            self.add_key((owner.clone(), key.clone()), (*id, *fingerprint));
        }
        *self.unsettled.entry(owner.clone()).or_default() += 1;
        let card = Card {
            owner,
            callback: callback.clone(),
            manifest: manifest.clone(),
            number: self.submitted,
            waiting: Some(waiting),
            watched: None,
            kept: None,
        };
        self.cards.insert(*id, card);
    }

    fn add_key(&mut self, key: OwnKey, job: (JobId, Fingerprint)) {
        if self.keys.len() >= KEYS_REMEMBERED
            && let Some(oldest) = self.keys_by_age.pop_front()
        {
            self.keys.remove(&oldest);
        }
        self.keys_by_age.push_back(key.clone());
        self.keys.insert(key, job);
    }

    /// Lets go of a job that was just taken in and proved to be none: it may be submitted again under the same key.
    pub(crate) fn refuse(&mut self, id: JobId) {
        if self.keys_by_age.back().is_some_and(|key| self.keys.get(key).is_some_and(|(job, _)| *job == id))
            && let Some(key) = self.keys_by_age.pop_back()
        {
            self.keys.remove(&key);
        }
        self.forget(id);
    }

    /// Whether all jobs are settled.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// Remembers how a job ended, and forgets one that ended long ago.
    pub(crate) fn ended(&mut self, ended: Ended) {
        let Ended { view, explanation, timeline, requests, .. } = ended;
        // Never one that is not settled: whoever waits for it would not be told.
        let is_over = |kept: &Kept| kept.view.outcome.is_some();
        while self.remembered.len() >= JOBS_REMEMBERED
            && let Some(oldest) = self.remembered.iter().rposition(|id| self.kept(*id).is_none_or(is_over))
            && let Some(oldest) = self.remembered.remove(oldest)
        {
            self.forget(oldest);
        }
        let Some(card) = self.cards.get_mut(&view.id) else { return };
        self.remembered.push_front(view.id);
        card.kept = Some(Box::new(Kept { view, explanation, timeline, requests }));
        let mut bars = 0;
        for id in &self.remembered {
            let Some(kept) = self.cards.get_mut(id).and_then(|card| card.kept.as_mut()) else { continue };
            bars += kept.timeline.bars.len();
            if bars > BARS_REMEMBERED {
                let unshown = kept.timeline.unshown + kept.timeline.bars.len() as u64;
                kept.timeline = Timeline { unshown, ..Timeline::default() };
            }
        }
    }

    /// Notes that nothing of a job is left to do, and tells whoever waits for it or watches it.
    pub(crate) fn settle(&mut self, id: JobId, outcome: Outcome) {
        let Some(card) = self.cards.get_mut(&id) else { return };
        if let Some(kept) = &mut card.kept {
            kept.view = kept.view.clone().ended(outcome.clone());
        }
        let sight = card.kept.as_ref().map(|kept| kept.sight());
        if let (Some(watched), Some(sight)) = (card.watched.take(), sight) {
            watched.send_replace(sight);
        }
        let Some(waiting) = card.waiting.take() else { return };
        // Whoever submitted it may have stopped waiting.
        let _ = waiting.send(outcome);
        let owner = card.owner.clone();
        if let Some(count) = self.unsettled.get_mut(&owner) {
            *count -= 1;
            if *count == 0 {
                self.unsettled.remove(&owner);
            }
        }
    }

    fn forget(&mut self, id: JobId) {
        if let Some(card) = self.cards.remove(&id) {
            self.numbers.remove(&card.number);
        }
    }

    pub(crate) fn card(&self, id: JobId) -> Option<&Card> {
        self.cards.get(&id)
    }

    /// A job that has ended and is remembered.
    pub(crate) fn kept(&self, id: JobId) -> Option<&Kept> {
        self.cards.get(&id)?.kept.as_deref()
    }

    /// Begins to watch a job, of which `now` is what is to be seen.
    pub(crate) fn watch(&mut self, id: JobId, now: Sight) -> watch::Receiver<Sight> {
        let is_over = now.view.outcome.is_some();
        let Some(card) = self.cards.get_mut(&id).filter(|_| !is_over) else {
            return watch::channel(now).1;
        };
        match &card.watched {
            Some(watched) => watched.subscribe(),
            None => {
                let (watched, watching) = watch::channel(now);
                card.watched = Some(watched);
                watching
            }
        }
    }

    /// Jobs that somebody watches; those nobody watches any more are no longer among them.
    pub(crate) fn watched(&mut self) -> Vec<JobId> {
        let watched = self.cards.iter_mut().filter_map(|(id, card)| {
            if card.watched.as_ref().is_some_and(watch::Sender::is_closed) {
                card.watched = None;
            }
            card.watched.is_some().then_some(*id)
        });
        watched.collect()
    }

    /// Shows a job to those who watch it.
    pub(crate) fn show(&self, id: JobId, sight: Sight) {
        if let Some(watched) = self.cards.get(&id).and_then(|card| card.watched.as_ref()) {
            watched.send_replace(sight);
        }
    }

    /// Jobs submitted before this one, or all, the last first; `None` when it is forgotten.
    pub(crate) fn before(&self, job: Option<JobId>) -> Option<impl Iterator<Item = JobId>> {
        let number = match job {
            Some(job) => self.cards.get(&job)?.number,
            None => u64::MAX,
        };
        Some(self.numbers.range(..number).rev().map(|(_, id)| *id))
    }
}

impl Kept {
    /// The job as it is seen.
    fn sight(&self) -> Sight {
        Sight { view: self.view.clone(), problems: problems(&self.explanation) }
    }

    /// The report, without its entries.
    pub(crate) fn report(&self) -> JobReport {
        let report = report(self.view.clone(), self.explanation.clone(), self.requests);
        match &self.view.outcome {
            Some(Outcome::Completed(summary)) => JobReport { skipped: summary.skipped.clone(), ..report },
            _ => report,
        }
    }
}

/// A report without its entries.
pub(crate) fn report(job: JobView, explanation: Explanation, requests: RequestCounts) -> JobReport {
    let Explanation { nodes, decisions, untold, .. } = explanation;
    let price_usd = requests.price_usd();
    JobReport { job, nodes, decisions, untold, requests, price_usd, skipped: Vec::new(), entries: Vec::new() }
}

/// The decisions that mended something.
pub(crate) fn problems(explanation: &Explanation) -> Arc<[Decision]> {
    explanation.decisions.iter().filter(|decision| decision.what.is_problem()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use coordinator::machine::{Event, Machine};
    use proto::failure::{Failure, FailureKind};
    use proto::location::Source;

    fn spec() -> JobSpec {
        let at = |key: &str| Location { bucket: "b".into(), key: key.into() };
        JobSpec { owner: Some("web".into()), ..JobSpec::new(vec![Source::Object(at("a"))], at("z")) }
    }

    /// Ends a job that has barely begun, as the machine does; without its outcome, which is told when it is settled.
    fn ended(id: JobId) -> (Ended, Outcome) {
        let mut machine = Machine::default();
        machine.handle(Event::Submitted(id, spec()), 0);
        let effects = machine.handle(Event::Cancelled(id), 0);
        let ended = effects.into_iter().find_map(|effect| match effect {
            coordinator::machine::Effect::Finish(ended) => Some(*ended),
            _ => None,
        });
        let mut ended = ended.expect("it was cancelled");
        let outcome = ended.view.outcome.take().expect("it ended");
        (ended, outcome)
    }

    #[test]
    fn jobs_are_forgotten_one_by_one_but_not_before_they_are_settled() {
        let mut roster = Roster::default();
        let mut waiting = Vec::new();
        let count = JOBS_REMEMBERED as u64 + 2;
        for number in 0..count {
            let id = JobId(number);
            let key = Some((format!("key-{number}"), [0; 32]));
            let (sender, receiver) = oneshot::channel();
            roster.add(&JobRequest { id, key, ..JobRequest::new(spec()) }, sender);
            waiting.push(receiver);
            let (ended, outcome) = ended(id);
            roster.ended(ended);
            // The first is the last to be settled.
            if number > 0 {
                roster.settle(id, outcome);
            }
        }
        assert_eq!(roster.unsettled_of(Some("web")), 1);
        assert!(waiting[0].try_recv().is_err(), "it is still waited for");
        let known: Vec<u64> = (0..count)
            .filter(|number| roster.known(Some("web"), &format!("key-{number}")).is_some())
            .collect();
        assert_eq!(known, (0..count).collect::<Vec<_>>(), "keys outlive what is remembered of their jobs");
        assert!(roster.kept(JobId(0)).is_some() && roster.kept(JobId(1)).is_none());
        let failure = Failure::new(FailureKind::Cancelled, "no longer wanted");
        roster.settle(JobId(0), Outcome::Failed { failure, left_behind: Vec::new() });
        assert!(roster.is_settled() && waiting[0].try_recv().is_ok());
    }

    #[test]
    fn keys_are_forgotten_the_oldest_first_and_at_once_when_a_job_is_refused() {
        let mut roster = Roster::default();
        for number in 0..=KEYS_REMEMBERED as u64 {
            roster.add_key((None, number.to_string()), (JobId(number), [0; 32]));
        }
        assert!(roster.known(None, "0").is_none() && roster.known(None, "1").is_some());
        assert!(roster.keys.len() == KEYS_REMEMBERED && roster.keys_by_age.len() == KEYS_REMEMBERED);
        let (sender, _receiver) = oneshot::channel();
        let key = Some(("again".to_owned(), [0; 32]));
        roster.add(&JobRequest { key, ..JobRequest::new(spec()) }, sender);
        let (id, _) = roster.known(Some("web"), "again").expect("it was just taken in");
        roster.refuse(id);
        assert!(roster.known(Some("web"), "again").is_none());
    }

    #[test]
    fn whoever_watches_is_told_the_end_and_who_comes_later_too() {
        let mut roster = Roster::default();
        let id = JobId(1);
        let (sender, _receiver) = oneshot::channel();
        roster.add(&JobRequest { id, ..JobRequest::new(spec()) }, sender);
        let (ended, outcome) = ended(id);
        let now = Sight { view: ended.view.clone(), problems: Arc::default() };
        let mut watching = roster.watch(id, now);
        assert_eq!(roster.watched(), [id]);
        roster.ended(ended);
        roster.settle(id, outcome.clone());
        assert_eq!(watching.borrow_and_update().view.outcome, Some(outcome));
        assert!(roster.watched().is_empty());
        let late = roster.kept(id).expect("it is remembered").sight();
        assert!(roster.watch(id, late).borrow().view.outcome.is_some());
    }
}
