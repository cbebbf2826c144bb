//! Goal: what befalls a fleet one at a time in the other tests befalls it all at once, while S3 fails now and
//! then and several jobs run, and still every archive is right.

use std::thread::sleep;
use std::time::Duration;

use super::proxy::{Proxy, Way};
use super::support::{Fleet, PACE};

const NAMES: [&str; 5] = ["n1", "n2", "n3", "n4", "n5"];
/// Time between two blows.
const BREATH: Duration = Duration::from_millis(1_500);

#[test]
fn everything_at_once() {
    let mut fleet = Fleet::of(3);
    let proxy = Proxy::to(fleet.door);
    let command = fleet.node("n4", proxy.address);
    fleet.start("n4", command);
    fleet.are_active(&["n4"]);
    fleet.throttle(&NAMES, PACE);
    for fault in ["GetObject:503:0.03", "GetObject:corrupt:0.02", "UploadPart:lost-answer:0.03"] {
        fleet.world.twin.add_fault(fault.parse().expect("it is a fault"));
    }
    let jobs = ["a", "b", "c", "d"];
    let ids = jobs.map(|name| {
        fleet.sources(name, 9);
        fleet.submit(name)
    });
    sleep(BREATH);
    fleet.process("n1").signal("STOP");
    proxy.cut(&[Way::Up]);
    sleep(BREATH);
    fleet.nodes.remove("n2");
    fleet.join(&["n2", "n5"]);
    sleep(BREATH);
    fleet.process("n1").signal("CONT");
    proxy.cut(&[Way::Down]);
    fleet.leave("n3").succeeded();
    sleep(BREATH);
    fleet.nodes.remove("n5");
    proxy.cut(&[]);
    for id in ids {
        fleet.completed(id);
    }
    fleet.is_well(&jobs);
}
