//! An actor whose jobs end faster than their reports are written.

use proto::failure::FailureKind;
use proto::location::{Location, Source};
use proto_s3::Options;

use super::*;

/// Its S3 is nowhere, and never asked.
async fn start() -> Start {
    let options = Options { endpoint_url: Some("http://127.0.0.1:1".into()), ..Options::default() };
    let s3 = S3::connect(&options).await.expect("the endpoint is a URL");
    let (stopping, is_stopping) = watch::channel(false);
    let callbacks = Callbacks::new(None, is_stopping);
    Start { s3, settings: Settings::default(), journal: None, callbacks, stopping }
}

#[tokio::test]
async fn no_jobs_are_taken_while_too_many_reports_wait() {
    // Another one, for messages to go to.
    let (actor, _) = Actor::spawn(None, CoordinatorActor, start().await).await.unwrap();
    let mut state = CoordinatorActor.pre_start(actor.clone(), start().await).await.unwrap();
    state.unwritten = Unwritten::full();
    let at = |key: &str| Location { bucket: "b".into(), key: key.into() };
    let (ended, mut outcome) = oneshot::channel();
    let request = JobRequest::new(JobSpec::new(vec![Source::Object(at("a"))], at("z")));
    let refused = state.submit(request, ended, &actor).unwrap_err();
    let Refusal::Job(failure) = refused else { panic!("{refused:?}") };
    // Which the job API tells like too many jobs that wait.
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
    assert_eq!(outcome.try_recv(), Ok(Outcome::Failed { failure, left_behind: Vec::new() }));
    assert!(state.machine.jobs().is_empty() && state.is_settled());
    actor.kill();
}
