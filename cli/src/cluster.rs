//! A client of a cluster's job API.

use std::time::Duration;

use proto::api::{JobReport, JobsPage, Submission, Submitted};
use proto::failure::{Failure, FailureKind};
use proto::job::{JobId, JobSpec};
use proto::view::{JobView, NodeView};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::failures::{internal, usage};

/// Longest time to open a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Longest time for an answer: a coordinator that plans millions of objects may be seconds late.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A cluster's job API.
pub(crate) struct Cluster {
    client: Client,
    base: Url,
}

/// What the API answers when it cannot do as asked (RFC 9457), as far as it is used here.
#[derive(Deserialize)]
struct Problem {
    detail: String,
    kind: FailureKind,
}

impl Cluster {
    /// A client of the API at `url`. Nothing is sent yet.
    pub(crate) fn at(url: &str) -> Result<Self, Failure> {
        let base = url.parse().ok().filter(|url: &Url| url.scheme() == "http" && url.has_host());
        let base = base.ok_or_else(|| usage(format!("`{url}` is no cluster: write http://HOST:PORT")))?;
        // A proxy on the way to one's own machine or network would be a surprise.
        let client = Client::builder().no_proxy().connect_timeout(CONNECT_LIMIT).timeout(ANSWER_LIMIT);
        Ok(Self { client: client.build().map_err(internal)?, base })
    }

    /// Submits a job; gives its id.
    pub(crate) async fn submit(&self, spec: &JobSpec) -> Result<JobId, Failure> {
        let request = self.request(Method::POST, "v1/jobs")?.json(&Submission::of(spec));
        let Submitted { id, .. } = self.json(request).await?;
        Ok(id)
    }

    /// All jobs it knows.
    pub(crate) async fn jobs(&self) -> Result<Vec<JobView>, Failure> {
        let page: JobsPage = self.json(self.request(Method::GET, "v1/jobs?limit=1000")?).await?;
        Ok(page.jobs)
    }

    /// One job.
    pub(crate) async fn job(&self, id: JobId) -> Result<JobView, Failure> {
        self.json(self.request(Method::GET, &format!("v1/jobs/{id}"))?).await
    }

    /// Who did what for a job, and why.
    pub(crate) async fn report(&self, id: JobId) -> Result<JobReport, Failure> {
        self.json(self.request(Method::GET, &format!("v1/jobs/{id}/report"))?).await
    }

    /// Asks for a job to be ended.
    pub(crate) async fn cancel(&self, id: JobId) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, &format!("v1/jobs/{id}"))?).await.map(drop)
    }

    /// All nodes it knows.
    pub(crate) async fn nodes(&self) -> Result<Vec<NodeView>, Failure> {
        self.json(self.request(Method::GET, "v1/nodes")?).await
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Failure> {
        let url = self.base.join(path).map_err(internal)?;
        Ok(self.client.request(method, url))
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = self.send(request).await?;
        response.json().await.map_err(|error| self.unavailable(&format!("gave an answer that {error}")))
    }

    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, Failure> {
        let response = request.send().await.map_err(|error| {
            let what = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
            self.unavailable(&format!("{what} ({}); is its coordinator running there?", root_cause(&error)))
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        match response.json::<Problem>().await {
            Ok(Problem { detail, kind }) => Err(Failure::new(kind, detail)),
            Err(_) => Err(self.unavailable(&format!("answered {status}; is it a cluster of this version?"))),
        }
    }

    fn unavailable(&self, what: &str) -> Failure {
        Failure::new(FailureKind::Unavailable, format!("the cluster at {} {what}", self.base))
    }
}

/// What is behind an error, without the layers that only say that something failed.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
