//! How many decisions a second the scheduler makes, and how many reports the machine takes in, with 1,000 nodes.
//!
//! `cargo bench -p coordinator --bench scheduling` prints it; the bar is 500,000 decisions a second.
#![expect(clippy::print_stdout, reason = "a bench says what it found")]

use std::collections::VecDeque;
use std::time::Instant;

use coordinator::machine::{Effect, Event, Machine, Question, Settings};
use coordinator::scheduler::{Next, NodeId, Policy, Queued, Scheduler};
use proto::batch::{Assignment, AttemptId, Upload};
use proto::crc::{Crc, StoredKind};
use proto::job::{JobId, JobSpec};
use proto::limits::MIB;
use proto::listing::{Etag, Page, SourceObject};
use proto::location::{Location, Source};
use proto::part::{Effort, PartDone};
use proto::plan::PartNumber;
use proto::report::{Report, Vitals};
use proto::session::{Hello, Order};
use proto::timeline::Origin;

const NODES: u64 = 1_000;
const JOBS: u64 = 16;
const PARTS: u64 = 10_000;

fn main() {
    println!("scheduling with {NODES} nodes, {JOBS} jobs of {PARTS} parts");
    for _ in 0..3 {
        decisions();
        reports();
    }
}

fn hello(id: u64) -> Hello {
    let (name, version) = (format!("n{id}"), "1".into());
    Hello { name, resume: None, version, cores: 8, body_budget_bytes: 64 * MIB, network_bytes_per_second: 0 }
}

/// Dealing, granting and settling of every part: three decisions each.
fn decisions() {
    let mut scheduler = Scheduler::new(Policy::default());
    (0..NODES).for_each(|id| scheduler.join(NodeId(id), hello(id), 0));
    let mut made = 0u64;
    let since = Instant::now();
    for job in 0..JOBS {
        scheduler.begin(JobId(job), 1);
        for index in 0..PARTS as usize {
            made += u64::from(
                scheduler
                    .deal(
                        JobId(job),
                        Queued { index, cost_bytes: 5 * MIB, is_copy: false, origin: Origin::Granted },
                        false,
                        |_| false,
                    )
                    .is_some(),
            );
        }
    }
    let mut held: VecDeque<(NodeId, AttemptId)> = VecDeque::new();
    let mut fill = |scheduler: &mut Scheduler, node, held: &mut VecDeque<(NodeId, AttemptId)>| {
        while let Some(next) = scheduler.next(node) {
            let (job, part) = match next {
                Next::Queued(job, part) => (job, part),
                Next::Stolen(stolen) => (stolen.job, stolen.part),
                Next::Hedge { .. } => break,
            };
            let attempt = AttemptId { job, part: PartNumber::from_index(part.index), attempt: 1 };
            scheduler.grant(node, attempt, part.cost_bytes, false, 0);
            held.push_back((node, attempt));
            made += 1;
        }
    };
    (0..NODES).for_each(|id| fill(&mut scheduler, NodeId(id), &mut held));
    let mut settled = 0;
    while let Some((node, attempt)) = held.pop_front() {
        settled += u64::from(scheduler.settle(node, attempt));
        fill(&mut scheduler, node, &mut held);
    }
    assert_eq!(settled, JOBS * PARTS, "every part was made");
    let seconds = since.elapsed().as_secs_f64();
    println!("  {:.0} decisions/s", (made + settled) as f64 / seconds);
}

/// The whole machine: each report brings a finished part, and the next is granted.
fn reports() {
    let mut machine = Machine::new(Settings::default());
    let mut held: VecDeque<(NodeId, Assignment)> = VecDeque::new();
    let mut events: VecDeque<Event> = (0..NODES).map(|id| Event::NodeJoined(NodeId(id), hello(id))).collect();
    events.extend((0..JOBS).map(|job| Event::Submitted(JobId(job), spec())));
    let mut reports = 0u64;
    let (mut since, mut moved) = (Instant::now(), 0);
    loop {
        let event = match events.pop_front() {
            Some(event) => event,
            None => {
                let Some((node, assignment)) = held.pop_front() else { break };
                if reports == 0 {
                    since = Instant::now();
                }
                reports += 1;
                moved += assignment.work.bytes;
                Event::Reported(node, report(&assignment, moved))
            }
        };
        for effect in machine.handle(event, since.elapsed().as_millis() as u64) {
            match effect {
                Effect::Ask(question) => events.push_back(answer(question)),
                Effect::Order(node, Order::Grant(batch)) => {
                    held.extend(batch.assignments.into_iter().map(|assignment| (node, assignment)));
                }
                _ => {}
            }
        }
    }
    let seconds = since.elapsed().as_secs_f64();
    println!("  {:.0} reports/s, each with a part done and one granted", reports as f64 / seconds);
}

fn spec() -> JobSpec {
    JobSpec {
        part_bytes: Some(5 * MIB),
        ..JobSpec::new(
            vec![Source::Prefix { bucket: "in".into(), prefix: String::new() }],
            Location { bucket: "out".into(), key: "a.zip".into() },
        )
    }
}

fn answer(question: Question) -> Event {
    match question {
        Question::List { job, .. } => {
            let object = |number: u64| SourceObject {
                source: 0,
                bucket: 0,
                stored: StoredKind::None,
                key: format!("{number:07}").into(),
                size: 5 * MIB,
                etag: Etag::parse("e"),
                modified: 1_700_000_000,
            };
            let objects = (0..PARTS - 1).map(object).collect();
            Event::Listed(job, 0, Ok(Page { objects, buckets: vec!["in".into()], next: None }))
        }
        Question::Create { job, segment, destination, .. } => {
            Event::UploadCreated(job, segment, Ok(Upload { destination, upload_id: "u".into() }))
        }
        Question::Complete(job, segment, _) => Event::Completed(job, segment, Ok("e".into())),
        Question::Discard(job, _) => Event::Discarded(job, Vec::new()),
        Question::Abort(job, _) => Event::Aborted(job, Ok(())),
    }
}

fn report(assignment: &Assignment, moved_bytes: u64) -> Report {
    let work = &assignment.work;
    let bodies = work.bodies.iter().map(|body| Crc::known(0, body.object_bytes)).collect();
    let done = PartDone {
        id: assignment.id,
        etag: "e".into(),
        crc: Crc::known(0, work.bytes),
        bodies,
        effort: Effort::default(),
    };
    let vitals = Vitals { moved_bytes, ..Vitals::default() };
    Report { done: vec![done], vitals, ..Report::default() }
}
