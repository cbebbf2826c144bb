//! A coordinator's beginning and end.

use coordinator::machine::Settings;
use coordinator_server::{Coordinator, Journal, ServeError, serve};
use proto::batch::Upload;
use proto::failure::FailureKind;
use proto::job::{JobId, Outcome};
use proto::location::Source;
use proto::session::FromNode;
use proto::view::JobView;
use reqwest::{Method, StatusCode};
use serde_json::json;
use simulations_s3::{Fault, FaultKind, Occasion, Op, Rope};

use crate::node::{connect, granted, hello};
use crate::world::{OUT, SOURCES, STATE, Serving, World, answer, at, job, options, pause, state, until};

#[tokio::test]
async fn an_upload_is_recorded_as_long_as_it_is_open() {
    let world = World::new().await;
    world.fill(3, 100);
    let serving = Serving::start(&world).await;
    let id = serving.submitted("a.zip").await;
    let key = format!("here/uploads/{id}.json");
    until(|| !world.twin.uploads().is_empty()).await;
    let upload_id = world.twin.uploads()[0].upload_id.clone();
    until(|| {
        let record = world.twin.object(STATE, &key).unwrap();
        let record = record.content.slice(0..record.size);
        String::from_utf8_lossy(&record.to_bytes()).contains(&upload_id)
    })
    .await;
    let (status, _) = answer(serving.request(Method::DELETE, &format!("/v1/jobs/{id}"))).await;
    assert_eq!(status, StatusCode::OK);
    let outcome = serving.outcome(&id).await;
    assert_eq!(outcome["failed"]["failure"]["kind"], "cancelled", "{outcome}");
    assert_eq!(outcome["failed"]["left_behind"], json!([]));
    assert_eq!(world.twin.uploads(), []);
    no_state_left(&world);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn stopping_leaves_nothing() {
    let world = World::new().await;
    world.fill(3, 100);
    let serving = Serving::start(&world).await;
    for key in ["a.zip", "b.zip"] {
        serving.submitted(key).await;
    }
    until(|| world.twin.uploads().len() == 2).await;
    serving.stop().await.unwrap();
    assert_eq!(world.twin.uploads(), []);
    no_state_left(&world);
}

#[tokio::test]
async fn who_watches_a_job_learns_that_it_was_cancelled_by_the_stop() {
    let world = World::new().await;
    world.fill(3, 100);
    let mut serving = Serving::start(&world).await;
    let id = serving.submitted("a.zip").await;
    until(|| !world.twin.uploads().is_empty()).await;
    serving.begin_to_stop();
    let outcome = serving.outcome(&id).await;
    assert_eq!(outcome["failed"]["failure"]["kind"], "cancelled", "{outcome}");
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn while_it_stops_no_job_begins() {
    let world = World::new().await;
    world.fill(3, 100);
    let mut serving = Serving::start(&world).await;
    let (_, mut node) = connect(serving.ready.nodes, hello("node", None)).await.unwrap();
    let id = serving.submitted("a.zip").await;
    granted(&mut node).await;
    serving.begin_to_stop();
    // The job waits for the node, and the coordinator for the job.
    loop {
        let (_, view) = serving.get(&format!("/v1/jobs/{id}")).await;
        if view["progress"]["stage"] == "aborting" {
            break;
        }
        pause().await;
    }
    let (status, problem) = serving.submit(&job("b.zip")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert_eq!(problem["detail"], "the coordinator is stopping: try again");
    node.outgoing.send(FromNode::Goodbye).await.unwrap();
    serving.stop().await.unwrap();
    assert_eq!(world.twin.uploads(), []);
}

#[tokio::test]
async fn stopping_is_not_waited_for_for_ever_and_the_next_one_cleans_up() {
    let world = World::new().await;
    world.fill(3, 100);
    let options = coordinator_server::ServeOptions { stop_within: std::time::Duration::ZERO, ..options() };
    let serving = Serving::start_with(&world, options).await;
    serving.submitted("a.zip").await;
    until(|| !world.twin.uploads().is_empty() && world.twin.keys(STATE).len() == 1).await;
    assert!(matches!(serving.stop().await, Err(ServeError::StoppedLate(_))));

    let serving = Serving::start(&world).await;
    assert_eq!(world.twin.uploads(), []);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn the_uploads_of_a_dead_coordinator_are_gone_before_anything_begins() {
    let world = World::new().await;
    let upload = world.s3.create_upload(&at(OUT, "a.zip"), JobId(7)).await.unwrap();
    let Upload { destination, upload_id } = &upload;
    let record = json!({ "job": JobId(7), "destination": destination, "written": 0, "upload_id": upload_id });
    let key = format!("here/uploads/{}.json", JobId(7));
    world.twin.put(STATE, &key, Rope::from(record.to_string().into_bytes()));
    let serving = Serving::start(&world).await;
    assert_eq!(serving.ready.recovered.removed, [upload]);
    assert_eq!(world.twin.uploads(), []);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn without_a_place_for_its_record_no_upload_begins() {
    let world = World::new().await;
    world.fill(3, 100);
    world.twin.deny("PutObject:state".parse().unwrap());
    let serving = Serving::start(&world).await;
    let id = serving.submitted("a.zip").await;
    let outcome = serving.outcome(&id).await;
    let message = outcome["failed"]["failure"]["message"].as_str().unwrap();
    assert!(message.contains("state at s3://state/here/ cannot be written"), "{outcome}");
    assert_eq!(world.twin.requests().get("CreateMultipartUpload"), None);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn an_upload_that_cannot_be_recorded_is_removed() {
    let world = World::new().await;
    world.fill(3, 100);
    // The record before it succeeds, the one after it does not.
    let journal = Journal::new(world.s3.clone(), state());
    let coordinator = Coordinator::start(world.s3.clone(), Settings::default(), Some(journal)).await.unwrap();
    for nth in 2..20 {
        let fault = Fault::new(Op::PutObject, FaultKind::InternalError);
        world.twin.add_fault(fault.on(Occasion::Nth(nth)));
    }
    let mut job = coordinator.submit(spec());
    let Outcome::Failed { failure, left_behind } = job.outcome().await else { panic!("it was made") };
    assert_eq!((failure.kind, left_behind), (FailureKind::Unavailable, vec![]), "{failure}");
    assert!(failure.message.contains("cannot be written"), "{failure}");
    assert_eq!(world.twin.requests()["CreateMultipartUpload"], 1);
    assert_eq!(world.twin.uploads(), []);
    no_state_left(&world);
}

#[tokio::test]
async fn in_one_process_nothing_is_recorded_and_jobs_are_remembered() {
    let world = World::new().await;
    world.fill(3, 100);
    let coordinator = Coordinator::start(world.s3.clone(), Settings::default(), None).await.unwrap();
    let mut job = coordinator.submit(spec());
    until(|| !world.twin.uploads().is_empty()).await;
    let (jobs, are_more) = coordinator.jobs_before(None, 2, |_| true).await.unwrap().unwrap();
    assert_eq!((jobs.len(), are_more), (1, false));
    coordinator.cancel(job.id);
    let outcome = job.outcome().await;
    let JobView { outcome: remembered, .. } = coordinator.job(job.id).await.unwrap().unwrap();
    assert_eq!(remembered, Some(outcome));
    assert_eq!(coordinator.explanation(job.id).await.unwrap().unwrap().job, job.id);
    assert_eq!(coordinator.progress(job.id).await.unwrap(), None);
    assert_eq!(world.twin.requests().get("PutObject"), None);

    coordinator.stop().await;
    let Outcome::Failed { failure, .. } = coordinator.submit(spec()).outcome().await else {
        panic!("it ran")
    };
    assert_eq!(failure.kind, FailureKind::Internal);
}

/// Reports stay.
fn no_state_left(world: &World) {
    let left: Vec<String> = world.twin.keys(STATE);
    assert!(left.iter().all(|key| key.starts_with("here/reports/")), "{left:?}");
}

fn spec() -> proto::job::JobSpec {
    let source = Source::Prefix { bucket: SOURCES.into(), prefix: "in/".into() };
    proto::job::JobSpec::new(vec![source], at(OUT, "a.zip"))
}

#[tokio::test]
async fn the_api_is_for_this_machine_alone() {
    let world = World::new().await;
    let mut options = options();
    options.api.listen = "0.0.0.0:0".parse().unwrap();
    let served = serve(options, world.s3.clone(), |_| panic!("it served"), std::future::pending()).await;
    assert!(matches!(served, Err(ServeError::ApiExposed(_))));
}

#[tokio::test]
async fn a_second_coordinator_at_the_same_address_removes_nothing() {
    let world = World::new().await;
    world.fill(3, 100);
    let serving = Serving::start(&world).await;
    serving.submitted("a.zip").await;
    until(|| !world.twin.uploads().is_empty()).await;
    let options = coordinator_server::ServeOptions { listen: serving.ready.nodes, ..options() };
    let served = serve(options, world.s3.clone(), |_| panic!("it served"), std::future::pending()).await;
    assert!(matches!(served, Err(ServeError::Nodes(_))), "{served:?}");
    assert_eq!(world.twin.uploads().len(), 1);
    serving.stop().await.unwrap();
}
