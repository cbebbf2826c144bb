//! Listing objects and uploads.

use proto::crc::{StoredChecksum as Stored, StoredKind};
use proto::job::JobId;
use proto::requests::Sent;
use proto_s3::with_retries;
use simulations_s3::{Fault, FaultKind, Occasion, Op, PutAttributes, Rope, StoredChecksum};

use crate::support::{BUCKET, at, read, world};

/// Legal keys that break careless clients.
const NASTY: [&str; 22] = [
    "a b",
    "a+b",
    "a%2Fb",
    "a%2fb%",
    "%",
    "line\nbreak",
    "carriage\rreturn",
    "tab\there",
    "control\u{1}\u{7f}",
    "quotes\"'`",
    "x&y&amp;",
    "<x>",
    "]]>",
    "ümläut/日本語/😀",
    "e\u{301}",
    "a//b",
    "/leading",
    "trailing/",
    "./dot/../dots",
    "back\\slash",
    "?query=1#fragment",
    " spaces ",
];

#[tokio::test]
async fn every_legal_key_is_listed_and_read_back() {
    let world = world().await;
    for key in NASTY {
        world.twin.put(BUCKET, key, Rope::from(key.as_bytes().to_vec()));
    }
    let page = world.s3.list_page(7, BUCKET, "", None).await.expect("it lists");
    let mut expected = NASTY.to_vec();
    expected.sort_unstable();
    let listed: Vec<&str> = page.objects.iter().map(|object| &*object.key).collect();
    assert_eq!(listed, expected);
    assert_eq!(page.next, None);
    for object in &page.objects {
        assert_eq!(object.source, 7);
        assert_eq!(object.size, object.key.len() as u64);
        let fetched =
            world.s3.get(BUCKET, &object.key, &object.etag.to_string(), None).await.expect("it reads");
        assert_eq!(read(fetched).await.expect("it ends"), object.key.as_bytes());
        let head = world.s3.head(&at(&object.key)).await.expect("it is there");
        assert_eq!((head.size, &head.etag, head.modified), (object.size, &object.etag, object.modified));
        let below = world.s3.list_page(0, BUCKET, &object.key, None).await.expect("it lists");
        assert!(below.objects.iter().any(|found| found.key == object.key), "{:?}", object.key);
    }
}

#[tokio::test]
async fn pages_follow_each_other() {
    let world = world().await;
    for i in 0..2_500 {
        world.twin.put(BUCKET, &format!("in/{i:05} +"), Rope::synthetic(i, i));
    }
    world.twin.put(BUCKET, "out", Rope::synthetic(1, 1));
    let (mut objects, mut token) = (Vec::new(), None);
    loop {
        let page = world.s3.list_page(0, BUCKET, "in/", token.as_deref()).await.expect("it lists");
        objects.extend(page.objects);
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(objects.len(), 2_500);
    assert!(objects.is_sorted_by(|a, b| a.key < b.key));
    assert!(objects.iter().all(|object| object.key.starts_with("in/")));
    assert_eq!(world.s3.requests().list.sent, 3);
    let empty = world.s3.list_page(0, BUCKET, "nothing/", None).await.expect("it lists");
    assert!(empty.objects.is_empty() && empty.next.is_none());
}

#[tokio::test]
async fn a_listing_tells_which_objects_have_a_whole_checksum() {
    let world = world().await;
    let composite = StoredChecksum::Crc32Composite { part_sizes: vec![5] };
    let kinds = [StoredChecksum::None, StoredChecksum::Crc64Nvme, StoredChecksum::Crc32, composite];
    for (key, checksum) in ["0", "1", "2", "3"].into_iter().zip(kinds) {
        let attributes = PutAttributes { checksum, ..PutAttributes::default() };
        world.twin.put_with(BUCKET, key, Rope::from("123456789"), attributes);
    }
    let page = world.s3.list_page(0, BUCKET, "", None).await.expect("it lists");
    let listed: Vec<StoredKind> = page.objects.iter().map(|object| object.stored).collect();
    assert_eq!(
        listed,
        [StoredKind::None, StoredKind::Crc64Nvme, StoredKind::Crc32, StoredKind::Crc32OfParts]
    );
    for object in &page.objects {
        let head = world.s3.head(&at(&object.key)).await.expect("it is there");
        let expected = match object.stored {
            // That of its parts is none of the whole.
            StoredKind::None | StoredKind::Crc32OfParts => None,
            StoredKind::Crc32 => Some(Stored::Crc32(0xCBF4_3926)),
            StoredKind::Crc64Nvme => Some(Stored::Crc64Nvme(0xAE8B_1486_0A79_9888)),
        };
        assert_eq!(head.stored, expected);
    }
}

#[tokio::test]
async fn open_uploads_of_exactly_one_key() {
    let world = world().await;
    let key = "zips/a b+c.zip";
    let mut ids = Vec::new();
    for job in 0..3 {
        ids.push(world.s3.create_upload(&at(key), JobId(job)).await.expect("it begins").upload_id);
    }
    world.s3.create_upload(&at("zips/a b+c.zip.old"), JobId(9)).await.expect("it begins");
    world.s3.create_upload(&at("zips/a b"), JobId(9)).await.expect("it begins");
    let open = world.s3.list_uploads(&at(key)).await.expect("it lists");
    let mut found: Vec<String> = open.iter().map(|upload| upload.upload_id.clone()).collect();
    found.sort_unstable();
    ids.sort_unstable();
    assert_eq!(found, ids);
    assert!(open.iter().all(|upload| upload.initiated > 1_700_000_000));
    assert!(world.s3.list_uploads(&at("zips/a")).await.expect("it lists").is_empty());
}

#[tokio::test]
async fn open_uploads_of_several_pages() {
    let world = world().await;
    for job in 0..1_001 {
        world.s3.create_upload(&at("a"), JobId(job)).await.expect("it begins");
    }
    world.s3.create_upload(&at("b"), JobId(0)).await.expect("it begins");
    assert_eq!(world.s3.list_uploads(&at("a")).await.expect("it lists").len(), 1_001);
    assert_eq!(world.s3.requests().list_other.sent, 2);
}

#[tokio::test]
async fn retries_go_on_while_it_may_help() {
    let world = world().await;
    world.twin.add_fault(Fault::new(Op::ListObjectsV2, FaultKind::InternalError).on(Occasion::First(2)));
    let task = tokio::spawn({
        let s3 = world.s3.clone();
        async move { with_retries(|| s3.list_page(0, BUCKET, "", None)).await }
    });
    task.await.expect("no panic").expect("the third attempt lists");
    assert_eq!(world.s3.requests().list.sent, 3);
    with_retries(async || world.s3.list_page(0, "nowhere", "", None).await)
        .await
        .expect_err("no such bucket");
    let Sent { sent, throttled, failed } = world.s3.requests().list;
    assert_eq!((sent, throttled + failed), (4, 3), "how each went is counted too");
}

#[tokio::test]
async fn what_is_tallied_apart_is_counted_in_all_too() {
    let world = world().await;
    let apart = world.s3.tallied();
    apart.list_page(0, BUCKET, "", None).await.expect("it lists");
    world.s3.list_page(0, BUCKET, "", None).await.expect("it lists");
    assert_eq!((apart.requests().list.sent, world.s3.requests().list.sent), (1, 2));
}
