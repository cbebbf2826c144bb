//! Telling whoever wants to know that a job has ended: a signed POST, sent again until it is taken, by the next
//! coordinator if need be.

mod records;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use proto::failure::Failure;
use proto::job::JobId;
use proto::limits::{
    CALLBACK_ANSWER_MS, CALLBACK_ATTEMPTS_MAX, CALLBACK_BACKOFF_MS, CALLBACK_WITHIN_MS, CALLBACKS_AT_ONCE,
    CALLBACKS_AT_ONCE_PER_HOST, CALLBACKS_PENDING_MAX,
};
use proto::listing::SourceObject;
use proto::location::printable;
use proto::view::JobView;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use crate::create::unix_now;
use crate::roster::{CallbackTarget, JobRequest};

use self::records::Record;

pub(crate) use self::records::Records;

/// Delivers callbacks.
#[derive(Clone, Debug)]
pub(crate) struct Callbacks {
    /// Of those that are owed; none without a journal.
    records: Option<Records>,
    /// Made for the first of them: without certificates of authorities on this machine there can be none.
    client: Arc<OnceLock<Result<Client, String>>>,
    turns: Arc<Semaphore>,
    /// One for each that may be pending.
    room: Arc<Semaphore>,
    hosts: Arc<Mutex<BTreeMap<String, Arc<Semaphore>>>>,
    first_wait: Duration,
    within: Duration,
    /// Whether the coordinator is about to end, so that there is one more attempt at each and no more.
    stopping: watch::Receiver<bool>,
}

impl Callbacks {
    pub(crate) fn new(records: Option<Records>, stopping: watch::Receiver<bool>) -> Self {
        Self {
            records,
            client: Arc::default(),
            turns: Arc::new(Semaphore::new(CALLBACKS_AT_ONCE)),
            room: Arc::new(Semaphore::new(CALLBACKS_PENDING_MAX)),
            hosts: Arc::default(),
            first_wait: Duration::from_millis(CALLBACK_BACKOFF_MS),
            within: Duration::from_millis(CALLBACK_WITHIN_MS),
            stopping,
        }
    }

    /// Waits for the right to [`owe`](Self::owe) one; none is needed where nothing is recorded.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        match &self.records {
            Some(records) => Some(records.turn().await),
            None => None,
        }
    }

    /// Notes that the end of a job is to be told, before the job is taken.
    pub(crate) async fn owe(&self, request: &JobRequest) -> Result<(), Failure> {
        let (Some(records), Some(record)) = (&self.records, Record::of(request)) else { return Ok(()) };
        records.write(&record).await
    }

    /// Deletes the record of what is not owed, or no longer.
    pub(crate) async fn forget(&self, job: JobId) {
        if let Some(records) = &self.records {
            let _turn = records.turn().await;
            records.delete(job).await;
        }
    }

    /// Tells how a job ended, until that is acknowledged or was tried often enough. What this coordinator cannot do
    /// any more stays recorded for the next.
    pub(crate) async fn tell(self, job: JobView, target: CallbackTarget) {
        let id = job.id;
        if let Some(records) = &self.records {
            let record = Record::ended(&job, target.url.clone());
            let _turn = records.turn().await;
            if let Err(failure) = records.write(&record).await {
                tracing::warn!(job = %id, %failure, "its outcome is not recorded with its callback");
            }
        }
        let room = Arc::clone(&self.room);
        let Ok(_room) = room.try_acquire() else {
            tracing::warn!(job = %id, "its callback is left to the next coordinator: as many wait as may");
            return;
        };
        let body = serde_json::to_vec(&job).expect("a job can be told in JSON");
        self.tell_recorded(id, body.into(), target).await;
    }

    /// Tells what coordinators before this one owed, until that is done or no longer wanted. `target` gives whom to
    /// tell, from the job's owner and the address, if there may still be callbacks to there.
    pub(crate) fn tell_left(
        &self,
        left: Vec<SourceObject>,
        target: impl Fn(Option<&str>, &str) -> Option<CallbackTarget> + Send + Sync + 'static,
    ) -> JoinSet<()> {
        let (mut telling, target) = (JoinSet::new(), Arc::new(target));
        for object in left {
            let (callbacks, target) = (self.clone(), Arc::clone(&target));
            telling.spawn(async move {
                let Some(records) = &callbacks.records else { return };
                let record = match records.read(&object).await {
                    Ok(record) => record,
                    Err(why) => {
                        let key = printable(&object.key);
                        tracing::warn!(key, why, "a record of a callback cannot be read: left as it is");
                        return;
                    }
                };
                let Record { job, owner, url, body, .. } = record;
                match target(owner.as_deref(), &url) {
                    Some(target) => callbacks.tell_recorded(job, body.to_string().into(), target).await,
                    None => {
                        tracing::warn!(
                            %job,
                            owner,
                            "its callback is given up: there is no key to sign it with any more, or its owner may no longer have that address called"
                        );
                        callbacks.forget(job).await;
                    }
                }
            });
        }
        telling
    }

    /// Delivers a callback, and deletes its record unless it is left to the next coordinator.
    async fn tell_recorded(self, job: JobId, body: Bytes, target: CallbackTarget) {
        let callbacks = self.clone();
        if self.deliver(job, body, target).await {
            callbacks.forget(job).await;
        }
    }

    /// Whether it is done with: delivered, or given up for good.
    async fn deliver(self, job: JobId, body: Bytes, target: CallbackTarget) -> bool {
        let (within, mut stopping) = (self.within, self.stopping.clone());
        // Time for an attempt under way and for one more, but not for those of others to the same host.
        let is_late = async {
            if stopping.wait_for(|is_stopping| *is_stopping).await.is_ok() {
                tokio::time::sleep(2 * Duration::from_millis(CALLBACK_ANSWER_MS)).await;
            }
        };
        tokio::select! {
            is_done = self.insist(job, body, target) => is_done,
            () = tokio::time::sleep(within) => {
                tracing::warn!(%job, "its callback is given up: its receiver takes them too slowly");
                true
            }
            () = is_late => {
                tracing::warn!(%job, "its callback is left to the next coordinator, because this one ends");
                false
            }
        }
    }

    /// Sends it again and again; says whether it is done with.
    async fn insist(mut self, job: JobId, body: Bytes, target: CallbackTarget) -> bool {
        // Neither path nor query: they may hold what only caller and receiver should know.
        let Some((url, host)) = address(&target.url) else {
            tracing::warn!(%job, "its callback has no valid address");
            return true;
        };
        let mut failed = 0;
        loop {
            let is_stopping = *self.stopping.borrow();
            let why = match self.post(job, &url, &host, &target.key, body.clone()).await {
                Ok(()) => {
                    tracing::debug!(%job, host, "callback delivered");
                    return true;
                }
                Err(why) => why,
            };
            failed += 1;
            if failed == CALLBACK_ATTEMPTS_MAX {
                tracing::warn!(%job, host, why, failed, "its callback was not taken, and is given up");
                return true;
            }
            if is_stopping {
                tracing::warn!(%job, host, why, failed, "its callback was not taken, and is left to the next coordinator");
                return false;
            }
            tracing::debug!(%job, host, why, failed, "its callback is sent again");
            let longest = self.first_wait.saturating_mul(1 << (failed - 1));
            // Never at once: whoever is overwhelmed needs time.
            let wait = longest.mul_f64(0.5 + rand::random::<f64>() / 2.0);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Ok(_) = self.stopping.wait_for(|is_stopping| *is_stopping) => {}
            }
        }
    }

    /// Sends it once.
    async fn post(&self, job: JobId, url: &Url, host: &str, key: &[u8], body: Bytes) -> Result<(), String> {
        let client = self.client.get_or_init(|| client().map_err(|error| told(&error))).as_ref()?;
        let of_host = self.of_host(host);
        // The host's first: who waits for a host that never answers must not keep others waiting.
        let _turn_at_host = of_host.acquire().await.expect("it is never closed");
        let _turn = self.turns.acquire().await.expect("it is never closed");
        let request = client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("Zipfleet-Event", "job.ended")
            .header("Zipfleet-Delivery", job.to_string())
            // Anew each time, so that receivers need not take old ones.
            .header("Zipfleet-Signature", signature(key, unix_now(), &body))
            .body(body);
        let status = request.send().await.map_err(|error| told(&error))?.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
    }

    fn of_host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody has in hand.
        hosts.retain(|_, turns| Arc::strong_count(turns) > 1);
        let turns = || Arc::new(Semaphore::new(CALLBACKS_AT_ONCE_PER_HOST));
        hosts.entry(host.to_owned()).or_insert_with(turns).clone()
    }
}

/// Follows no redirects, which could lead anywhere, and no proxies, which are for the way out of a network: a
/// callback goes where its address says. Connections are not kept, because the next is seldom soon.
fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_millis(CALLBACK_ANSWER_MS))
        .user_agent(concat!("zipfleet/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// An address, if it is one to which there can be callbacks, and its host with its port.
pub(crate) fn address(text: &str) -> Option<(Url, String)> {
    let url = Url::parse(text).ok()?;
    let is_plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty();
    if !is_plain || url.password().is_some() {
        return None;
    }
    let host = format!("{}:{}", url.host_str()?, url.port_or_known_default()?);
    Some((url, host))
}

/// What went wrong, with its causes and without the address.
fn told(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    let mut text = match error {
        error if error.is_timeout() => format!("no answer within {} s", CALLBACK_ANSWER_MS / 1_000),
        error if error.is_connect() => "it cannot be reached".to_owned(),
        error if error.is_builder() => "no client can be made".to_owned(),
        _ => "the connection broke".to_owned(),
    };
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// `t=<seconds since 1970>,v1=<HMAC-SHA256 of "t.body" in hexadecimal digits>`.
fn signature(key: &[u8], now: i64, body: &[u8]) -> String {
    let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    signing.update(format!("{now}.").as_bytes());
    signing.update(body);
    let hex: String = signing.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={now},v1={hex}")
}

#[cfg(test)]
mod tests;
