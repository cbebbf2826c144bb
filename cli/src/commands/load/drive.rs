//! Sends jobs at the times they are to arrive, whatever became of those before, and sees them to their ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::failure::FailureKind;
use proto::limits::{LOAD_IN_FLIGHT_MAX, LOAD_LOOKS_MAX};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, interval, interval_at, sleep_until};

use super::Load;
use super::job::{Told, make};
use super::show::Display;
use crate::cluster::{Cluster, Trouble};
use crate::load::arrivals::Arrival;
use crate::load::figures::{End, Record};
use crate::load::metrics::Sample;
use crate::load::run::{Seen, Troubles};
use crate::load::series::stretch_s;
use crate::signals::Signals;

/// How often it is shown how far a load has come.
const SHOW_EVERY: Duration = Duration::from_millis(500);
/// How many sentences are said of archives that could not be removed.
const LEFT_SAID_MAX: usize = 3;

/// What was seen, and the signal that stopped it before its end.
pub(super) struct Driven {
    pub(super) seen: Seen,
    pub(super) stopped_by: Option<u8>,
}

/// Sends a job for each arrival, the last within `seconds`, and waits until all have ended. Their archives are called
/// by `name`. What is not there so many seconds after the last could have come is cancelled, if that is given.
pub(super) async fn drive(
    load: &Arc<Load>,
    arrivals: impl Iterator<Item = Arrival>,
    name: &str,
    seconds: f64,
    late_after_s: Option<f64>,
    signals: &mut Signals,
) -> Driven {
    let began_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let began = Instant::now();
    let sampling = Sampling::start(load, began, stretch_s(seconds));
    let mut drive = Drive {
        load,
        name,
        began,
        jobs: JoinSet::new(),
        stop: watch::Sender::new(None),
        sent: 0,
        records: Vec::new(),
        troubles: Troubles::default(),
        left: Vec::new(),
        display: Display::new(load.voice, seconds),
    };
    let stopped_by = drive.run(arrivals, late_after_s.map(|late_s| seconds + late_s), signals).await;
    drive.display.clear();
    drive.say_left();
    let samples = sampling.end(load);
    let Drive { records, troubles, .. } = drive;
    let (id, was_stopped) = (load.id.clone(), stopped_by.is_some());
    Driven { seen: Seen { id, began_unix_s, records, samples, troubles, was_stopped }, stopped_by }
}

/// A load under way.
struct Drive<'a> {
    load: &'a Arc<Load>,
    name: &'a str,
    began: Instant,
    jobs: JoinSet<Told>,
    /// Says how jobs end that are to be cancelled, once they are.
    stop: watch::Sender<Option<End>>,
    sent: usize,
    records: Vec<Record>,
    troubles: Troubles,
    left: Vec<String>,
    display: Display,
}

impl Drive<'_> {
    /// The signal that stopped it, if one did. A second one ends the process.
    async fn run(
        &mut self,
        mut arrivals: impl Iterator<Item = Arrival>,
        late_at_s: Option<f64>,
        signals: &mut Signals,
    ) -> Option<u8> {
        let at = |began: Instant, at_s: f64| began + Duration::from_secs_f64(at_s);
        let (mut next, mut stopped_by) = (arrivals.next(), None);
        let mut beat = interval(SHOW_EVERY);
        while next.is_some() || !self.jobs.is_empty() {
            let arrives = at(self.began, next.map_or(0.0, |next| next.at_s));
            let late = at(self.began, late_at_s.unwrap_or_default());
            let is_late = late_at_s.is_some() && next.is_none() && self.stop.borrow().is_none();
            tokio::select! {
                code = signals.next() => {
                    if stopped_by.is_some() {
                        std::process::exit(i32::from(code));
                    }
                    (stopped_by, next) = (Some(code), None);
                    self.stop.send_replace(Some(End::Stopped));
                    self.display.above(
                        "stopping: cancelling what is in flight and removing its archives (once more to leave at once, and leave them)",
                    );
                }
                () = sleep_until(arrives), if next.is_some() => {
                    self.arrived(next.expect("it was just there"));
                    next = arrivals.next();
                }
                Some(told) = self.jobs.join_next() => self.ended(told),
                () = sleep_until(late), if is_late => {
                    self.stop.send_replace(Some(End::Late));
                }
                _ = beat.tick() => {
                    let seconds = self.began.elapsed().as_secs_f64();
                    self.display.show(seconds, &self.records, self.jobs.len());
                }
            }
        }
        stopped_by
    }

    /// Sends a job, unless too many are in flight.
    fn arrived(&mut self, arrival: Arrival) {
        if self.jobs.len() >= LOAD_IN_FLIGHT_MAX {
            let now_s = self.began.elapsed().as_secs_f64();
            self.records.push(Record {
                population: arrival.population,
                at_s: arrival.at_s,
                sent_s: now_s,
                accepted_s: None,
                ended_s: now_s,
                end: End::NotSent,
            });
            return;
        }
        self.sent += 1;
        let name = format!("{}-{:06}", self.name, self.sent);
        let (load, began, stop) = (Arc::clone(self.load), self.began, self.stop.subscribe());
        self.jobs.spawn(async move { make(&load, arrival, &name, began, stop).await });
    }

    fn ended(&mut self, told: Result<Told, tokio::task::JoinError>) {
        let Told { record, failure, left } =
            told.expect("a job of a load does not panic, and is never aborted");
        if let Some((what, failure)) = failure {
            self.troubles.note(what, &failure);
        }
        self.left.extend(left);
        self.records.push(record);
    }

    fn say_left(&self) {
        self.left
            .iter()
            .take(LEFT_SAID_MAX)
            .for_each(|left| self.load.voice.say(&format!("warning: {left}")));
        if self.left.len() > LEFT_SAID_MAX {
            let (more, prefix) = (self.left.len() - LEFT_SAID_MAX, &self.load.prefix);
            let bucket = &self.load.bucket;
            self.load.voice.say(&format!("warning: and {more} more below s3://{bucket}/{prefix}"));
        }
    }
}

/// Keeps every other look, and the first.
fn thin<T>(looks: &mut Vec<T>) {
    let mut is_kept = false;
    looks.retain(|_| {
        is_kept = !is_kept;
        is_kept
    });
}

/// One look at the cluster.
async fn look(cluster: &Cluster, began: Instant) -> Result<Sample, Trouble> {
    let (metrics, nodes) = tokio::try_join!(cluster.metrics(), cluster.nodes())?;
    Ok(Sample::read(&metrics, &nodes, began.elapsed().as_secs_f64()))
}

/// Looks at what the coordinator tells of itself and its nodes, now and then.
struct Sampling {
    looking: JoinHandle<()>,
    samples: Arc<Mutex<(Vec<Sample>, Option<String>)>>,
}

impl Sampling {
    fn start(load: &Arc<Load>, began: Instant, every_s: f64) -> Self {
        let samples = Arc::new(Mutex::new((Vec::new(), None)));
        let (load, kept) = (Arc::clone(load), Arc::clone(&samples));
        let looking = tokio::spawn(async move {
            let mut every = Duration::from_secs_f64(every_s);
            let mut beat = interval(every);
            loop {
                beat.tick().await;
                let answer = look(&load.cluster, began).await;
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                match answer {
                    Ok(sample) => {
                        kept.0.push(sample);
                        if kept.0.len() >= LOAD_LOOKS_MAX {
                            thin(&mut kept.0);
                            every *= 2;
                            beat = interval_at(Instant::now() + every, every);
                        }
                    }
                    // It will not be told later either.
                    Err(trouble) if trouble.failure.kind == FailureKind::Denied => {
                        kept.1 = Some(trouble.failure.message);
                        return;
                    }
                    Err(trouble) => tracing::debug!(failure = %trouble.failure, "no metrics this time"),
                }
            }
        });
        Self { looking, samples }
    }

    /// All looks so far.
    fn end(self, load: &Load) -> Vec<Sample> {
        self.looking.abort();
        let mut kept = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = &kept.1 {
            load.voice.say(&format!("warning: what the cluster takes is not told: {why}"));
        }
        std::mem::take(&mut kept.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_thinned_still_begins_at_the_beginning() {
        let mut looks = vec![0, 1, 2, 3, 4];
        thin(&mut looks);
        assert_eq!(looks, [0, 2, 4]);
    }
}
