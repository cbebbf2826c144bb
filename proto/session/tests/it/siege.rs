//! A coordinator in a process of its own, so that what an attack costs it can be measured.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::limits::MIB;
use proto::session::{FromNode, PROTOCOL_VERSIONS};
use proto_session::{Arrival, Caps, Dialer, Tls, TlsFiles, dial};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::client::TlsStream;

use crate::certificates::{Authority, files};
use crate::raw;
use crate::world::{Coordinator, NodeSide, frame_from_node, frame_to_node, hello, welcome, within};

/// Where the child finds its certificates; without it there is no child.
const DIR: &str = "SIEGE_DIR";
/// What no attack may add to the coordinator's memory, in bytes.
const GROWTH_MAX: u64 = 96 * MIB;
/// A node of this name is sent orders without end.
pub(crate) const FLOODED: &str = "blue.flooded";

/// A coordinator under attack.
pub(crate) struct Siege {
    pub(crate) authority: Authority,
    pub(crate) addr: SocketAddr,
    pub(crate) evil: TlsFiles,
    good: Tls,
    process: Child,
    words: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    peak_before: u64,
}

impl Siege {
    /// Starts a coordinator, and has it serve a good node.
    pub(crate) async fn begin() -> Self {
        Self::begin_with_files(20_000).await
    }

    /// Likewise, with no more than so many open files.
    pub(crate) async fn begin_with_files(files_max: usize) -> Self {
        let authority = Authority::new();
        authority.issue(&["localhost"], |_| {});
        let evil = authority.issue(&["blue"], |_| {});
        let good = authority.tls(&["good"]);
        let limited = format!("ulimit -n {files_max} && exec \"$@\"");
        let mut process = Command::new("sh")
            .args(["-c", &limited, "sh"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "siege::coordinator", "--ignored", "--nocapture"])
            .env(DIR, authority.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take().unwrap();
        let words = Mutex::new((stdin, BufReader::new(process.stdout.take().unwrap())));
        let addr = ([127, 0, 0, 1], 0).into();
        let mut siege = Self { authority, addr, evil, good, process, words, peak_before: 0 };
        siege.addr = siege.ask("addr").parse().unwrap();
        for _ in 0..3 {
            siege.serves_a_good_node().await;
        }
        siege.peak_before = siege.peak();
        siege
    }

    /// Asks the child something.
    fn ask(&self, question: &str) -> String {
        let mut words = self.words.lock().unwrap();
        writeln!(words.0, "{question}").unwrap();
        loop {
            let mut line = String::new();
            assert!(words.1.read_line(&mut line).unwrap() > 0, "the coordinator is gone");
            // Before it the test harness says what it runs, without a line's end.
            if let Some((_, answer)) = line.split_once("answer: ") {
                return answer.trim().to_owned();
            }
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.ask("connections").parse().unwrap()
    }

    /// The most memory the child ever had, in bytes.
    fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }

    pub(crate) fn dialer(&self, tls: Tls) -> Dialer {
        Dialer::new(format!("localhost:{}", self.addr.port()), Some(tls))
    }

    pub(crate) fn good_dialer(&self) -> Dialer {
        self.dialer(self.good.clone())
    }

    /// A session of a good node, at the first try.
    pub(crate) async fn good_node(&self, name: &str) -> NodeSide {
        dial(&self.good_dialer(), hello(name)).await.unwrap().1
    }

    /// A good node arrives, says something, is answered and leaves; gives how long that took.
    pub(crate) async fn serves_a_good_node(&self) -> Duration {
        let since = Instant::now();
        let mut node = self.good_node("good").await;
        node.outgoing.send(frame_from_node(0)).await.unwrap();
        assert_eq!(within(node.incoming.next()).await, Some(frame_to_node(0, 10)));
        let took = since.elapsed();
        node.close().await;
        took
    }

    /// A TLS connection with the certificate of `blue`.
    pub(crate) async fn evil_connection(&self) -> TlsStream<TcpStream> {
        raw::tls(self.addr, self.authority.dir.path(), Some(&self.evil)).await.unwrap()
    }

    /// While `held` is still there, and after it is gone, good nodes are served; then nothing is left of the attack.
    pub(crate) async fn ends<T>(self, attack: &str, held: T) {
        let during = self.serves_a_good_node().await;
        drop(held);
        let after = self.serves_a_good_node().await;
        within(async {
            while self.connections() > 0 {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        let growth = self.peak().saturating_sub(self.peak_before);
        eprintln!(
            "{attack}: peak memory +{:.1} MiB, a good node is served in {during:.0?} meanwhile, {after:.0?} afterwards",
            growth as f64 / MIB as f64
        );
        assert!(growth < GROWTH_MAX, "{attack}: memory grew by {growth} bytes");
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The child: not a test of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the process that the hostile tests start"]
async fn coordinator() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let tls = Tls::load(&files(Path::new(&dir), "localhost")).unwrap();
    let caps = Caps::default();
    let Coordinator { listener, addr, mut arrivals, stop, .. } =
        Coordinator::start_speaking(Some(tls), caps, PROTOCOL_VERSIONS);
    let asked = Arc::clone(&listener);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            match line.unwrap().as_str() {
                "addr" => println!("answer: {addr}"),
                "connections" => println!("answer: {}", asked.connections()),
                other => panic!("{other}"),
            }
        }
        // Nobody asks any more: the test is over, however it ended.
        std::process::exit(0);
    });
    while let Some(arrival) = arrivals.recv().await {
        tokio::spawn(attend(arrival));
    }
    drop(stop);
}

/// Answers every frame with an order, or sends orders without end.
async fn attend(arrival: Arrival) {
    let is_flooded = arrival.hello.name == FLOODED;
    let mut connection = arrival.welcome(welcome());
    if is_flooded {
        let mut first = 0;
        while connection.outgoing.send(frame_to_node(first, 1 << 20)).await.is_ok() {
            first += 1;
        }
        return;
    }
    while let Some(message) = connection.incoming.next().await {
        let FromNode::Frame(frame) = message else { return };
        if connection.outgoing.send(frame_to_node(frame.first, 10)).await.is_err() {
            return;
        }
    }
}
