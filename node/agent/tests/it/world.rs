//! An S3 to work on, parts to be made, and what comes back.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use node_agent::{Node, NodeConfig};
use proto::batch::{Assignment, AttemptId, Batch, Upload};
use proto::crc::{Crc, StoredKind};
use proto::job::JobId;
use proto::location::Location;
use proto::part::{PartDone, PartFailed};
use proto::plan::{Body, PartNumber, PartWork, Piece};
use proto::report::{Report, Vitals};
use proto::session::Order;
use proto_s3::{Keys, Options, S3};
use simulations_s3::{Model, Op, Rope, Server, Twin, TwinOptions};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

pub(crate) const SOURCES: &str = "sources";
pub(crate) const ARCHIVES: &str = "archives";
pub(crate) const JOB: JobId = JobId(7);
/// Bytes of every object, and of every part but for its literal bytes.
pub(crate) const OBJECT_BYTES: u64 = 100_000;
pub(crate) const LITERAL: &[u8] = b"header";
/// Bytes of every part.
pub(crate) const PART_BYTES: u64 = OBJECT_BYTES + LITERAL.len() as u64;

pub(crate) struct World {
    pub(crate) twin: Twin,
    pub(crate) s3: S3,
    pub(crate) upload: Upload,
    _server: Server,
}

impl World {
    /// An object, and an upload to which every part is a header and that object.
    pub(crate) async fn new() -> Self {
        Self::with(TwinOptions::default()).await
    }

    pub(crate) async fn with(options: TwinOptions) -> Self {
        let twin = Twin::new(options);
        twin.put(SOURCES, "object", Rope::synthetic(1, OBJECT_BYTES));
        twin.create_bucket(ARCHIVES);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let server = twin.serve(listener).expect("it is bound");
        let keys = Keys { access_key_id: "zipfleet".into(), secret_access_key: "zipfleet-secret".into() };
        let options = Options {
            endpoint_url: Some(server.endpoint()),
            region: Some("us-east-1".into()),
            keys: Some(keys),
            ..Options::default()
        };
        let s3 = S3::connect(&options).await.expect("the endpoint is a URL");
        let destination = Location { bucket: ARCHIVES.into(), key: "a.zip".into() };
        let upload = s3.create_upload(&destination, JOB).await.expect("the bucket is there");
        Self { twin, s3, upload, _server: server }
    }

    /// Makes reads last so long from now on.
    pub(crate) fn slow_reads(&self, latency: Duration) {
        self.twin.set_model(Model::default().latency(Op::GetObject, latency));
    }

    pub(crate) fn grant(&self, parts: impl IntoIterator<Item = u32>) -> Order {
        self.grant_of(JOB, parts)
    }

    pub(crate) fn grant_of(&self, job: JobId, parts: impl IntoIterator<Item = u32>) -> Order {
        let assignments = parts.into_iter().map(|part| self.assignment(job, part)).collect();
        Order::Grant(Batch { upload: self.upload.clone(), assignments })
    }

    /// The object at `key` as it is listed now.
    pub(crate) fn body(&self, key: &str) -> Body {
        let object = self.twin.object(SOURCES, key).expect("it was put there");
        Body {
            bucket: SOURCES.into(),
            key: key.into(),
            etag: object.etag,
            object_bytes: object.size,
            stored: StoredKind::None,
            rest: Crc::EMPTY,
        }
    }

    /// A part made of these pieces of one object.
    pub(crate) fn grant_pieces(&self, part: u32, body: Body, pieces: Vec<Piece>) -> Order {
        let bytes = pieces.iter().map(Piece::bytes).sum();
        let work = PartWork { number: PartNumber(part), bytes, bodies: vec![body], pieces, below: None };
        let assignment = Assignment { id: id(part), work, trace: None };
        Order::Grant(Batch { upload: self.upload.clone(), assignments: vec![assignment] })
    }

    /// A part that is to be copied.
    pub(crate) fn grant_copy(&self, part: u32, body: Body, range: Range<u64>) -> Order {
        self.grant_pieces(part, body, vec![Piece::Copy { body: 0, range }])
    }

    fn assignment(&self, job: JobId, part: u32) -> Assignment {
        let body = self.body("object");
        let literal = Piece::Literal { bytes: LITERAL.to_vec(), slots: Vec::new() };
        let pieces = vec![literal, Piece::Fetch { body: 0, range: 0..OBJECT_BYTES }];
        let work =
            PartWork { number: PartNumber(part), bytes: PART_BYTES, bodies: vec![body], pieces, below: None };
        Assignment { id: AttemptId { job, ..id(part) }, work, trace: None }
    }

    /// Numbers of the parts that have been uploaded.
    pub(crate) fn uploaded(&self) -> Vec<u32> {
        self.twin.uploads()[0].parts.iter().map(|part| part.number as u32).collect()
    }
}

pub(crate) fn id(part: u32) -> AttemptId {
    AttemptId { job: JOB, part: PartNumber(part), attempt: 1 }
}

pub(crate) fn config() -> NodeConfig {
    NodeConfig {
        name: "node".into(),
        memory_bytes: 64 << 20,
        concurrency: 4,
        network_bytes_per_second: 1 << 30,
        keep_warm: 0,
    }
}

/// How an attempt was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Done,
    Failed,
    Returned,
}

/// What was reported.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) answers: BTreeMap<AttemptId, How>,
    pub(crate) done: Vec<PartDone>,
    pub(crate) failed: Vec<PartFailed>,
    pub(crate) vitals: Vec<Vitals>,
}

impl Told {
    /// Takes in a report.
    pub(crate) fn take(&mut self, report: Report) {
        let done = report.done.iter().map(|done| (done.id, How::Done));
        let failed = report.failed.iter().map(|failed| (failed.id, How::Failed));
        let returned = report.returned.iter().map(|returned| (returned.id, How::Returned));
        for (id, how) in done.chain(failed).chain(returned) {
            assert_eq!(self.answers.insert(id, how), None, "{id} was answered twice");
        }
        if let Some(before) = self.vitals.last() {
            assert!(before.moved_bytes <= report.vitals.moved_bytes, "what was moved only grows");
        }
        self.vitals.push(report.vitals);
        self.done.extend(report.done);
        self.failed.extend(report.failed);
    }

    pub(crate) fn parts(&self, how: How) -> Vec<u32> {
        self.answers.iter().filter(|(_, known)| **known == how).map(|(id, _)| id.part.0).collect()
    }
}

/// A node that is given its orders by hand.
pub(crate) struct Hand {
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) reports: mpsc::Receiver<Report>,
    pub(crate) node: Node,
    pub(crate) told: Told,
}

impl Hand {
    pub(crate) async fn start(world: &World, config: NodeConfig) -> Self {
        let (orders, order_receiver) = mpsc::channel(64);
        let (report_sender, reports) = mpsc::channel(64);
        let node = node_agent::start(config, world.s3.clone(), order_receiver, report_sender).await;
        let node = node.expect("actors can be started");
        Self { orders, reports, node, told: Told::default() }
    }

    pub(crate) async fn order(&self, order: Order) {
        self.orders.send(order).await.expect("the node goes on");
    }

    /// Listens until so many attempts are answered.
    pub(crate) async fn hear(&mut self, answers: usize) {
        while self.told.answers.len() < answers {
            self.hear_once().await;
        }
    }

    /// Listens to one more report.
    pub(crate) async fn hear_once(&mut self) {
        let report = self.reports.recv().await.expect("the node goes on");
        self.told.take(report);
    }

    pub(crate) fn vitals(&self) -> &Vitals {
        self.told.vitals.last().expect("something was heard")
    }
}

/// Waits until S3 has been sent so many requests of this kind.
pub(crate) async fn requests(world: &World, op: Op, count: u64) {
    while world.twin.requests().get(op.name()).is_none_or(|seen| *seen < count) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
