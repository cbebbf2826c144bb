//! A fleet of real processes: one coordinator and its nodes with mutual TLS, around a twin in this process that
//! knows each node by its access key.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use proto::api::{JobReport, JobsPage};
use proto::explain::{Decision, NodeShare, What};
use proto::job::{JobId, Outcome, Summary};
use proto::view::{JobView, NodeState, NodeView};
use serde::de::DeserializeOwned;
use simulations_s3::{Client, Rope, TwinOptions};

use crate::support::{Ended, Running, World, until};

/// Where the coordinator keeps its state.
pub(crate) const STATE: &str = "s3://state/fleet/";
/// Size of most parts, in bytes: the smallest there is, so that little data makes many.
pub(crate) const PART: u64 = 5 << 20;
/// What all content of a node is throttled to unless it is to be slow, in bytes a second: each byte of an archive
/// counts twice, in and out, so a part takes two thirds of a second.
pub(crate) const PACE: u64 = 16_000_000;
/// A tenth of that.
pub(crate) const TENTH: u64 = PACE / 10;
/// Most memory of an idle coordinator, in bytes: several times what it takes.
const COORDINATOR_RESIDENT_MAX: u64 = 64 << 20;
/// What nodes are allowed, in MiB: four parts in flight, so that most of a job waits in queues.
const NODE_MEMORY_MIB: u64 = 64;
/// Pause before each question to the API.
const LOOK: Duration = Duration::from_millis(10);
/// All that the nodes of a test are called.
const NAMES: [&str; 8] = ["n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"];

/// Fleets wait most of the time, so two at a time do not disturb each other; many would.
const FLEETS_MAX: usize = 2;
static FLEETS: Mutex<usize> = Mutex::new(0);
static FLEET_GONE: Condvar = Condvar::new();

/// The right to run a fleet; waited for, and given back when dropped.
struct Turn;

impl Turn {
    fn take() -> Self {
        let fleets = FLEETS.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |fleets: &mut usize| *fleets >= FLEETS_MAX;
        *FLEET_GONE.wait_while(fleets, is_full).unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *FLEETS.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FLEET_GONE.notify_one();
    }
}

/// A coordinator and its nodes; all are killed when it is dropped.
pub(crate) struct Fleet {
    pub(crate) nodes: BTreeMap<String, Running>,
    pub(crate) coordinator: Option<Running>,
    /// Where nodes dial the coordinator.
    pub(crate) door: SocketAddr,
    /// The URL at which jobs are submitted.
    pub(crate) api: String,
    pub(crate) world: World,
    /// What the environment of whatever is started next has beside the usual.
    pub(super) environment: Vec<(&'static str, String)>,
    issued: BTreeSet<String>,
    flags: Vec<String>,
    _turn: Turn,
}

impl Fleet {
    /// A coordinator without nodes.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// A coordinator with these flags beside the usual ones, without nodes.
    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), flags)
    }

    /// A coordinator that nodes dial at this address, with these flags beside the usual ones, without nodes.
    pub(crate) fn at(door: SocketAddr, flags: &[&str]) -> Self {
        let turn = Turn::take();
        let mut options = TwinOptions::default();
        options.keys.extend(NAMES.map(|name| (key(name), format!("{name}-secret"))));
        let world = World::with(options);
        world.twin.create_bucket("state");
        world.zipfleet(&["certs", "init", "--dir", "certs"]).succeeded();
        let mut fleet = Self {
            nodes: BTreeMap::new(),
            coordinator: None,
            door,
            api: "http://127.0.0.1:0".to_owned(),
            world,
            environment: Vec::new(),
            issued: BTreeSet::new(),
            flags: flags.iter().map(ToString::to_string).collect(),
            _turn: turn,
        };
        fleet.start_coordinator();
        fleet
    }

    /// A coordinator with nodes `n1`, `n2` and so on, all of which have joined.
    pub(crate) fn of(count: usize) -> Self {
        let mut fleet = Self::new();
        fleet.join(&NAMES[..count]);
        fleet
    }

    /// Starts the coordinator, at the same addresses as before if there was one.
    pub(crate) fn start_coordinator(&mut self) {
        let host = self.door.ip().to_string();
        self.issue("coordinator", &["--role", "coordinator", "--host", &host]);
        let (door, api) = (self.door.to_string(), self.api.trim_start_matches("http://").to_owned());
        let mut command = self.world.command(&[
            "--json",
            "coordinator",
            "--state",
            STATE,
            "--listen",
            &door,
            "--api",
            &api,
        ]);
        command.args(tls("coordinator")).args(&self.flags).envs(self.environment.iter().cloned());
        let running = self.world.start(command);
        until("the coordinator is ready", || running.stdout().ends_with('\n'));
        let ready: serde_json::Value = parse(&running.stdout());
        let text = |name: &str| ready[name].as_str().expect("it is a text").to_owned();
        self.door = text("nodes").parse().expect("it is an address");
        self.api = text("api");
        self.coordinator = Some(running);
    }

    /// Makes a certificate, unless there is one of this name.
    fn issue(&mut self, name: &str, flags: &[&str]) {
        if self.issued.insert(name.to_owned()) {
            let issue = ["certs", "issue", "--dir", "certs", "--name", name];
            self.world.zipfleet(&[&issue, flags].concat()).succeeded();
        }
    }

    /// A node's command, with its own access key, certificate and a small window, that dials `door`.
    pub(crate) fn node(&mut self, name: &str, door: SocketAddr) -> Command {
        self.issue(name, &[]);
        let (door, memory) = (door.to_string(), format!("{NODE_MEMORY_MIB}MiB"));
        let mut command = self.world.command(&["node", "--coordinator", &door, "--name", name]);
        command.args(["--concurrency", "4", "--memory", &memory]).args(tls(name));
        command.env("AWS_ACCESS_KEY_ID", key(name)).env("AWS_SECRET_ACCESS_KEY", format!("{name}-secret"));
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Starts a node. One of this name that is still there is killed first.
    pub(crate) fn start(&mut self, name: &str, command: Command) {
        self.nodes.remove(name);
        let running = self.world.start(command);
        self.nodes.insert(name.to_owned(), running);
    }

    /// Starts nodes that dial the coordinator, and waits until all take parts.
    pub(crate) fn join(&mut self, names: &[&str]) {
        for name in names {
            let command = self.node(name, self.door);
            self.start(name, command);
        }
        self.are_active(names);
    }

    /// Waits until all of these take parts.
    pub(crate) fn are_active(&self, names: &[&str]) {
        until(&format!("{names:?} are active"), || names.iter().all(|name| self.is_active(name)));
    }

    pub(crate) fn is_active(&self, name: &str) -> bool {
        self.view(name).is_some_and(|node| node.state == NodeState::Active)
    }

    /// The process of a node.
    pub(crate) fn process(&self, name: &str) -> &Running {
        &self.nodes[name]
    }

    /// How the coordinator sees a node; `None` when it knows none of that name.
    pub(crate) fn view(&self, name: &str) -> Option<NodeView> {
        self.views().into_iter().find(|node| node.name == name)
    }

    /// The nodes as the coordinator sees them.
    pub(crate) fn views(&self) -> Vec<NodeView> {
        self.get("v1/nodes")
    }

    /// What the API says: it is asked so often that a process each time would take a processor.
    fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        sleep(LOOK);
        let address = self.api.trim_start_matches("http://");
        let mut socket = TcpStream::connect(address).expect("the API takes connections");
        let question = format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        socket.write_all(question.as_bytes()).expect("it is read");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("it is answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("there is a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        parse(body)
    }

    /// A command to the cluster, with its answer in JSON.
    pub(crate) fn tell(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(&[&["--json"], args].concat());
        command.env("ZIPFLEET_CLUSTER", &self.api);
        command
    }

    /// Has all content that a node moves share so many bytes a second.
    pub(crate) fn throttle(&self, names: &[&str], bytes_per_second: u64) {
        for name in names {
            self.world.twin.throttle(Client::Key(key(name)), bytes_per_second);
        }
    }

    /// Lets a node be as fast as it can.
    pub(crate) fn unthrottle(&self, names: &[&str]) {
        for name in names {
            self.world.twin.unthrottle(&Client::Key(key(name)));
        }
    }

    /// Puts objects below `s3://src/NAME/` that make about so many parts of [`PART`]: small ones, some that span
    /// parts, and one that is larger than a node's memory if there are many.
    pub(crate) fn sources(&self, name: &str, parts: u64) {
        let bytes = parts * PART;
        let put = |key: String, seed, size| {
            self.world.twin.put("src", &format!("{name}/{key}"), Rope::synthetic(seed, size));
        };
        let small = bytes / 4 / 20;
        (0..20).for_each(|i| put(format!("small/{i:02}"), i, small));
        (20..23).for_each(|i| put(format!("middle/{i}"), i, bytes / 12));
        put("large".to_owned(), 23, bytes / 2);
    }

    /// Submits a job that makes `s3://out/NAME.zip` of `s3://src/NAME/`.
    pub(crate) fn submit(&self, name: &str) -> JobId {
        let ended = self.world.start(self.submission(name, &[])).wait();
        ended.succeeded();
        let said: serde_json::Value = parse(&ended.stdout);
        said["id"].as_str().expect("it is a text").parse().expect("it is a job's id")
    }

    /// The command that submits such a job.
    pub(crate) fn submission(&self, name: &str, flags: &[&str]) -> Command {
        let (from, to) = (format!("s3://src/{name}/"), format!("s3://out/{name}.zip"));
        self.tell(&[&["submit", "--part-size", "5MiB", &from, &to], flags].concat())
    }

    /// A job as it is now.
    pub(crate) fn job(&self, id: JobId) -> JobView {
        self.get(&format!("v1/jobs/{id}"))
    }

    /// The only job there is that has not ended, once there is one.
    pub(crate) fn running_job(&self) -> JobId {
        let mut found = None;
        until("a job is there", || {
            let JobsPage { jobs, .. } = self.get("v1/jobs");
            found = jobs.iter().find(|job| job.outcome.is_none()).map(|job| job.id);
            found.is_some()
        });
        found.expect("it was just found")
    }

    /// Waits until so many parts of a job are done, and panics if it has ended by then.
    pub(crate) fn has_done(&self, id: JobId, parts: u64) {
        until(&format!("{parts} parts are done"), || {
            let job = self.job(id);
            assert!(job.outcome.is_none(), "it ended before what was to befall it: {job:?}");
            job.progress.parts_done >= parts
        });
    }

    /// Waits for the end of a job, which must be good.
    pub(crate) fn completed(&self, id: JobId) -> Summary {
        let mut outcome = None;
        until(&format!("job {id} has ended; the nodes: {:?}", self.views()), || {
            outcome = self.job(id).outcome;
            outcome.is_some()
        });
        match outcome.expect("it was just there") {
            Outcome::Completed(summary) => summary,
            failed @ Outcome::Failed { .. } => panic!("{failed:?}; {}", self.said()),
        }
    }

    /// Who did what for a job.
    pub(crate) fn explain(&self, id: JobId) -> JobReport {
        let ended = self.world.start(self.tell(&["explain", &id.to_string()])).wait();
        ended.succeeded();
        parse(&ended.stdout)
    }

    /// What coordinator and nodes have said, for whoever has to find out why a test failed.
    pub(crate) fn said(&self) -> String {
        let all = self.nodes.iter().map(|(name, node)| format!("\n{name}:\n{}", node.stderr()));
        let coordinator = self.coordinator.as_ref().map(Running::stderr).unwrap_or_default();
        std::iter::once(format!("coordinator:\n{coordinator}")).chain(all).collect()
    }

    /// Panics unless each of these jobs has made the right archive, nothing else is left in S3, and nobody holds
    /// on to memory.
    pub(crate) fn is_well(&self, names: &[&str]) {
        for name in names {
            self.world.archive_is_right(
                "out",
                &format!("{name}.zip"),
                &self.world.entries("src", &format!("{name}/")),
            );
        }
        self.world.no_upload_left();
        self.no_state_left();
        let coordinator = self.coordinator.iter().map(|it| ("coordinator", it, COORDINATOR_RESIDENT_MAX));
        let nodes = self.nodes.iter().map(|(name, it)| (name.as_str(), it, NODE_MEMORY_MIB << 20));
        for (name, process, most) in coordinator.chain(nodes) {
            let resident = resident(process.pid());
            assert!(resident > 0, "{name} is gone: {}", process.stderr());
            assert!(resident <= most, "{name} holds {resident} bytes of memory, more than {most}");
        }
    }

    /// Panics if the coordinator's state goes on holding more of jobs that have ended than their reports. Of one that
    /// died the next keeps a record until it has looked for what nodes began too late.
    pub(super) fn no_state_left(&self) {
        until("nothing is left of jobs that have ended but their reports", || {
            self.world.twin.keys("state").iter().all(|key| key.starts_with("fleet/reports/"))
        });
    }

    /// Panics unless the program's own verifier finds the job's archive right.
    pub(crate) fn verifies(&self, name: &str) {
        let (archive, sources) = (format!("s3://out/{name}.zip"), format!("s3://src/{name}/"));
        self.world.zipfleet(&["verify", &archive, "--against", &sources]).succeeded();
    }

    /// Sends SIGTERM to a node and waits for its end.
    pub(crate) fn leave(&mut self, name: &str) -> Ended {
        let node = self.nodes.remove(name).expect("there is a node of that name");
        node.signal("TERM");
        node.wait()
    }

    /// Sends SIGTERM to the coordinator and waits for its end.
    pub(super) fn stop_coordinator(&mut self) -> Ended {
        let coordinator = self.coordinator.take().expect("there is a coordinator");
        coordinator.signal("TERM");
        coordinator.wait()
    }

    /// Kills the coordinator with SIGKILL.
    pub(crate) fn kill_coordinator(&mut self) {
        drop(self.coordinator.take());
    }
}

/// The access key of a node.
fn key(name: &str) -> String {
    format!("key-of-{name}")
}

/// The flags for a certificate.
pub(crate) fn tls(name: &str) -> [String; 6] {
    let [cert, key] = ["pem", "key"].map(|ending| format!("certs/{name}.{ending}"));
    ["--tls-ca", "certs/ca.pem", "--tls-cert", &cert, "--tls-key", &key].map(ToOwned::to_owned)
}

fn parse<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Resident memory of a process, in bytes, without the program itself, which is twice as large in a debug build;
/// 0 if it has ended.
fn resident(pid: u32) -> u64 {
    let status = read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|kib| kib.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// A node's share; of one that had nothing to do with the job, an empty one.
pub(crate) fn share(explanation: &JobReport, name: &str) -> NodeShare {
    explanation.nodes.iter().find(|share| share.name == name).cloned().unwrap_or_default()
}

/// Panics unless all of these nodes made parts.
#[track_caller]
pub(crate) fn all_made_parts(explanation: &JobReport, names: &[&str]) {
    for name in names {
        assert!(share(explanation, name).parts > 0, "{name} made nothing: {explanation:#?}");
    }
}

/// Panics unless others were seen to take over what a node was not heard of having done.
#[track_caller]
pub(crate) fn was_relieved(explanation: &JobReport, name: &str) {
    let of_it = |what: &What| match what {
        What::Silent { node, .. } | What::Lost { node, .. } => node == name,
        What::Hedged { slow, .. } => slow == name,
        _ => false,
    };
    assert!(decided(explanation, of_it), "{explanation:#?}");
}

/// Decisions of one kind.
pub(crate) fn decisions<'a>(
    explanation: &'a JobReport,
    wanted: impl Fn(&What) -> bool + 'a,
) -> impl Iterator<Item = &'a Decision> {
    explanation.decisions.iter().filter(move |decision| wanted(&decision.what))
}

/// Whether a decision of this kind was made.
pub(crate) fn decided(explanation: &JobReport, wanted: impl Fn(&What) -> bool) -> bool {
    decisions(explanation, wanted).next().is_some()
}
