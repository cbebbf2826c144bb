//! Sources that come in the request, in lines.

use bytes::Bytes;
use coordinator_server::{NoTurn, SpoolError, Spooled, Spools};
use proto::job::JobId;
use serde_json::json;
use simulations_s3::{Fault, FaultKind, Op};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, iter};

use crate::world::{OUT, STATE, World, state, until};

const JOB: JobId = JobId(7);
const KEY: &str = "here/manifests/0000000000000007.ndjson";

fn job() -> String {
    json!({ "destination": format!("s3://{OUT}/a.zip") }).to_string()
}

fn line(key: &str) -> String {
    json!({ "bucket": "photos", "key": key }).to_string()
}

/// A body that comes in pieces of so many bytes.
fn body(text: &str, piece: usize) -> impl Stream<Item = Result<Bytes, String>> + Unpin + use<> {
    let pieces: Vec<_> =
        text.as_bytes().chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    iter(pieces)
}

async fn spool(
    world: &World,
    body: impl Stream<Item = Result<Bytes, String>> + Unpin,
) -> Result<Spooled, SpoolError> {
    let spools = Spools::new(world.s3.clone(), state());
    spools.begin(None, body).await?.finish(JOB, &["s3://photos/".to_owned()]).await
}

fn written(world: &World) -> String {
    let object = world.twin.object(STATE, KEY).expect("it was written");
    String::from_utf8(object.content.to_bytes().to_vec()).expect("it is text")
}

#[tokio::test]
async fn lines_are_written_down_as_they_come() {
    let world = World::new().await;
    let text = format!("\u{feff}{}\r\n\n{}\n  {}\r\n\n{}", job(), line("a"), line("b"), line("c"));
    let mut digests = Vec::new();
    for piece in [1, 7, 10_000] {
        let spooled = spool(&world, body(&text, piece)).await.unwrap();
        assert_eq!((spooled.lines, &*spooled.location.key), (3, KEY));
        assert_eq!(spooled.submission.destination.key, "a.zip");
        assert_eq!(written(&world), [line("a"), line("b"), line("c"), String::new()].join("\n"));
        digests.push(spooled.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "how it was cut into pieces does not matter");
    let other = spool(&world, body(&format!("{}\n{}", job(), line("d")), 100)).await.unwrap();
    assert_ne!(other.digest, digests[0]);
    assert_eq!(world.twin.requests()["PutObject"], 4);
    assert_eq!(world.twin.requests().get("CreateMultipartUpload"), None);
}

#[tokio::test]
async fn many_lines_are_written_part_by_part() {
    let world = World::new().await;
    // Faults on the way change nothing.
    world
        .twin
        .add_fault(Fault::new(Op::UploadPart, FaultKind::ResetDuring).on(simulations_s3::Occasion::First(1)));
    let lines: Vec<String> =
        (0..40_000).map(|number| line(&format!("{}{number}", "k".repeat(400)))).collect();
    let text = format!("{}\n{}\n", job(), lines.join("\n"));
    let spooled = spool(&world, body(&text, 60_000)).await.unwrap();
    assert_eq!(spooled.lines, 40_000);
    assert!(written(&world) == format!("{}\n", lines.join("\n")), "it is what was sent");
    assert_eq!(world.twin.requests()["CreateMultipartUpload"], 1);
    assert_eq!(world.twin.uploads(), []);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let world = World::new().await;
    let with_sources = json!({ "sources": ["s3://photos/"], "destination": "s3://out/a.zip" });
    // The last of many lines, so that much is written already.
    let many: String =
        (0..40_000).map(|number| line(&format!("{}{number}", "k".repeat(400))) + "\n").collect();
    for (text, words) in [
        (String::new(), "the request is empty"),
        (job(), "no source follows the job"),
        (format!("{with_sources}\n{}", line("a")), "the first line has sources"),
        (format!("{}\n{}", line("a"), line("b")), "line 1 is no job: unknown field `bucket`"),
        (format!("{}\n\n{{\"bucket\":1}}", job()), "line 3: it is no object as"),
        (format!("{}\n{many}{{}}", job()), "line 40002: it is no object as"),
        (format!("{}\n{}", job(), "x".repeat(70_000)), "line 2: it is longer than 65536 bytes"),
    ] {
        let error = spool(&world, body(&text, 60_000)).await.unwrap_err();
        let SpoolError::Bad(message) = &error else { panic!("{error:?}") };
        assert!(message.contains(words), "{message}");
    }
    let text = format!("{}\n{many}{{\"bucket\":\"music\",\"key\":\"a\"}}", job());
    let error = spool(&world, body(&text, 60_000)).await.unwrap_err();
    assert!(matches!(error, SpoolError::Forbidden(_)), "{error:?}");
    until(|| world.twin.uploads().is_empty()).await;
    assert_eq!(world.twin.keys(STATE), [""; 0]);
}

#[tokio::test]
async fn lines_name_nothing_of_the_coordinators_own() {
    let world = World::new().await;
    let spools = Spools::new(world.s3.clone(), state());
    for (key, is_ours) in [("here/reports/0000000000000001.json", true), ("hereafter", false)] {
        let text = format!("{}\n{}\n", job(), json!({ "bucket": STATE, "key": key }));
        let spool = spools.begin(None, body(&text, 100)).await.unwrap();
        let ended = spool.finish(JOB, &[]).await;
        assert_eq!(ended.is_err(), is_ours, "{key}");
        if let Err(error) = ended {
            let words = "line 2: s3://state/here/reports/0000000000000001.json belongs to the coordinator";
            assert!(matches!(&error, SpoolError::Forbidden(why) if why.starts_with(words)), "{error:?}");
        }
    }
}

#[tokio::test]
async fn who_breaks_off_leaves_nothing() {
    let world = World::new().await;
    let many: String =
        (0..40_000).map(|number| line(&format!("{}{number}", "k".repeat(400))) + "\n").collect();
    let text = Bytes::from(format!("{}\n{many}", job()));
    let broken = iter([Ok(text.clone()), Err("the connection was reset".to_owned())]);
    let error = spool(&world, broken).await.unwrap_err();
    assert_eq!(error, SpoolError::Broken("the connection was reset".to_owned()));
    until(|| world.twin.uploads().is_empty()).await;

    // Whoever waited for it goes away.
    let (send, receive) = mpsc::channel(2);
    let s3 = world.s3.clone();
    let spooling = tokio::spawn(async move {
        let spools = Spools::new(s3, state());
        spools.begin(None, ReceiverStream::new(receive)).await.unwrap().finish(JOB, &[]).await.map(drop)
    });
    send.send(Ok::<_, String>(text)).await.unwrap();
    until(|| !world.twin.uploads().is_empty()).await;
    spooling.abort();
    until(|| world.twin.uploads().is_empty()).await;
    assert_eq!(world.twin.keys(STATE), [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_written_is_told() {
    let world = World::new().await;
    world.twin.deny("PutObject:state".parse().unwrap());
    let error = spool(&world, body(&format!("{}\n{}", job(), line("a")), 100)).await.unwrap_err();
    assert!(matches!(error, SpoolError::State(_)), "{error:?}");
}

#[tokio::test]
async fn only_so_many_come_at_a_time() {
    let world = World::new().await;
    let spools = Spools::new(world.s3.clone(), state());
    let begin = async |token| spools.begin(token, body(&job(), 100)).await;
    let mut begun = Vec::new();
    for _ in 0..4 {
        begun.push(begin(Some("web")).await.unwrap());
    }
    assert_eq!(begin(Some("web")).await.err(), Some(SpoolError::Busy(NoTurn::Share(4))));
    for token in [Some("ops"), Some("ops"), None, None] {
        begun.push(begin(token).await.unwrap());
    }
    for token in [Some("ops"), None] {
        assert_eq!(begin(token).await.err(), Some(SpoolError::Busy(NoTurn::All(8))));
    }
    begun.pop();
    begin(Some("ops")).await.unwrap();
}
