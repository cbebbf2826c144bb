//! A small cluster of real processes, for what people ask of one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::Duration;

use serde_json::Value;
use simulations_s3::{Model, Op, Rope};

use crate::support::{Ended, Running, World, until};

/// A coordinator and its node, around a twin that holds 20 objects below `s3://src/p/`.
pub(crate) struct Cluster {
    pub(crate) world: World,
    /// The URL at which jobs are submitted.
    pub(crate) api: String,
    door: String,
    pub(crate) coordinator: Running,
    pub(crate) node: Running,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With these flags for the coordinator beside the usual ones.
    pub(crate) fn with(flags: &[&str]) -> Self {
        Self::of(World::new(), flags)
    }

    /// Around a world that has been prepared for it.
    pub(crate) fn of(world: World, flags: &[&str]) -> Self {
        for i in 0..20 {
            world.twin.put("src", &format!("p/{i:02}"), Rope::synthetic(i, 500_000));
        }
        let free = ["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--state", "s3://out/state/"];
        let coordinator = world.spawn(&[&["coordinator", "--json"], &free[..], flags].concat());
        until("it is ready", || coordinator.stdout().ends_with('\n'));
        let ready: Value = serde_json::from_str(&coordinator.stdout()).expect("JSON");
        let [nodes, api] = ["nodes", "api"].map(|at| ready[at].as_str().expect("an address").to_owned());
        let node = start_node(&world, &nodes, "node-1");
        Self { world, api, door: nodes, coordinator, node }
    }

    /// Kills the node and starts another of the same name.
    pub(crate) fn restart_node(&mut self) {
        self.node.signal("KILL");
        self.node = start_node(&self.world, &self.door, "node-1");
    }

    /// Another node, which is in.
    pub(crate) fn another_node(&self, name: &str) -> Running {
        start_node(&self.world, &self.door, name)
    }

    /// Starts a command to the cluster.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = self.world.command(args);
        command.env("ZIPFLEET_CLUSTER", &self.api);
        self.world.start(command)
    }

    /// Runs a command to the cluster to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.start(args).wait()
    }

    /// What a command to the cluster, which must end well, says to programs.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ended = self.run(&[args, &["--json"]].concat());
        ended.succeeded();
        serde_json::from_str(&ended.stdout).expect("JSON")
    }

    /// Submits a job that cannot end; gives its id once it is under way.
    pub(crate) fn endless(&self) -> String {
        self.world.twin.set_model(Model::default().latency(Op::GetObject, Duration::from_secs(100)));
        let job = self.json(&["submit", "s3://src/p/", "s3://out/endless.zip"]);
        until("it fetches", || self.world.twin.requests().contains_key(Op::GetObject.name()));
        job["id"].as_str().expect("an id").to_owned()
    }
}

fn start_node(world: &World, door: &str, name: &str) -> Running {
    let node = world.spawn(&["node", "--coordinator", door, "--name", name]);
    until("the node is in", || node.stderr().contains("joined the coordinator"));
    node
}

/// A server that is no cluster, and remembers what it was asked; its thread ends with the test.
pub(crate) struct Stranger {
    pub(crate) url: String,
    heard: Arc<Mutex<String>>,
}

impl Stranger {
    /// One that gives everybody the same answer.
    pub(crate) fn who_answers(answer: &str) -> Self {
        let answer = answer.to_owned();
        Self::who_is_asked(move |_| answer.clone())
    }

    /// One that answers what it is asked.
    pub(crate) fn who_is_asked(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let heard = Arc::<Mutex<String>>::default();
        let hears = Arc::clone(&heard);
        spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let asked = request(&mut socket);
                hears.lock().expect("nobody panics with it").push_str(&asked);
                // Whoever asked may have gone.
                let _gone = socket.write_all(answer(&asked).as_bytes());
            }
        });
        Self { url, heard }
    }

    /// What it was asked since it was last looked at, in lower case.
    pub(crate) fn heard(&self) -> String {
        std::mem::take(&mut *self.heard.lock().expect("nobody panics with it"))
    }
}

/// The head of a request, whose body is read as well: a connection closed before that would break.
fn request(socket: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && matches!(socket.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    // Whoever asked may have gone.
    let _gone = socket.read_exact(&mut body);
    head
}
