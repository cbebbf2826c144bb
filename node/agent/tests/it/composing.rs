//! Parts that S3 composes beside the archive: trouble with what is there is worth another attempt, and padding is put
//! there again when it is gone.

use std::time::Duration;

use bytes::Bytes;
use proto::batch::Upload;
use proto::crc::Crc;
use proto::failure::FailureKind;
use proto::location::Location;
use proto::plan::{PartNumber, PartWork};
use proto::session::Order;
use proto_s3::Progress;
use simulations_s3::{Model, Op, UploadView};

use crate::world::*;

const PADDING: &str = "/padding.";
const BELOW: &str = "a.zip.zipfleet-0000000000000007/";

/// The part that others have streamed, composed.
fn composed(world: &World, number: u32) -> Order {
    let Order::Grant(mut batch) = world.grant([number]) else { unreachable!() };
    for assignment in &mut batch.assignments {
        assignment.work = PartWork { below: Some(BELOW.to_owned()), ..assignment.work.clone() };
    }
    Order::Grant(batch)
}

/// Has it made; the kind of its failure if it failed.
async fn make(node: &mut Hand, world: &World, number: u32) -> Option<FailureKind> {
    node.order(composed(world, number)).await;
    node.hear(number as usize).await;
    let failed = node.told.failed.iter().find(|failed| failed.id == id(number));
    failed.map(|failed| failed.failure.kind)
}

fn paddings(world: &World) -> Vec<String> {
    world.twin.keys(ARCHIVES).into_iter().filter(|key| key.contains(PADDING)).collect()
}

#[tokio::test]
async fn padding_is_put_there_once_and_again_when_it_is_gone() {
    let world = World::new().await;
    let mut node = Hand::start(&world, config()).await;
    assert_eq!(make(&mut node, &world, 1).await, None);
    assert_eq!(make(&mut node, &world, 2).await, None);
    let [padding] = &paddings(&world)[..] else { panic!("{:?}", paddings(&world)) };
    world.twin.delete(ARCHIVES, padding);
    assert_eq!(make(&mut node, &world, 3).await, Some(FailureKind::Unavailable));
    assert_eq!(make(&mut node, &world, 4).await, None);
    assert_eq!(paddings(&world).len(), 1);
}

/// An upload below the job's place, as soon as there is such a one.
async fn begun(world: &World, is_it: impl Fn(&UploadView) -> bool) -> Upload {
    loop {
        let mut uploads = world.twin.uploads().into_iter();
        if let Some(upload) = uploads.find(|upload| upload.key.starts_with(BELOW) && is_it(upload)) {
            let destination = Location { bucket: ARCHIVES.into(), key: upload.key };
            return Upload { destination, upload_id: upload.upload_id };
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Someone who removes leftovers may not know that they are none yet.
#[tokio::test]
async fn uploads_beside_the_archive_that_vanish_are_worth_another_attempt() {
    let cases =
        [(Op::CreateMultipartUpload, PADDING), (Op::CreateMultipartUpload, ".0"), (Op::UploadPartCopy, ".1")];
    for (slow, name) in cases {
        let world = World::new().await;
        let mut node = Hand::start(&world, config()).await;
        world.twin.set_model(Model::default().latency(slow, Duration::from_millis(300)));
        node.order(composed(&world, 1)).await;
        let is_it = |key: &str| key.ends_with(name) || name == PADDING && key.contains(name);
        let upload = begun(&world, |upload| is_it(&upload.key)).await;
        world.s3.abort_upload(&upload).await.expect("it is there");
        node.hear(1).await;
        assert_eq!(node.told.failed[0].failure.kind, FailureKind::Unavailable, "{slow:?} {name}");
    }
}

#[tokio::test]
async fn what_is_not_what_it_should_be_beside_the_archive_is_worth_another_attempt() {
    let world = World::new().await;
    let mut node = Hand::start(&world, config()).await;
    assert_eq!(make(&mut node, &world, 1).await, None);
    world.twin.set_model(Model::default().latency(Op::UploadPartCopy, Duration::from_millis(300)));
    node.order(composed(&world, 2)).await;
    let upload = begun(&world, |upload| upload.key.ends_with(".0") && !upload.parts.is_empty()).await;
    let bytes = Bytes::from_static(b"other");
    let crc = Crc::of(&bytes);
    // Before S3 is asked to put it together.
    let other = world.s3.upload_part(&upload, PartNumber(1), bytes, crc, &Progress::default()).await;
    other.expect("it is there");
    node.hear(2).await;
    assert_eq!(node.told.failed[0].failure.kind, FailureKind::Unavailable);
    world.twin.set_model(Model::default());
    assert_eq!(make(&mut node, &world, 3).await, None);
}

#[tokio::test]
async fn an_archives_upload_that_was_removed_is_told_as_such() {
    let world = World::new().await;
    world.s3.abort_upload(&world.upload).await.expect("it is there");
    let mut node = Hand::start(&world, config()).await;
    assert_eq!(make(&mut node, &world, 1).await, Some(FailureKind::Destination));
}
