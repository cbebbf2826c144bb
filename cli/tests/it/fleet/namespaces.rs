//! Goal: on a network with addresses of its own for each node, what a fleet does on loopback holds as well: a
//! cable that is pulled for a while and one that is long cost no job.
//! Method: a network namespace for each node, joined by a bridge at which coordinator and twin listen. Where the
//! machine does not allow that, the test says so and does nothing.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use simulations_s3::{Client, Server, Twin};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use super::support::{Fleet, PACE, all_made_parts, was_relieved};
use crate::support::until;

const NAMES: [&str; 3] = ["n1", "n2", "n3"];
/// How long a cable is pulled: longer than a coordinator waits for a node.
const PULLED: Duration = Duration::from_secs(10);

/// A bridge with namespaces on it; all are removed when it is dropped.
struct Network {
    /// What all names begin with.
    name: String,
    /// The first three bytes of all addresses.
    net: [u8; 3],
}

impl Network {
    /// A network with a namespace for each node, or why there is none.
    fn new() -> Result<Self, String> {
        let pid = std::process::id();
        // A range set aside for measuring networks, which nobody else should use.
        let network = Self { name: format!("zf{pid}"), net: [198, 18, pid as u8] };
        let bridge = network.bridge();
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{}/24", network.bridge_address()), "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        for index in 0..NAMES.len() {
            let (space, cable) = (network.space(index), network.cable(index));
            let address = format!("{}/24", network.address(index));
            ip(&["netns", "add", &space])?;
            ip(&["link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &space])?;
            ip(&["link", "set", &cable, "master", &bridge, "up"])?;
            ip(&["-n", &space, "addr", "add", &address, "dev", "eth0"])?;
            ip(&["-n", &space, "link", "set", "eth0", "up"])?;
        }
        Ok(network)
    }

    fn bridge(&self) -> String {
        format!("{}b", self.name)
    }

    fn space(&self, index: usize) -> String {
        format!("{}n{index}", self.name)
    }

    /// The end at the bridge of a node's cable.
    fn cable(&self, index: usize) -> String {
        format!("{}v{index}", self.name)
    }

    fn bridge_address(&self) -> IpAddr {
        let [a, b, c] = self.net;
        IpAddr::from([a, b, c, 1])
    }

    fn address(&self, index: usize) -> IpAddr {
        let [a, b, c] = self.net;
        IpAddr::from([a, b, c, 10 + index as u8])
    }

    /// The same command in a node's namespace.
    fn inside(&self, index: usize, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside
            .args(["netns", "exec", &self.space(index)])
            .arg(command.get_program())
            .args(command.get_args());
        let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        inside.env_clear().envs(set).current_dir(command.get_current_dir().expect("it has a directory"));
        inside
    }

    fn plug(&self, index: usize, how: &str) {
        ip(&["link", "set", &self.cable(index), how]).expect("the cable is there");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // What was never made cannot be removed.
        for index in 0..NAMES.len() {
            let _gone = ip(&["link", "del", &self.cable(index)]);
            let _gone = ip(&["netns", "del", &self.space(index)]);
        }
        let _gone = ip(&["link", "del", &self.bridge()]);
    }
}

fn ip(args: &[&str]) -> Result<(), String> {
    run(Command::new("ip").args(args))
}

fn run(command: &mut Command) -> Result<(), String> {
    let ended = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    match ended.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&ended.stderr).trim())),
    }
}

/// The twin at the bridge as well.
fn serve(twin: &Twin, at: IpAddr) -> (Server, Runtime) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let server = runtime.block_on(async {
        let listener = TcpListener::bind((at, 0)).await.expect("there is a free port");
        twin.serve(listener).expect("a bound listener has an address")
    });
    (server, runtime)
}

#[test]
fn a_cable_is_pulled_and_another_is_long() {
    let network = match Network::new() {
        Ok(network) => network,
        Err(why) => return eprintln!("SKIPPED: no network namespaces on this machine: {why}"),
    };
    let bridge = network.bridge_address();
    let mut fleet = Fleet::at(SocketAddr::new(bridge, 0), &[]);
    let (server, _runtime) = serve(&fleet.world.twin, bridge);

    // Without certificates neither side speaks to others.
    let listen = SocketAddr::new(bridge, 0).to_string();
    let open = ["coordinator", "--state", "s3://state/other/", "--listen", &listen, "--api", "127.0.0.1:0"];
    fleet.world.zipfleet(&open).failed(2, &["--listen", "--tls-ca", "--allow-plaintext"]);
    let door = fleet.door.to_string();
    let open = ["node", "--coordinator", &door, "--name", "n1"];
    fleet.world.zipfleet(&open).failed(2, &["--coordinator", "--tls-ca", "--allow-plaintext"]);

    for (index, name) in NAMES.into_iter().enumerate() {
        let mut command = fleet.node(name, fleet.door);
        command.env("AWS_ENDPOINT_URL_S3", server.endpoint());
        fleet.start(name, network.inside(index, &command));
        fleet.world.twin.throttle(Client::Address(network.address(index)), PACE);
    }
    fleet.are_active(&NAMES);
    let long = run(Command::new("tc").args([
        "qdisc",
        "add",
        "dev",
        &network.cable(1),
        "root",
        "netem",
        "delay",
        "20ms",
    ]));
    if let Err(why) = long {
        eprintln!("SKIPPED: no cable is long, because this machine cannot delay packets: {why}");
    }

    fleet.sources("job", 24);
    fleet.sources("next", 12);
    let job = fleet.submit("job");
    fleet.has_done(job, 2);
    network.plug(0, "down");
    let since = Instant::now();
    fleet.completed(job);
    was_relieved(&fleet.explain(job), "n1");
    sleep(PULLED.saturating_sub(since.elapsed()));
    until("it is given up", || fleet.view("n1").is_none());
    network.plug(0, "up");
    fleet.are_active(&NAMES);
    let next = fleet.submit("next");
    fleet.completed(next);
    all_made_parts(&fleet.explain(next), &NAMES);
    fleet.is_well(&["job", "next"]);
}
