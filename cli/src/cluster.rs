//! A client of a cluster's job API: the only place that speaks HTTP to a cluster.

mod connection;
mod events;
mod trouble;

use std::time::Duration;

use bytes::Bytes;
use proto::api::{JobAnswer, JobReport, JobsPage, Submission, Submitted};
use proto::failure::Failure;
use proto::job::JobId;
use proto::limits::{CLUSTER_ANSWER_BYTES_MAX, CLUSTER_ANSWER_MS, PAGE_JOBS_MAX};
use proto::view::{JobState, JobView, NodeView};
use reqwest::{Client, Method, RequestBuilder, Response, Url, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::args::ClusterArgs;
pub(crate) use events::Events;
pub(crate) use trouble::{Trouble, Why};

/// Longest time until an answer begins, and between two pieces of it.
const ANSWER_LIMIT: Duration = Duration::from_millis(CLUSTER_ANSWER_MS);

/// A cluster that takes jobs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Health {
    /// Nodes there are; without any, jobs wait.
    pub(crate) nodes: usize,
}

/// A cluster's job API.
pub(crate) struct Cluster {
    client: Client,
    base: Url,
}

impl Cluster {
    /// A client of the API that is meant. Nothing is sent yet.
    pub(crate) fn of(args: &ClusterArgs) -> Result<Self, Failure> {
        let (client, base) = connection::client(args)?;
        Ok(Self { client, base })
    }

    /// Submits a job. Under an idempotency key it may be submitted again if the answer was lost.
    pub(crate) async fn submit(&self, submission: &Submission) -> Result<Submitted, Trouble> {
        self.json(self.request(Method::POST, &["jobs"]).json(submission)).await
    }

    /// The jobs it knows, the last submitted first, those in `state` if one is given, and `limit` at most.
    pub(crate) async fn jobs(&self, state: Option<JobState>, limit: usize) -> Result<Vec<JobView>, Trouble> {
        let (mut jobs, mut after) = (Vec::new(), None::<String>);
        while jobs.len() < limit {
            let most = (limit - jobs.len()).min(PAGE_JOBS_MAX);
            let request = self.request(Method::GET, &["jobs"]).query(&[("limit", most)]);
            let request = request.query(&[("state", state)]).query(&[("after", after)]);
            let page: JobsPage = self.json(request).await?;
            jobs.extend(page.jobs);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        jobs.truncate(limit);
        Ok(jobs)
    }

    /// One job; with a URL for its archive that is valid for so many seconds, if any are given.
    pub(crate) async fn job(&self, id: JobId, url_seconds: Option<u64>) -> Result<JobAnswer, Trouble> {
        let request = self.request(Method::GET, &["jobs", &id.to_string()]);
        self.json(request.query(&[("url_seconds", url_seconds)])).await
    }

    /// Who did what for a job and why, without the archive's entries.
    pub(crate) async fn report(&self, id: JobId) -> Result<JobReport, Trouble> {
        let request = self.request(Method::GET, &["jobs", &id.to_string(), "report"]);
        self.json(request.query(&[("entries", false)])).await
    }

    /// The same with its entries, as it comes: it may be too much to be held.
    pub(crate) async fn whole_report(&self, id: JobId) -> Result<Body<'_>, Trouble> {
        self.body(self.request(Method::GET, &["jobs", &id.to_string(), "report"])).await
    }

    /// Asks for a job to be ended, and waits until nothing of it is left, or the cluster tires of that.
    pub(crate) async fn cancel(&self, id: JobId) -> Result<(), Trouble> {
        self.send(self.request(Method::DELETE, &["jobs", &id.to_string()])).await.map(drop)
    }

    /// All nodes it knows.
    pub(crate) async fn nodes(&self) -> Result<Vec<NodeView>, Trouble> {
        self.json(self.request(Method::GET, &["nodes"])).await
    }

    /// Whether it takes jobs. No token is needed.
    pub(crate) async fn health(&self) -> Result<Health, Trouble> {
        self.json(self.client.get(self.url(&["readyz"]))).await
    }

    /// What its coordinator counts, in the format of Prometheus.
    pub(crate) async fn metrics(&self) -> Result<String, Trouble> {
        let body = self.body(self.client.get(self.url(&["metrics"]))).await?;
        let strange = body.is_strange();
        String::from_utf8(body.whole().await?).map_err(|_| strange)
    }

    /// Asks for a node to finish or hand back what it has, and to leave.
    pub(crate) async fn drain(&self, name: &str) -> Result<NodeView, Trouble> {
        self.json(self.request(Method::POST, &["nodes", name, "drain"])).await
    }

    /// Begins to listen to what happens to a job, from after the event of this id on.
    async fn listen(&self, id: JobId, after: Option<&str>) -> Result<Body<'_>, Trouble> {
        let request = self.request(Method::GET, &["jobs", &id.to_string(), "events"]);
        let request =
            after.into_iter().fold(request, |request, after| request.header("last-event-id", after));
        let body = self.body(request).await?;
        let kind = body.response.headers().get(header::CONTENT_TYPE);
        let tells = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if tells { Ok(body) } else { Err(body.is_strange()) }
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.client.request(method, self.url(&[&["v1"], path].concat()))
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        let mut segments =
            url.path_segments_mut().expect("only URLs with a host are taken, and those have a path");
        segments.pop_if_empty().extend(path);
        drop(segments);
        url
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Trouble> {
        let whole = self.body(request).await?.whole().await?;
        serde_json::from_slice(&whole).map_err(|_| Trouble::of_a_stranger(&self.base))
    }

    async fn body(&self, request: RequestBuilder) -> Result<Body<'_>, Trouble> {
        Ok(Body { response: self.send(request).await?, base: &self.base })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Trouble> {
        let sent = tokio::time::timeout(ANSWER_LIMIT, request.send()).await;
        let response = match sent {
            Err(_) => return Err(Trouble::late(&self.base)),
            Ok(Err(error)) => return Err(Trouble::of_sending(&self.base, &error)),
            Ok(Ok(response)) => response,
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let after =
            response.headers().get(header::RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        let body = Body { response, base: &self.base }.whole().await.unwrap_or_default();
        Err(Trouble::of_answer(&self.base, status, after.map(Duration::from_secs), &body))
    }
}

/// An answer as it comes.
pub(crate) struct Body<'a> {
    response: Response,
    base: &'a Url,
}

impl Body<'_> {
    /// The next piece of it; `None` when that was all. What came is not lost when this is not waited for.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        match tokio::time::timeout(ANSWER_LIMIT, self.response.chunk()).await {
            Err(_) => Err(Trouble::late(self.base)),
            Ok(Err(error)) => Err(Trouble::of_sending(self.base, &error)),
            Ok(Ok(chunk)) => Ok(chunk),
        }
    }

    /// What to say when it is not what a cluster would answer.
    pub(crate) fn is_strange(&self) -> Trouble {
        Trouble::of_a_stranger(self.base)
    }

    async fn whole(mut self) -> Result<Vec<u8>, Trouble> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.next().await? {
            if whole.len() + chunk.len() > CLUSTER_ANSWER_BYTES_MAX {
                return Err(Trouble::of_a_stranger(self.base));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }
}
