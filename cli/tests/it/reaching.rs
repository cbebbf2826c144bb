//! Goal: who cannot be asked, or does not answer like a cluster, is named with what can be done; a token is never
//! shown and a stranger never trusted.
//! Method: servers that are no cluster, and a cluster's door for nodes, which speaks TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

use crate::fleet::support::Fleet;
use crate::support::World;

/// A server that gives everybody the same answer, and remembers what it was asked; its thread ends with the test.
struct Stranger {
    url: String,
    heard: Arc<Mutex<String>>,
}

impl Stranger {
    fn who_answers(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let heard = Arc::<Mutex<String>>::default();
        let hears = Arc::clone(&heard);
        spawn(move || {
            for mut socket in listener.incoming().flatten() {
                hears.lock().expect("nobody panics with it").push_str(&request(&mut socket));
                // Whoever asked may have gone.
                let _gone = socket.write_all(answer.as_bytes());
            }
        });
        Self { url, heard }
    }
}

/// The head of a request.
fn request(socket: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && matches!(socket.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

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
            if (verb[0], answer) == ("drain", HTML) {
                // It has no answer to be read; but whether the node has left is asked next.
                ended.failed(9, &[&stranger.url, words]);
                continue;
            }
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
    let heard = || std::mem::take(&mut *stranger.heard.lock().expect("nobody panics with it")).to_lowercase();
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

#[test]
fn a_stranger_is_not_trusted() {
    let fleet = Fleet::at(SocketAddr::from(([127, 0, 0, 1], 0)), &[]);
    let url = format!("https://{}", fleet.door);
    let jobs = |flags: &[&str]| fleet.world.zipfleet(&[&["jobs", "--cluster", &url], flags].concat());
    fleet.world.zipfleet(&["certs", "init", "--dir", "others"]).succeeded();
    jobs(&["--cluster-ca", "others/ca.pem"]).failed(5, &[&url, "not trusted", "--cluster-ca"]);
    // It is trusted then, but the door for nodes asks for a certificate.
    jobs(&["--cluster-ca", "certs/ca.pem"]).failed(9, &[&url]);
    std::fs::write(fleet.world.file("letter.txt"), "Dear Sir").expect("there is room");
    jobs(&["--cluster-ca", "letter.txt"]).failed(2, &["letter.txt", "no certificate"]);
    jobs(&["--cluster-ca", "missing.pem"]).failed(2, &["missing.pem", "cannot be read"]);
    // Plain HTTP where TLS is spoken, and the reverse.
    fleet.world.zipfleet(&["jobs", "--cluster", &url.replace("https", "http")]).failed(9, &[&url[8..]]);
    let plain = fleet.api.replace("http:", "https:");
    let ended = fleet.world.zipfleet(&["jobs", "--cluster", &plain, "--cluster-ca", "certs/ca.pem"]);
    ended.failed(9, &[&plain, "cannot be reached"]);
}
