//! Goal: whoever was promised a callback gets it, also when the coordinator that promised it is killed.

use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use proto::failure::FailureKind;
use proto::job::{JobId, Outcome};
use proto::view::{JobState, JobView};
use tempfile::NamedTempFile;

use super::support::{Fleet, PACE};
use crate::reports::body;
use crate::support::until;

/// Somebody who is called back; its thread ends with the test.
struct Receiver {
    url: String,
    /// What it answers.
    status: Arc<AtomicU16>,
    told: Arc<Mutex<Vec<JobView>>>,
}

impl Receiver {
    fn who_answers(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/done", listener.local_addr().expect("bound"));
        let (status, told) = (Arc::new(AtomicU16::new(status)), Arc::<Mutex<Vec<JobView>>>::default());
        let (answer, tell) = (Arc::clone(&status), Arc::clone(&told));
        spawn(move || {
            for mut socket in listener.incoming().flatten() {
                // Whoever is killed in the middle of a request has told nothing.
                let Some(body) = body(&mut socket) else { continue };
                let job = serde_json::from_slice(&body).expect("a job");
                let answer = answer.load(Ordering::Relaxed);
                tell.lock().expect("nobody panics with it").push(job);
                // Nor does it wait for the answer.
                let _gone = write!(socket, "HTTP/1.1 {answer} So\r\nContent-Length: 0\r\n\r\n");
            }
        });
        Self { url, status, told }
    }

    fn told(&self) -> Vec<JobView> {
        self.told.lock().expect("nobody panics with it").clone()
    }
}

/// A fleet of one node whose callbacks are signed with the key in this file.
fn fleet() -> (Fleet, NamedTempFile) {
    let mut key = NamedTempFile::new().expect("a file");
    key.write_all(b"only we two know").expect("there is room");
    let mut fleet = Fleet::with(&["--callback-key-file", key.path().to_str().expect("it is text")]);
    fleet.join(&["n1"]);
    (fleet, key)
}

fn submit(fleet: &Fleet, receiver: &Receiver) -> JobId {
    let ended = fleet.world.start(fleet.submission("job", &["--callback", &receiver.url])).wait();
    ended.succeeded();
    let said: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    said["id"].as_str().expect("it is a text").parse().expect("it is a job's id")
}

fn nothing_is_owed(fleet: &Fleet) {
    until("nothing is owed", || {
        fleet.world.twin.keys("state").iter().all(|key| !key.starts_with("fleet/callbacks/"))
    });
}

#[test]
fn a_coordinator_that_is_killed_while_the_job_runs() {
    let ((mut fleet, _key), receiver) = (fleet(), Receiver::who_answers(204));
    fleet.sources("job", 16);
    fleet.throttle(&["n1"], PACE);
    let id = submit(&fleet, &receiver);
    fleet.has_done(id, 2);
    fleet.kill_coordinator();
    assert_eq!(receiver.told(), [], "nobody was there to tell it");
    fleet.start_coordinator();
    nothing_is_owed(&fleet);
    let told = receiver.told();
    assert_eq!((told.len(), told[0].id, told[0].state), (1, id, JobState::Failed), "{told:?}");
    let Some(Outcome::Failed { failure, .. }) = &told[0].outcome else { panic!("{told:?}") };
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.contains("can be submitted again"), "{failure}");
    // It tells the truth.
    until("the upload is removed", || fleet.world.twin.uploads().is_empty());
    assert!(fleet.world.twin.object("out", "job.zip").is_none());
    fleet.are_active(&["n1"]);
    fleet.is_well(&[]);
}

#[test]
fn a_coordinator_that_is_killed_before_the_receiver_takes_it() {
    let ((mut fleet, _key), receiver) = (fleet(), Receiver::who_answers(500));
    fleet.sources("job", 2);
    let id = submit(&fleet, &receiver);
    until("it is told", || !receiver.told().is_empty());
    fleet.kill_coordinator();
    let before = receiver.told().len();
    receiver.status.store(204, Ordering::Relaxed);
    fleet.start_coordinator();
    nothing_is_owed(&fleet);
    let told = receiver.told();
    assert!(told.len() > before, "{told:?}");
    assert_eq!((told[0].id, told[0].state), (id, JobState::Completed), "{told:?}");
    assert!(told.iter().all(|job| *job == told[0]), "it is told as it was: {told:?}");
    fleet.are_active(&["n1"]);
    fleet.is_well(&["job"]);
}
