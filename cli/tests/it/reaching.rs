//! Goal: who cannot be asked, or does not answer like a cluster, is named with what can be done; a token is never
//! shown and a stranger never trusted.
//! Method: servers that are no cluster, and one that speaks TLS in front of a cluster.

use std::net::TcpListener;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::cluster::{Cluster, Stranger};
use crate::support::World;

const HTML: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>It works!</html>";
const MOVED: &str =
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
const UNAUTHORIZED: &str = concat!(
    "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\r\n",
    r#"{"type": "x", "title": "x", "status": 401, "detail": "a token is needed", "code": "unauthorized", "#,
    r#""kind": "denied"}"#
);

const JOB: &str = "0123456789abcdef";

#[test]
fn something_else_that_speaks_http() {
    let world = World::new();
    for (answer, words) in [(HTML, "no cluster"), (MOVED, "answered 302")] {
        let stranger = Stranger::who_answers(answer);
        for verb in [
            &["jobs"][..],
            &["nodes"],
            &["status", JOB],
            &["explain", JOB],
            &["cancel", JOB],
            &["report", JOB],
            &["drain", "node-1", "--wait"],
            &["submit", "s3://src/p/", "s3://out/a.zip"],
        ] {
            let ended = world.zipfleet(&[verb, &["--cluster", &stranger.url]].concat());
            ended.failed(9, &[&stranger.url, words]);
            assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");
        }
    }
    let stranger = Stranger::who_answers(HTML);
    world.zipfleet(&["watch", JOB, "--cluster", &stranger.url]).failed(9, &[&stranger.url]);
}

#[test]
fn a_token_comes_from_a_file_or_the_environment_and_is_never_shown() {
    let world = World::new();
    let stranger = Stranger::who_answers(UNAUTHORIZED);
    let jobs = |flags: &[&str], token: Option<&str>| {
        let mut command = world.command(&[&["jobs", "-vv", "--cluster", &stranger.url], flags].concat());
        command.envs(token.map(|token| ("ZIPFLEET_TOKEN", token)));
        let ended = world.start(command).wait();
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.contains("sesame"), "{said}");
        ended
    };
    let heard = || stranger.heard();
    jobs(&[], None).failed(5, &["a token is needed", "ZIPFLEET_TOKEN or --token-file"]);
    assert!(!heard().contains("authorization"));
    jobs(&[], Some("open-sesame")).failed(5, &["a token is needed"]);
    assert!(heard().contains("authorization: bearer open-sesame\r\n"));
    std::fs::write(world.file("token"), "file-sesame\n").expect("there is room");
    jobs(&["--token-file", "token"], Some("open-sesame")).failed(5, &["a token is needed"]);
    assert!(heard().contains("authorization: bearer file-sesame\r\n"));
    std::fs::write(world.file("empty"), "\n").expect("there is room");
    jobs(&["--token-file", "empty"], None).failed(2, &["empty"]);
    jobs(&["--token-file", "missing"], None).failed(2, &["missing", "cannot be read"]);
    jobs(&[], Some("two\nsesames")).failed(2, &["ZIPFLEET_TOKEN", "no token"]);
    assert_eq!(heard(), "");
}

/// Speaks TLS with the certificate of the coordinator in `certs`, and passes on what it hears to the cluster.
fn tls_door(cluster: &Cluster) -> String {
    let file = |name: &str| cluster.world.file("certs").join(name);
    let certificates = CertificateDer::pem_file_iter(file("coordinator.pem")).expect("it was just made");
    let key = PrivateKeyDer::from_pem_file(file("coordinator.key")).expect("it was just made");
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(certificates.map(|it| it.expect("PEM")).collect(), key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("they belong together")));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("bound"));
    listener.set_nonblocking(true).expect("it can be");
    let to = cluster.api.trim_start_matches("http://").to_owned();
    cluster.world.spawn_task(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("there is a runtime");
        while let Ok((near, _)) = listener.accept().await {
            let Ok(mut near) = acceptor.accept(near).await else { continue };
            let mut far = tokio::net::TcpStream::connect(&to).await.expect("the cluster is there");
            // Either side may break it off.
            let _broken = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        }
    });
    url
}

#[test]
fn a_stranger_is_not_trusted() {
    let cluster = Cluster::new();
    cluster.world.zipfleet(&["certs", "init", "--dir", "certs"]).succeeded();
    let issue = ["certs", "issue", "--dir", "certs", "--name", "coordinator", "--role", "coordinator"];
    cluster.world.zipfleet(&[&issue[..], &["--host", "127.0.0.1"]].concat()).succeeded();
    cluster.world.zipfleet(&["certs", "init", "--dir", "others"]).succeeded();
    let url = tls_door(&cluster);
    let jobs = |flags: &[&str]| cluster.world.zipfleet(&[&["jobs", "--cluster", &url], flags].concat());
    jobs(&["--cluster-ca", "certs/ca.pem"]).succeeded();
    jobs(&["--cluster-ca", "others/ca.pem"]).failed(5, &[&url, "not trusted", "--cluster-ca"]);
    std::fs::write(cluster.world.file("letter.txt"), "Dear Sir").expect("there is room");
    jobs(&["--cluster-ca", "letter.txt"]).failed(2, &["letter.txt", "no certificate"]);
    jobs(&["--cluster-ca", "missing.pem"]).failed(2, &["missing.pem", "cannot be read"]);
    // Plain HTTP where TLS is spoken, and the reverse.
    let plain = url.replace("https:", "http:");
    cluster.world.zipfleet(&["jobs", "--cluster", &plain]).failed(9, &[&plain]);
    let secret = cluster.api.replace("http:", "https:");
    let ended = cluster.world.zipfleet(&["jobs", "--cluster", &secret, "--cluster-ca", "certs/ca.pem"]);
    ended.failed(9, &[&secret, "cannot be reached"]);
}
