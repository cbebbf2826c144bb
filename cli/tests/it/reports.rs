//! What is left of a job that has ended: its report, and what whoever wanted to know is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use coordinator_server::{CallbackTarget, JobRequest, NoReport};
use proto::api::JobReport;
use proto::job::{JobId, JobSpec, Outcome};
use proto::location::{Location, Source};
use proto::view::{JobState, JobView};
use simulations_s3::{Fault, FaultKind, Occasion, Op, Rope};

use crate::service::{STATE, Service, spec};
use crate::support::until;

fn all() -> Source {
    Source::Prefix { bucket: "src".into(), prefix: String::new() }
}

/// The report as whoever asks for it gets it, once it is written; with whose it is.
fn report(service: &Service, id: JobId) -> (Option<String>, JobReport) {
    let mut text = Vec::new();
    let mut owner = None;
    until("the report is written", || {
        service.runtime.block_on(async {
            let mut body = match service.coordinator.report_body(id).await {
                Ok(body) => body,
                Err(NoReport::NotReady) => return false,
                Err(error) => panic!("{error}"),
            };
            owner = body.job.owner.clone();
            let bytes = body.bytes;
            while let Some(more) = body.next().await.expect("S3 is well") {
                text.extend_from_slice(&more);
            }
            assert_eq!(text.len() as u64, bytes);
            true
        })
    });
    (owner, serde_json::from_slice(&text).expect("it is a report"))
}

#[test]
fn the_report_names_each_entry() {
    let service = Service::start();
    service.world.twin.put("src", "é/a.bin", Rope::synthetic(1, 12 << 20));
    service.world.twin.put("src", "é/b\n", Rope::from("123456789"));
    service.world.twin.put("src", "é/c", Rope::from("123456789"));
    let spec =
        JobSpec { owner: Some("photos".into()), unsafe_names: proto::job::UnsafeNames::Skip, ..spec(all()) };
    let (id, outcome) = service.run(JobRequest::new(spec));
    let (owner, report) = report(&service, id);
    assert_eq!((owner.as_deref(), report.job.state), (Some("photos"), JobState::Completed));
    assert_eq!(report.job.outcome, Some(outcome));
    let found: Vec<_> =
        report.entries.iter().map(|entry| (&*entry.name, entry.size, &*entry.crc32)).collect();
    let large = format!("{:08x}", Rope::synthetic(1, 12 << 20).crc32());
    assert_eq!(found, [("é/a.bin", 12 << 20, &*large), ("é/c", 9, "cbf43926")]);
    assert_eq!(report.entries[1].etag, service.world.twin.object("src", "é/c").unwrap().etag);
    assert!(report.skipped[0].contains("b\\n"), "{:?}", report.skipped);
    assert!(report.requests.get.sent >= 2 && report.price_usd > 0.0 && !report.nodes.is_empty());
    service.stop();
    assert_eq!(service.world.twin.keys(STATE), [format!("here/reports/{id}.json")]);
}

/// Longer than a part, so that it is written in several and read over a connection that breaks.
#[test]
fn a_long_report_is_written_and_read_in_pieces() {
    let service = Service::start();
    for number in 0..5_500 {
        service.world.twin.put("src", &format!("{}/{number:05}", "k".repeat(900)), Rope::from("x"));
    }
    service.world.twin.reset_requests();
    let (id, _) = service.completes(all());
    let key = format!("here/reports/{id}.json");
    until("the report is there", || service.world.twin.object(STATE, &key).is_some());
    assert_eq!(service.world.twin.requests()["CreateMultipartUpload"], 2);
    service
        .world
        .twin
        .add_fault(Fault::new(Op::GetObject, FaultKind::ResetDuring).keys("here/").on(Occasion::First(2)));
    let (_, report) = report(&service, id);
    assert_eq!(report.entries.len(), 5_500);
    assert!(report.entries.is_sorted_by(|a, b| a.name < b.name));
    service.world.no_upload_left();
}

#[test]
fn jobs_that_made_nothing_have_reports_too() {
    let service = Service::start();
    let (id, outcome) = service.run(JobRequest::new(spec(all())));
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    let (_, report) = report(&service, id);
    assert_eq!((report.job.outcome, report.entries.len()), (Some(outcome), 0));
    let unknown = service.runtime.block_on(service.coordinator.report_body(JobId(7)));
    assert_eq!(unknown.unwrap_err(), NoReport::Unknown);
}

#[test]
fn the_manifest_written_for_a_job_goes_with_it() {
    let service = Service::start();
    service.world.twin.put("src", "a", Rope::from("a"));
    let request = |name: &str, key: [u8; 32]| {
        let location = Location { bucket: STATE.into(), key: format!("here/manifests/{name}.ndjson") };
        service.world.twin.put(STATE, &location.key, Rope::from("{\"bucket\":\"src\",\"key\":\"a\"}"));
        let source = Source::Manifest { location: location.clone(), within: Vec::new() };
        let key = Some(("once".to_owned(), key));
        JobRequest { manifest: Some(location), key, ..JobRequest::new(spec(source)) }
    };
    let (id, outcome) = service.run(request("first", [1; 32]));
    assert!(matches!(outcome, Outcome::Completed(_)), "{outcome:?}");
    // The same once more is the same job, and another under its key is none.
    let again = service.runtime.block_on(service.coordinator.request(request("again", [1; 32])));
    assert!(again.is_ok_and(|submitted| submitted.id == id && !submitted.is_new));
    let other = service.runtime.block_on(service.coordinator.request(request("other", [2; 32])));
    assert!(other.is_err());
    service.stop();
    assert_eq!(service.world.twin.keys(STATE), [format!("here/reports/{id}.json")]);
}

#[test]
fn whoever_wants_to_know_is_called_back() {
    let service = Service::start();
    service.world.twin.put("src", "a", Rope::from("a"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/done", listener.local_addr().unwrap());
    let callback = CallbackTarget::new(url, Arc::from(*b"key")).unwrap();
    let request = JobRequest { callback: Some(callback), ..JobRequest::new(spec(all())) };
    let (id, outcome) = service.run(request);
    let job = |status: &str| {
        let (mut socket, _) = listener.accept().unwrap();
        let body = body(&mut socket).expect("it comes whole");
        write!(socket, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
        serde_json::from_slice::<JobView>(&body).unwrap()
    };
    let first = job("503 Service Unavailable");
    assert_eq!((first.id, &first.outcome), (id, &Some(outcome)));
    // A coordinator that stops waits for it to be taken.
    let stopped = service.runtime.spawn({
        let coordinator = service.coordinator.clone();
        async move { coordinator.stop().await }
    });
    assert_eq!(job("200 OK"), first);
    service.runtime.block_on(stopped).unwrap();
}

/// The body of a request, if it comes whole.
pub(crate) fn body(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        let read = socket.read(&mut piece).ok().filter(|read| *read > 0)?;
        text.extend_from_slice(&piece[..read]);
        let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
        let length = head
            .split("content-length: ")
            .nth(1)
            .expect("its length is told")
            .lines()
            .next()
            .expect("there is one");
        if text.len() == end + 4 + length.parse::<usize>().expect("it is a number") {
            return Some(text.split_off(end + 4));
        }
    }
}
