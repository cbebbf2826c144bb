//! Callbacks to receivers on this machine.

use std::net::SocketAddr;

use proto::job::{Outcome, Priority, Progress, Summary};
use proto::location::Location;
use proto::view::JobState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;

const KEY: &[u8] = b"only we two know";

/// What a receiver does with a request.
#[derive(Clone, Copy)]
enum Answer {
    Status(&'static str),
    Close,
    Never,
}

const TAKEN: Answer = Answer::Status("204 No Content");
const FAILED: Answer = Answer::Status("500 Internal Server Error");

/// Answers requests in this way one after the other, and the last way for ever; gives the head and the body of each.
async fn receiver(answers: &'static [Answer]) -> (SocketAddr, mpsc::UnboundedReceiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        for number in 0.. {
            let (mut socket, _) = listener.accept().await.expect("it listens");
            let request = read(&mut socket).await;
            match answers[answers.len().min(number + 1) - 1] {
                Answer::Status(status) => {
                    let answer = format!(
                        "HTTP/1.1 {status}\r\nLocation: http://{address}/elsewhere\r\nContent-Length: 0\r\n\r\n"
                    );
                    socket.write_all(answer.as_bytes()).await.expect("it is read");
                }
                Answer::Close => {}
                Answer::Never => kept.push(socket),
            }
            // The test may have seen enough.
            let _ = tell.send(request);
        }
    });
    (address, told)
}

async fn read(socket: &mut TcpStream) -> (String, Vec<u8>) {
    let mut text = Vec::new();
    loop {
        assert!(socket.read_buf(&mut text).await.expect("it can be read") > 0, "the request ends early");
        let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(text[..end].to_vec()).expect("a head is text");
        let length: usize = header(&head, "content-length").parse().expect("it is a number");
        if text.len() == end + 4 + length {
            return (head, text.split_off(end + 4));
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).expect("the header is there").1
}

fn callbacks(first_wait: Duration) -> (Callbacks, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    (Callbacks { first_wait, ..Callbacks::new(None, stopping) }, stop)
}

fn target(address: SocketAddr) -> CallbackTarget {
    CallbackTarget::new(format!("http://{address}/done?token=hush"), KEY.into()).expect("it is an address")
}

fn job() -> JobView {
    JobView {
        id: JobId(7),
        state: JobState::Completed,
        destination: Location { bucket: "archives".into(), key: "a.zip".into() },
        priority: Priority::default(),
        owner: Some("photos".into()),
        submitted_ms: 0,
        progress: Progress::default(),
        outcome: Some(Outcome::Completed(Summary::default())),
    }
}

fn body() -> Bytes {
    serde_json::to_vec(&job()).expect("a job can be told in JSON").into()
}

#[tokio::test]
async fn a_callback_is_signed() {
    let (address, mut got) = receiver(&[TAKEN]).await;
    let (callbacks, _stop) = callbacks(Duration::ZERO);
    callbacks.deliver(JobId(7), body(), target(address)).await;
    let (head, body) = got.recv().await.unwrap();
    assert!(head.starts_with("POST /done?token=hush HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "content-type"), "application/json");
    assert_eq!(header(&head, "zipfleet-event"), "job.ended");
    assert_eq!(header(&head, "zipfleet-delivery"), JobId(7).to_string());
    assert_eq!(serde_json::from_slice::<JobView>(&body).unwrap(), job());
    let given = header(&head, "zipfleet-signature");
    let time: i64 = given.strip_prefix("t=").unwrap().split_once(',').unwrap().0.parse().unwrap();
    assert_eq!(given, signature(KEY, time, &body));
}

#[test]
fn signatures_are_those_of_others() {
    // Computed by Python's hmac.
    let others = "t=1700000000,v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163";
    assert_eq!(signature(b"secret", 1_700_000_000, b"{}"), others);
}

#[tokio::test]
async fn it_is_sent_again_until_it_is_taken() {
    let (address, mut got) = receiver(&[FAILED, Answer::Close, Answer::Status("302 Found"), TAKEN]).await;
    let (callbacks, _stop) = callbacks(Duration::from_millis(1));
    callbacks.deliver(JobId(7), body(), target(address)).await;
    for _ in 0..4 {
        let (head, _) = got.recv().await.unwrap();
        assert!(head.starts_with("POST /done"), "a redirect was followed: {head}");
        assert_eq!(header(&head, "zipfleet-delivery"), JobId(7).to_string());
    }
    assert!(got.try_recv().is_err(), "it was taken");
}

#[tokio::test]
async fn who_never_takes_it_is_given_up() {
    let (address, mut got) = receiver(&[FAILED]).await;
    let (callbacks, _stop) = callbacks(Duration::from_millis(1));
    callbacks.clone().deliver(JobId(7), body(), target(address)).await;
    for _ in 0..CALLBACK_ATTEMPTS_MAX {
        got.recv().await.unwrap();
    }
    assert!(got.try_recv().is_err());
    // Nobody listens there.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    callbacks.deliver(JobId(7), body(), target(closed)).await;
}

#[tokio::test]
async fn who_never_answers_holds_up_nobody_else() {
    let (silent, mut begun) = receiver(&[Answer::Never]).await;
    let (address, mut got) = receiver(&[TAKEN]).await;
    let (callbacks, _stop) = callbacks(Duration::from_millis(1));
    let mut waiting = JoinSet::new();
    for _ in 0..2 * CALLBACKS_AT_ONCE {
        waiting.spawn(callbacks.clone().deliver(JobId(7), body(), target(silent)));
    }
    for _ in 0..CALLBACKS_AT_ONCE_PER_HOST {
        begun.recv().await.unwrap();
    }
    callbacks.deliver(JobId(7), body(), target(address)).await;
    got.recv().await.unwrap();
    waiting.shutdown().await;
}

#[tokio::test]
async fn a_coordinator_that_stops_tries_once_more() {
    let (address, mut got) = receiver(&[FAILED]).await;
    let (callbacks, stop) = callbacks(Duration::from_secs(3_600));
    let delivering = tokio::spawn(callbacks.deliver(JobId(7), body(), target(address)));
    got.recv().await.unwrap();
    stop.send_replace(true);
    delivering.await.unwrap();
    got.recv().await.unwrap();
    assert!(got.try_recv().is_err());
}

#[tokio::test]
async fn what_went_wrong_is_told_without_the_address() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (callbacks, _stop) = callbacks(Duration::ZERO);
    let (url, host) = address(&target(closed).url).unwrap();
    let why = callbacks.post(JobId(7), &url, &host, KEY, Bytes::new()).await.unwrap_err();
    assert!(why.starts_with("it cannot be reached") && !why.contains("hush"), "{why}");
    assert!(!format!("{:?}", target(closed)).contains("hush"));
}

#[test]
fn there_is_no_callback_to_what_is_no_address() {
    for url in [
        "",
        "example.com/done",
        "ftp://example.com/",
        "https://me:hush@example.com/",
        "https://me@example.com/",
        "file:///etc/passwd",
        "https://",
    ] {
        assert!(CallbackTarget::new(url.into(), KEY.into()).is_err(), "{url}");
    }
    assert!(CallbackTarget::new(format!("https://example.com/{}", "x".repeat(2_048)), KEY.into()).is_err());
    assert!(CallbackTarget::new("https://example.com:8443/done?for=us".into(), KEY.into()).is_ok());
}

/// Ten hosts are few: a caller may have as many.
#[tokio::test]
async fn many_who_never_answer_hold_up_nobody_else() {
    let (callbacks, _stop) = callbacks(Duration::from_millis(1));
    let (mut waiting, mut begun) = (JoinSet::new(), Vec::new());
    for _ in 0..10 {
        let (silent, got) = receiver(&[Answer::Never]).await;
        for _ in 0..CALLBACKS_AT_ONCE_PER_HOST {
            waiting.spawn(callbacks.clone().deliver(JobId(7), body(), target(silent)));
        }
        begun.push(got);
    }
    for got in &mut begun {
        for _ in 0..CALLBACKS_AT_ONCE_PER_HOST {
            got.recv().await.unwrap();
        }
    }
    let (address, mut got) = receiver(&[TAKEN]).await;
    assert!(callbacks.deliver(JobId(7), body(), target(address)).await);
    got.recv().await.unwrap();
    waiting.shutdown().await;
}

/// A receiver that keeps all of its turns must not have callbacks wait for ever.
#[tokio::test]
async fn what_waits_too_long_is_given_up() {
    let (callbacks, _stop) = callbacks(Duration::from_secs(1));
    let of_host = callbacks.of_host("127.0.0.1:9");
    let _all = of_host.acquire_many(CALLBACKS_AT_ONCE_PER_HOST as u32).await.expect("it is never closed");
    let callbacks = Callbacks { within: Duration::from_millis(20), ..callbacks };
    // Otherwise it would never come back.
    callbacks.deliver(JobId(7), body(), target(SocketAddr::from(([127, 0, 0, 1], 9)))).await;
}

#[tokio::test]
async fn only_so_many_wait() {
    let (address, mut got) = receiver(&[TAKEN]).await;
    let (callbacks, _stop) = callbacks(Duration::from_secs(1));
    let room = Arc::clone(&callbacks.room);
    let all = room.acquire_many(CALLBACKS_PENDING_MAX as u32).await.expect("it is never closed");
    callbacks.clone().tell(job(), target(address)).await;
    assert!(got.try_recv().is_err(), "it is left to the next coordinator");
    drop(all);
    callbacks.tell(job(), target(address)).await;
    assert!(got.recv().await.is_some());
}
