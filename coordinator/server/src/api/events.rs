//! A job as it goes on: server-sent events.
//!
//! Problems are told each once, in order; of progress only the newest. So whoever reads slowly misses old progress
//! and nothing else, and nothing piles up. An event's id is how many problems were told up to it, which is all that
//! is needed to go on after a connection broke.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{StreamExt, unfold};
use proto::api::{JobEvent, ProblemCode};
use proto::job::Progress;
use serde::Serialize;
use tokio::sync::watch;

use super::Api;
use super::caller::Caller;
use super::extract::Named;
use super::problem::Problem;
use crate::roster::Sight;
use crate::turns::Turn;

/// How often something is sent when there is nothing to tell, so that nobody between takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// In which header a browser tells the id of the last event it got.
const LAST_EVENT_ID: &str = "last-event-id";

/// Tells what happens with a job until it has ended.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/events",
    operation_id = "watch_job",
    tag = "jobs",
    params(("id" = String, Path, description = "The job."), ("Last-Event-ID" = Option<u64>, Header, description = "The id of the last event that came: problems told by then are not told again."),),
    responses(
        (status = 200, description = "Server-sent events: `progress`, `problem`, and `ended`, which is the last.", body = JobEvent, content_type = "text/event-stream"),
        (status = "default", description = "Something is wrong.", body = proto::api::Problem, content_type = "application/problem+json"),
    ),
    security(("token" = []), ()),
)]
pub(crate) async fn events(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let told = last_told(&headers)?;
    let turn = api.watchers.take(caller.token()).map_err(|full| {
        let detail = format!("no more jobs can be watched at present: {full}: ask for the job itself");
        Problem::new(ProblemCode::Busy, detail)
    })?;
    api.job(&caller, id).await?;
    let watching = api.coordinator.watch(id).await?;
    let mut watching = watching.ok_or_else(|| Problem::no_job(id))?;
    watching.mark_changed();
    let teller = Teller { watching, told, shown: None, queue: VecDeque::new(), is_over: false, _turn: turn };
    let stream = unfold(teller, |mut teller| async {
        let event = teller.next().await?;
        Some((Ok::<_, Infallible>(event), teller))
    });
    // Whoever was let in for as long as a job goes on must not see it when they would no longer be.
    let stream = stream.take_until(api.revoked(caller));
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn last_told(headers: &HeaderMap) -> Result<usize, Problem> {
    let Some(id) = headers.get(LAST_EVENT_ID) else { return Ok(0) };
    let told = id.to_str().ok().and_then(|id| id.parse().ok());
    told.ok_or_else(|| Problem::bad_request("`Last-Event-ID` is the id of an event, and this is none"))
}

/// What one watcher has been told of a job, and is to be told next.
struct Teller {
    watching: watch::Receiver<Sight>,
    /// How many problems.
    told: usize,
    shown: Option<Progress>,
    queue: VecDeque<Event>,
    is_over: bool,
    _turn: Turn,
}

impl Teller {
    /// The next event; `None` when there will be none.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            if self.is_over || self.watching.changed().await.is_err() {
                return None;
            }
            self.look();
        }
    }

    fn look(&mut self) {
        let Sight { view, problems } = self.watching.borrow_and_update().clone();
        // An id that was never given out must not keep problems back.
        self.told = self.told.min(problems.len());
        for problem in problems.iter().skip(self.told) {
            self.told += 1;
            self.tell(&JobEvent::Problem(problem.clone()));
        }
        if self.shown != Some(view.progress) {
            self.shown = Some(view.progress);
            self.tell(&JobEvent::Progress(view.progress));
        }
        if view.outcome.is_some() {
            self.is_over = true;
            self.tell(&JobEvent::Ended(Box::new(view)));
        }
    }

    fn tell(&mut self, event: &JobEvent) {
        let event = match event {
            JobEvent::Progress(progress) => named("progress", progress),
            JobEvent::Problem(decision) => named("problem", decision),
            JobEvent::Ended(view) => named("ended", view),
        };
        self.queue.push_back(event.id(self.told.to_string()));
    }
}

fn named(name: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(name);
    event.json_data(data).expect("what is told of jobs can be told in JSON")
}
