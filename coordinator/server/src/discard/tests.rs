//! The order in which things are removed, against the twin.

use std::time::Duration;

use proto::job::JobId;
use proto_s3::{Keys, Options};
use simulations_s3::{Fault, FaultKind, Op, Rope, Server, Twin, TwinOptions};
use tokio::net::TcpListener;

use super::*;

async fn world() -> (Twin, S3, Server) {
    let twin = Twin::new(TwinOptions::default());
    twin.create_bucket("out");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let server = twin.serve(listener).expect("a bound listener has an address");
    let keys = Keys { access_key_id: "zipfleet".into(), secret_access_key: "zipfleet-secret".into() };
    let options = Options { endpoint_url: Some(server.endpoint()), keys: Some(keys), ..Options::default() };
    let s3 = S3::connect(&options).await.expect("the endpoint is a URL");
    (twin, s3, server)
}

/// A segment of which nobody knows whether it is an upload or an object.
async fn unclear(s3: &S3) -> Leftovers {
    let place = Location { bucket: "out".into(), key: "a.zip.zipfleet-7/0".into() };
    let upload = s3.create_upload(&place, JobId(7)).await.expect("the bucket is there");
    Leftovers { uploads: vec![upload], objects: vec![place], below: None, is_broken_off: true }
}

async fn until_aborted(twin: &Twin, times: u64) {
    while twin.requests().get("AbortMultipartUpload").is_none_or(|seen| *seen < times) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn what_s3_puts_together_late_is_removed_too() {
    let (twin, s3, _server) = world().await;
    let left = unclear(&s3).await;
    let place = left.objects[0].clone();
    let late = async {
        until_aborted(&twin, 1).await;
        twin.put("out", &place.key, Rope::from("late"));
    };
    let (told, ()) = tokio::join!(discard(&s3, left), late);
    assert_eq!((told, twin.keys("out"), twin.uploads()), (vec![], vec![], vec![]));
}

/// The node that asked for it was told to stop, and hears of it no more.
#[tokio::test]
async fn an_upload_that_s3_begins_late_is_removed_too() {
    let (twin, s3, _server) = world().await;
    let below = Location { bucket: "out".into(), key: "a.zip.zipfleet-7/".into() };
    let place = Location { key: format!("{}3.1.17", below.key), ..below.clone() };
    twin.put("out", &place.key, Rope::from("made"));
    let left = Leftovers { below: Some(below), is_broken_off: true, ..Leftovers::default() };
    let late = async {
        while !twin.requests().contains_key("DeleteObject") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        s3.create_upload(&place, JobId(7)).await.expect("the bucket is there");
    };
    let (told, ()) = tokio::join!(discard(&s3, left), late);
    assert_eq!((told, twin.keys("out"), twin.uploads()), (vec![], vec![], vec![]));
}

#[tokio::test]
async fn what_does_not_come_to_an_end_is_told() {
    let (twin, s3, _server) = world().await;
    let below = Location { bucket: "out".into(), key: "a.zip.zipfleet-7/".into() };
    let place = Location { key: format!("{}3.1.17", below.key), ..below.clone() };
    let left = Leftovers { below: Some(below), is_broken_off: true, ..Leftovers::default() };
    let someone = async {
        loop {
            s3.create_upload(&place, JobId(7)).await.expect("the bucket is there");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let told = tokio::select! { told = discard(&s3, left) => told, () = someone => unreachable!() };
    let [sentence] = &told[..] else { panic!("{told:?}") };
    assert!(sentence.contains("`aws s3 rm --recursive 's3://out/a.zip.zipfleet-7/'`"), "{sentence}");
    assert!(sentence.contains("--bucket 'out' --prefix 'a.zip.zipfleet-7/'`"), "{sentence}");
    assert!(!twin.uploads().is_empty());
}

#[tokio::test]
async fn no_object_is_removed_while_an_upload_is_left() {
    let (twin, s3, _server) = world().await;
    let left = unclear(&s3).await;
    twin.put("out", &left.objects[0].key, Rope::from("made"));
    twin.add_fault(Fault::new(Op::AbortMultipartUpload, FaultKind::InternalError));
    let meanwhile = async {
        until_aborted(&twin, 2).await;
        assert_eq!(twin.requests().get("DeleteObject"), None);
        twin.clear_faults();
    };
    let (told, ()) = tokio::join!(discard(&s3, left), meanwhile);
    assert_eq!((told, twin.keys("out"), twin.uploads()), (vec![], vec![], vec![]));
}
