//! A small cluster of real processes, for what people ask of one.

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
        let world = World::new();
        for i in 0..20 {
            world.twin.put("src", &format!("p/{i:02}"), Rope::synthetic(i, 500_000));
        }
        let free = ["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--state", "s3://out/state/"];
        let coordinator = world.spawn(&[&["coordinator", "--json"], &free[..], flags].concat());
        until("it is ready", || coordinator.stdout().ends_with('\n'));
        let ready: Value = serde_json::from_str(&coordinator.stdout()).expect("JSON");
        let [nodes, api] = ["nodes", "api"].map(|at| ready[at].as_str().expect("an address").to_owned());
        let node = start_node(&world, &nodes);
        Self { world, api, door: nodes, coordinator, node }
    }

    /// Kills the node and starts another of the same name.
    pub(crate) fn restart_node(&mut self) {
        self.node.signal("KILL");
        self.node = start_node(&self.world, &self.door);
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

fn start_node(world: &World, door: &str) -> Running {
    let node = world.spawn(&["node", "--coordinator", door, "--name", "node-1"]);
    until("the node is in", || node.stderr().contains("joined the coordinator"));
    node
}
