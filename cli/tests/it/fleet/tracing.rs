//! Goal: one trace shows a job from its submission to each request to S3, across machines.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::support::Fleet;

/// A span and the process it came from.
#[derive(Clone, Debug)]
struct Got {
    service: String,
    instance: String,
    span: Span,
}

impl Got {
    fn attribute(&self, key: &str) -> String {
        attribute(&self.span.attributes, key).unwrap_or_default()
    }
}

/// The text of an attribute.
fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        other => panic!("{key} is no text: {other:?}"),
    }
}

/// Takes spans as an OpenTelemetry collector does.
struct Collector {
    endpoint: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let filled = Arc::clone(&got);
        // Ends with the test's process.
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (socket, filled) = (socket.expect("a connection"), Arc::clone(&filled));
                thread::spawn(move || take(socket, &filled));
            }
        });
        Self { endpoint, got }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().expect("nobody panicked").clone()
    }
}

/// Answers requests until the connection ends.
fn take(socket: TcpStream, got: &Mutex<Vec<Got>>) {
    let mut reader = BufReader::new(socket.try_clone().expect("a second handle"));
    let mut writer = socket;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let mut body = vec![0; length.expect("a length").parse().expect("it is a number")];
        reader.read_exact(&mut body).expect("a body");
        let request = ExportTraceServiceRequest::decode(&body[..]).expect("spans");
        for of_process in request.resource_spans {
            let resource = of_process.resource.expect("spans say where they come from");
            let service = attribute(&resource.attributes, "service.name").expect("it has a name");
            let instance =
                attribute(&resource.attributes, "service.instance.id").expect("it says which it is");
            let spans = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
            let spans = spans.map(|span| Got { service: service.clone(), instance: instance.clone(), span });
            got.lock().expect("nobody panicked").extend(spans);
        }
        // The exporter may have gone.
        let _ = writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}

#[test]
fn one_trace_shows_a_job_from_submission_to_each_request_on_every_machine() {
    let collector = Collector::start();
    let mut fleet = Fleet::new();
    fleet.stop_coordinator().succeeded();
    fleet.environment = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.clone()),
        // So long that all is sent when the processes end.
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000".to_owned()),
    ];
    fleet.start_coordinator();
    fleet.join(&["n1", "n2"]);
    fleet.sources("job", 8);
    fleet.world.twin.reset_requests();
    let id = fleet.submit("job");
    let summary = fleet.completed(id);
    let requests = fleet.world.twin.requests();
    fleet.is_well(&["job"]);
    for name in ["n1", "n2"] {
        let ended = fleet.leave(name);
        ended.succeeded();
        assert!(!ended.stderr.contains("UploadPart"), "its log shows no requests: {}", ended.stderr);
    }
    fleet.stop_coordinator().succeeded();

    let got = collector.got();
    let named = |name: &str| got.iter().filter(|got| got.span.name == name).collect::<Vec<_>>();
    let job = named("job");
    assert_eq!(job.len(), 1, "{job:?}");
    let job = job[0];
    assert_eq!((job.service.as_str(), job.attribute("id")), ("zipfleet-coordinator", id.to_string()));
    assert!(job.span.parent_span_id.is_empty());
    let below = |parent: &Got| {
        let children = got.iter().filter(|got| got.span.parent_span_id == parent.span.span_id);
        children.inspect(|child| assert_eq!(child.span.trace_id, job.span.trace_id)).collect::<Vec<_>>()
    };

    let mut operations: BTreeMap<String, u64> = BTreeMap::new();
    let mut services = BTreeSet::new();
    for child in below(job) {
        services.insert((child.span.name.as_str(), child.service.as_str()));
        for request in below(child) {
            assert_eq!((request.span.name.as_str(), &request.service), ("s3", &child.service));
            *operations.entry(request.attribute("operation")).or_default() += 1;
        }
    }
    let expected = [
        ("complete", "zipfleet-coordinator"),
        ("create", "zipfleet-coordinator"),
        ("list", "zipfleet-coordinator"),
        ("part", "zipfleet-node"),
        ("settle", "zipfleet-coordinator"),
    ];
    assert_eq!(services, BTreeSet::from(expected));
    let uploads = |part: &&&Got| below(part).iter().any(|got| got.attribute("operation") == "UploadPart");
    assert!(named("part").iter().filter(uploads).count() as u64 >= summary.parts);
    let nodes: BTreeSet<&str> = named("part").iter().map(|part| part.instance.as_str()).collect();
    assert_eq!(nodes, BTreeSet::from(["n1", "n2"]), "it tells on which machine a part was");
    for operation in
        ["ListObjectsV2", "GetObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"]
    {
        // One that is given up may never arrive.
        let (told, arrived) = (operations[operation], requests[operation]);
        assert!(told >= arrived, "{told} of {arrived} {operation} are in the trace");
    }
}
