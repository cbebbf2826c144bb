//! Goal: who has no authority of their own gets one, with certificates that work for just one role under just
//! their names, and nothing that exists is ever lost.
//! Method: the real program makes the files; an X.509 parser that had no part in it reads them, and real roles
//! use them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use x509_parser::pem::Pem;
use x509_parser::prelude::{GeneralName, X509Certificate};

use crate::support::{Ended, Running, World, until};

/// A world, and a directory with an authority in `tls`.
struct Case {
    world: World,
    dir: TempDir,
}

impl Case {
    fn new() -> Self {
        let case = Self { world: World::new(), dir: TempDir::new().expect("a directory") };
        case.run(&["certs", "init", "--dir", "tls"]).succeeded();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn spawn(&self, args: &[&str]) -> Running {
        let mut command = self.world.command(args);
        command.current_dir(self.dir.path());
        self.world.start(command)
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.spawn(args).wait()
    }

    fn issue(&self, args: &[&str]) {
        self.run(&[&["certs", "issue", "--dir", "tls"], args].concat()).succeeded();
    }
}

fn read(path: &Path) -> Pem {
    let text = fs::read(path).expect("the file is there");
    Pem::iter_from_buffer(&text).next().expect("a certificate").expect("PEM")
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().expect("well-formed").expect("it has names");
    let names = names.value.general_names.iter().map(|name| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => format!("{bytes:?}"),
        other => panic!("{other}"),
    });
    names.collect()
}

#[test]
fn the_authority_signs_and_does_nothing_else() {
    let case = Case::new();
    let pem = read(&case.path("tls/ca.pem"));
    let ca = pem.parse_x509().expect("X.509");
    assert!(ca.is_ca());
    let constraints = ca.basic_constraints().expect("well-formed").expect("it has them").value;
    assert_eq!(constraints.path_len_constraint, Some(0));
    assert!(ca.key_usage().expect("well-formed").expect("it has one").value.key_cert_sign());
    ca.verify_signature(None).expect("it signed itself");
    let days = (ca.validity().not_after.timestamp() - ca.validity().not_before.timestamp()) / 86_400;
    assert_eq!(days, 3_650);
}

/// What one authority signed must not look like another's, and damaged.
#[test]
fn no_authority_is_called_like_another() {
    let case = Case::new();
    case.run(&["certs", "init", "--dir", "other"]).succeeded();
    let [ours, theirs] = ["tls/ca.pem", "other/ca.pem"].map(|path| read(&case.path(path)));
    assert_ne!(ours.parse_x509().expect("X.509").subject(), theirs.parse_x509().expect("X.509").subject());
}

#[test]
fn a_certificate_is_for_one_role_under_its_names() {
    let case = Case::new();
    case.issue(&["--name", "node-1", "--days", "7"]);
    case.issue(&["--name", "here", "--role", "coordinator"]);
    let hosts = ["--host", "coordinator.internal", "--host", "10.0.0.5", "--host", "::1"];
    case.issue(&[&["--name", "there", "--role", "coordinator"], &hosts[..]].concat());
    let ca_pem = read(&case.path("tls/ca.pem"));
    let ca = ca_pem.parse_x509().expect("X.509");
    let v6 = format!("{:?}", std::net::Ipv6Addr::LOCALHOST.octets());
    for (name, is_server, expected) in [
        ("node-1", false, vec!["node-1"]),
        ("here", true, vec!["here", "localhost", "[127, 0, 0, 1]"]),
        (
            "there",
            true,
            vec!["there", "coordinator.internal", "[10, 0, 0, 5]", &v6, "localhost", "[127, 0, 0, 1]"],
        ),
    ] {
        let pem = read(&case.path(&format!("tls/{name}.pem")));
        let certificate = pem.parse_x509().expect("X.509");
        assert_eq!(names(&certificate), expected);
        let usage = certificate.extended_key_usage().expect("well-formed").expect("it has one").value;
        assert_eq!((usage.server_auth, usage.client_auth, usage.any), (is_server, !is_server, false));
        assert!(!certificate.is_ca());
        assert!(certificate.validity().is_valid());
        assert_eq!(certificate.issuer(), ca.subject());
        certificate.verify_signature(Some(ca.public_key())).expect("the authority signed it");
    }
    let pem = read(&case.path("tls/node-1.pem"));
    let validity = pem.parse_x509().expect("X.509").validity().clone();
    assert_eq!((validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400, 7);
    for key in ["ca.key", "node-1.key", "here.key"] {
        let mode = fs::metadata(case.path(&format!("tls/{key}"))).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

#[test]
fn nothing_is_overwritten() {
    let case = Case::new();
    case.issue(&["--name", "node-1"]);
    let before = |name: &str| fs::read(case.path(&format!("tls/{name}"))).expect("it is there");
    let kept = ["ca.pem", "ca.key", "node-1.pem", "node-1.key"].map(|name| (name, before(name)));
    let certs = |args: &[&str]| case.run(&[&["certs"], args].concat());
    certs(&["init", "--dir", "tls"]).failed(2, &["tls/ca.pem is there already"]);
    certs(&["issue", "--dir", "tls", "--name", "node-1"]).failed(2, &["tls/node-1.pem is there already"]);
    certs(&["issue", "--dir", "tls", "--name", "ca"]).failed(2, &["authority's own name"]);
    for (name, content) in kept {
        assert_eq!(before(name), content, "{name}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let case = Case::new();
    let issue = |args: &[&str]| case.run(&[&["certs", "issue"], args].concat());
    issue(&["--dir", "nowhere", "--name", "a"]).failed(2, &["nowhere/ca.pem", "certs init"]);
    issue(&["--dir", "tls", "--name", "../a"]).failed(2, &["--name", "letters"]);
    issue(&["--dir", "tls", "--name", "a", "--host", "b"]).failed(2, &["--host", "coordinator"]);
    let bad_host = ["--dir", "tls", "--name", "a", "--role", "coordinator", "--host", "no host"];
    issue(&bad_host).failed(2, &["`no host`", "DNS name"]);
    issue(&["--dir", "tls", "--name", "a", "--days", "0"]).failed(2, &["--days"]);
    case.run(&["certs", "init", "--dir", "other"]).succeeded();
    fs::copy(case.path("other/ca.key"), case.path("tls/ca.key")).expect("it can be copied");
    issue(&["--dir", "tls", "--name", "a"]).failed(2, &["tls/ca.key is not the key"]);
    fs::write(case.path("tls/ca.key"), "garbage").expect("it can be written");
    issue(&["--dir", "tls", "--name", "a"]).failed(2, &["tls/ca.key", "private key"]);
    fs::write(case.path("tls/ca.pem"), "garbage").expect("it can be written");
    issue(&["--dir", "tls", "--name", "a"]).failed(2, &["tls/ca.pem", "certificate"]);
    assert!(!case.path("tls/a.pem").exists() && !case.path("tls/a.key").exists());
}

/// Starts a coordinator with the certificate `here`; gives it, where nodes dial and where jobs are taken.
fn coordinator(case: &Case) -> (Running, String, String) {
    let tls = ["--tls-ca", "tls/ca.pem", "--tls-cert", "tls/here.pem", "--tls-key", "tls/here.key"];
    let free = ["--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--state", "s3://out/state/"];
    let running = case.spawn(&[&["coordinator", "--json"][..], &free, &tls].concat());
    until("it is ready", || running.stdout().ends_with('\n'));
    let ready: Value = serde_json::from_str(&running.stdout()).expect("JSON");
    let [nodes, api] = ["nodes", "api"].map(|at| ready[at].as_str().expect("an address").to_owned());
    (running, nodes, api)
}

#[test]
fn a_node_gets_in_with_its_own_certificate_from_the_same_authority_alone() {
    let case = Case::new();
    case.issue(&["--name", "here", "--role", "coordinator"]);
    case.issue(&["--name", "node-1"]);
    case.run(&["certs", "init", "--dir", "other"]).succeeded();
    case.run(&["certs", "issue", "--dir", "other", "--name", "node-3"]).succeeded();
    let (_coordinator, address, api) = coordinator(&case);
    let node = |name: &str, dir: &str, cert: &str| {
        let [cert, key] = ["pem", "key"].map(|kind| format!("{dir}/{cert}.{kind}"));
        let tls = ["--tls-ca", "tls/ca.pem", "--tls-cert", &cert, "--tls-key", &key];
        case.spawn(&[&["node", "--coordinator", &address, "--name", name][..], &tls].concat())
    };
    let good = node("node-1", "tls", "node-1");
    let other_name = node("node-2", "tls", "node-1");
    let other_authority = node("node-3", "other", "node-3");
    let other_role = node("here", "tls", "here");
    until("the good one is in", || good.stderr().contains("joined the coordinator"));
    until("a name that is not the certificate's is refused", || other_name.stderr().contains("refuses"));
    assert!(other_name.stderr().contains("its certificate is for node-1"), "{}", other_name.stderr());
    until("it is refused", || other_authority.stderr().contains("trying again"));
    other_role.wait().failed(2, &["tls/here.pem is not for this role"]);
    let ended = case.run(&["nodes", "--json", "--cluster", &api]);
    ended.succeeded();
    let nodes: Vec<Value> = serde_json::from_str(&ended.stdout).expect("JSON");
    let names: Vec<&str> = nodes.iter().filter_map(|node| node["name"].as_str()).collect();
    assert_eq!(names, ["node-1"]);
}
