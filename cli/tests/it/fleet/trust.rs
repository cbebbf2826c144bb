//! Goal: whoever cannot show who they are is told what is wrong and takes no part; good nodes do not notice.

use super::support::{Fleet, share};
use crate::support::until;

/// How often a node dials before it must have said what is wrong.
const TRIES: usize = 6;

/// Starts a node like `n2`, but with these flags instead of its certificate's, and waits until it has said all of
/// `words`. Meanwhile another node does a job.
fn refused(name: &str, flags: &[&str], words: &[&str]) {
    let fleet = Fleet::of(1);
    fleet.sources("job", 4);
    fleet.world.zipfleet(&["certs", "init", "--dir", "other"]).succeeded();
    fleet.world.zipfleet(&["certs", "issue", "--dir", "other", "--name", "n2"]).succeeded();
    fleet.world.zipfleet(&["certs", "issue", "--dir", "certs", "--name", "n2"]).succeeded();
    let door = fleet.door.to_string();
    let command = fleet.world.command(&[&["node", "--coordinator", &door, "--name", name], flags].concat());
    let mut stranger = fleet.world.start(command);
    let mut said = String::new();
    until("it has tried often enough", || {
        said = stranger.stderr();
        let tries = said.matches("trying again").count();
        words.iter().all(|word| said.contains(word)) || tries >= TRIES || stranger.has_ended()
    });
    assert!(words.iter().all(|word| said.contains(word)), "{said}; {}", fleet.said());
    let job = fleet.submit("job");
    fleet.completed(job);
    assert_eq!(share(&fleet.explain(job), "n1").parts, fleet.job(job).progress.parts_done);
    assert!(!stranger.has_ended(), "it goes on trying: {}", stranger.stderr());
    assert_eq!(fleet.views().len(), 1, "{:?}", fleet.views());
    drop(stranger);
    fleet.is_well(&["job"]);
}

#[test]
fn a_certificate_of_another_authority() {
    let flags = ["--tls-ca", "certs/ca.pem", "--tls-cert", "other/n2.pem", "--tls-key", "other/n2.key"];
    refused("n2", &flags, &["does not accept this node's certificate", "UnknownCA"]);
}

#[test]
fn a_coordinator_of_another_authority() {
    let flags = ["--tls-ca", "other/ca.pem", "--tls-cert", "certs/n2.pem", "--tls-key", "certs/n2.key"];
    refused("n2", &flags, &["certificate"]);
}

#[test]
fn a_name_that_is_not_the_certificates() {
    let flags = ["--tls-ca", "certs/ca.pem", "--tls-cert", "certs/n2.pem", "--tls-key", "certs/n2.key"];
    refused("n3", &flags, &["n3", "certificate"]);
}

#[test]
fn no_certificate_at_all() {
    refused("n2", &[], &["asks for TLS", "--tls-ca, --tls-cert and --tls-key"]);
}

#[test]
fn a_name_that_another_node_has() {
    let flags = ["--tls-ca", "certs/ca.pem", "--tls-cert", "certs/n1.pem", "--tls-key", "certs/n1.key"];
    refused("n1", &flags, &["a node named n1 is connected already"]);
}
