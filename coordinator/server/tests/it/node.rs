//! A node whose connection is as bad as a test wants it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proto::batch::{Assignment, Upload};
use proto::crc::Crc;
use proto::link::{Frame, Link};
use proto::part::{Effort, PartDone};
use proto::plan::Piece;
use proto::report::{Report, Vitals};
use proto::session::{FromNode, Hello, Order, SessionId, ToNode};
use proto_s3::{Progress, S3, with_retries};
use proto_session::{Connection, DialError, Dialer, dial};
use tokio::sync::mpsc;

/// What a node says first.
pub(crate) fn hello(name: &str, resume: Option<SessionId>) -> Hello {
    Hello {
        name: name.into(),
        resume,
        version: "test".into(),
        cores: 1,
        body_budget_bytes: 64 << 20,
        network_bytes_per_second: 0,
    }
}

/// A connection of a node, and the session it was given.
pub(crate) async fn connect(
    at: SocketAddr,
    hello: Hello,
) -> Result<(SessionId, Connection<FromNode, ToNode>), DialError> {
    let dialer = Dialer::new(at.to_string(), None);
    let (welcome, connection) = dial(&dialer, hello).await?;
    Ok((welcome.session, connection))
}

/// The first grant that comes; nothing is acknowledged.
pub(crate) async fn granted(connection: &mut Connection<FromNode, ToNode>) -> serde_json::Value {
    loop {
        let Some(ToNode::Frame(frame)) = connection.incoming.next().await else { panic!("no grant came") };
        for order in &frame.items {
            let order = serde_json::to_value(order).expect("an order can be told in JSON");
            if !order["Grant"].is_null() {
                return order;
            }
        }
    }
}

/// A small source of chance, the same in every run.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// True once in `of` times.
    fn one_in(&mut self, of: u64) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).is_multiple_of(of)
    }
}

/// What an unkind network makes of a frame: some are lost, some come twice, some late.
fn unkind<T: Clone>(chance: &mut Chance, late: &mut VecDeque<Frame<T>>, frame: Frame<T>) -> Vec<Frame<T>> {
    let mut out = Vec::new();
    if chance.one_in(4) {
        return out;
    }
    if chance.one_in(4) {
        late.push_back(frame.clone());
    }
    if chance.one_in(4) {
        late.push_back(frame);
    } else {
        out.push(frame);
    }
    if chance.one_in(2) {
        out.extend(late.pop_front());
    }
    out
}

/// A node that makes what it is granted.
pub(crate) struct TestNode {
    pub(crate) name: String,
    pub(crate) s3: S3,
    pub(crate) at: SocketAddr,
    /// `None` for a kind network.
    pub(crate) chance: Option<Chance>,
}

impl TestNode {
    /// Works until it is dropped. Every attempt is made once however often its order comes.
    pub(crate) async fn run(mut self) {
        let started = Instant::now();
        let now_ms = || started.elapsed().as_millis() as u64;
        let mut link: Link<Report> = Link::default();
        let mut session = None;
        let (done, mut made) = mpsc::unbounded_channel();
        let mut beat = tokio::time::interval(Duration::from_millis(50));
        let (mut late_out, mut late_in) = (VecDeque::new(), VecDeque::new());
        loop {
            let Ok((given, mut connection)) = connect(self.at, hello(&self.name, session)).await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            assert!(session.is_none_or(|session| session == given), "the session was forgotten");
            session = Some(given);
            link.reconnected();
            loop {
                tokio::select! {
                    message = connection.incoming.next() => {
                        let Some(ToNode::Frame(frame)) = message else { break };
                        let frames = match &mut self.chance {
                            Some(chance) => unkind(chance, &mut late_in, frame),
                            None => vec![frame],
                        };
                        for order in frames.into_iter().flat_map(|frame| link.accept(frame, now_ms())) {
                            self.carry_out(order, &done);
                        }
                    }
                    Some(part) = made.recv() => {
                        link.push(Report { done: vec![part], vitals: vitals(), ..Report::default() }, 100);
                    }
                    _ = beat.tick() => {
                        if link.unacknowledged() == 0 {
                            link.push(Report { vitals: vitals(), ..Report::default() }, 100);
                        }
                        if self.chance.as_mut().is_some_and(|chance| chance.one_in(40)) {
                            break;
                        }
                    }
                }
                while let Some(frame) = link.frame(now_ms()) {
                    let frames = match &mut self.chance {
                        Some(chance) => unkind(chance, &mut late_out, frame),
                        None => vec![frame],
                    };
                    for frame in frames {
                        // If it fails, the connection has ended, which is seen above.
                        let _ = connection.outgoing.send(FromNode::Frame(frame)).await;
                    }
                }
            }
        }
    }

    fn carry_out(&self, order: Order, done: &mpsc::UnboundedSender<PartDone>) {
        let Order::Grant(batch) = order else { return };
        for assignment in batch.assignments {
            let (s3, upload, done) = (self.s3.clone(), batch.upload.clone(), done.clone());
            tokio::spawn(async move {
                // The node may be gone.
                let _ = done.send(make(&s3, &upload, assignment).await);
            });
        }
    }
}

fn vitals() -> Vitals {
    Vitals { concurrency: 4, ..Vitals::default() }
}

/// Makes a part as a node does, only slower.
async fn make(s3: &S3, upload: &Upload, Assignment { id, work, .. }: Assignment) -> PartDone {
    let mut bytes = Vec::new();
    let mut slots = Vec::new();
    let mut bodies: Vec<Crc> = work.bodies.iter().map(|_| Crc::default()).collect();
    for piece in work.pieces {
        match piece {
            Piece::Literal { bytes: literal, slots: in_literal } => {
                slots.extend(in_literal.iter().map(|slot| (bytes.len() + slot.at as usize, slot.body)));
                bytes.extend_from_slice(&literal);
            }
            Piece::Fetch { body, range } => {
                let of = &work.bodies[body as usize];
                let from = bytes.len();
                let mut fetched =
                    s3.get(&of.bucket, &of.key, &of.etag, Some(range)).await.expect("S3 is well");
                while let Some(more) = fetched.next().await.expect("S3 is well") {
                    bytes.extend_from_slice(&more);
                }
                bodies[body as usize] = bodies[body as usize].then(Crc::of(&bytes[from..]));
            }
            Piece::Copy { .. } => panic!("nothing here is large enough to be worth a copy"),
        }
    }
    let bodies: Vec<Crc> = bodies.into_iter().zip(&work.bodies).map(|(crc, of)| crc.then(of.rest)).collect();
    for (at, body) in slots {
        bytes[at..at + 4].copy_from_slice(&bodies[body as usize].value.to_le_bytes());
    }
    let crc = Crc::of(&bytes);
    let bytes = bytes::Bytes::from(bytes);
    let progress = Progress::default();
    let upload_part = async || s3.upload_part(upload, work.number, bytes.clone(), crc, &progress).await;
    let etag = with_retries(upload_part).await.expect("S3 is well");
    PartDone { id, etag, crc, bodies, effort: Effort::default() }
}
