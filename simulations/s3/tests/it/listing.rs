//! ListObjectsV2.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{ChecksumType, EncodingType, ObjectStorageClass};
use simulations_s3::{PutAttributes, Rope, StoredChecksum};

use crate::world::{BUCKET, World, is, refusal};

fn keys(page: &ListObjectsV2Output) -> Vec<&str> {
    page.contents().iter().map(|object| object.key().unwrap()).collect()
}

fn prefixes(page: &ListObjectsV2Output) -> Vec<&str> {
    page.common_prefixes().iter().map(|prefix| prefix.prefix().unwrap()).collect()
}

/// The bytes that `encoding-type=url` stands for.
fn url_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, more) = rest.split_at(2);
                rest = more;
                u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn pages_follow_one_another_in_byte_order() {
    let world = World::new().await;
    let mut expected: Vec<String> =
        (0..2500).map(|i| format!("k{i}")).chain(["é".into(), "Z".into()]).collect();
    expected.iter().for_each(|key| world.put(key, "x"));
    expected.sort_unstable();
    let mut pages = world.client.list_objects_v2().bucket(BUCKET).max_keys(5000).into_paginator().send();
    let mut listed = Vec::new();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        sizes.push(page.key_count().unwrap());
        listed.extend(keys(&page).iter().map(|key| (*key).to_owned()));
    }
    assert_eq!(sizes, [1000, 1000, 502]);
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn prefix_delimiter_and_start_after() {
    let world = World::new().await;
    for key in ["a", "b/1", "b/2", "b/c/3", "b0", "c/1", "d"] {
        world.put(key, "x");
    }
    let list = || world.client.list_objects_v2().bucket(BUCKET);
    let page = list().delimiter("/").send().await.unwrap();
    assert_eq!((keys(&page), prefixes(&page)), (vec!["a", "b0", "d"], vec!["b/", "c/"]));
    assert_eq!(page.key_count(), Some(5));
    let page = list().delimiter("/").prefix("b/").send().await.unwrap();
    assert_eq!((keys(&page), prefixes(&page)), (vec!["b/1", "b/2"], vec!["b/c/"]));
    let page = list().start_after("b/2").send().await.unwrap();
    assert_eq!(keys(&page), ["b/c/3", "b0", "c/1", "d"]);
    let page = list().prefix("zz").send().await.unwrap();
    assert_eq!((keys(&page).len(), page.is_truncated()), (0, Some(false)));
}

#[tokio::test]
async fn common_prefixes_count_and_are_passed_over_by_the_next_page() {
    let world = World::new().await;
    for key in ["a/1", "a/2", "b", "c/1", "c/2", "d"] {
        world.put(key, "x");
    }
    let mut token = None;
    let mut seen = Vec::new();
    loop {
        let list = world.client.list_objects_v2().bucket(BUCKET).delimiter("/").max_keys(1);
        let page = list.set_continuation_token(token).send().await.unwrap();
        assert_eq!(page.key_count(), Some(1));
        seen.extend(keys(&page).into_iter().chain(prefixes(&page)).map(str::to_owned));
        token = page.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a/", "b", "c/", "d"]);
}

#[tokio::test]
async fn any_legal_key_comes_back() {
    let world = World::new().await;
    let longest = "k".repeat(1024);
    let nasty = [
        "\u{1}\u{1f}",
        "a\nb",
        "a\r\nb",
        "\ttab",
        "a+b c",
        "a%2Fb",
        "%",
        "<&>\"'",
        "ü/日本/🦀",
        "/lead",
        "a//b",
        "./..",
        "a ",
        "trailing/",
        "\u{7f}",
        "a?b#c&d=e",
        "~*!()",
        &longest,
    ];
    for key in nasty {
        // Over the wire, so that the path is read as well.
        let put = world.client.put_object().bucket(BUCKET).key(key).body(key.as_bytes().to_vec().into());
        put.send().await.unwrap();
    }
    let mut expected = nasty;
    expected.sort_unstable();
    assert_eq!(world.twin.keys(BUCKET), expected);
    let list = || world.client.list_objects_v2().bucket(BUCKET);
    let plain = list().send().await.unwrap();
    assert_eq!(keys(&plain), expected);
    let encoded = list().encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(encoded.encoding_type(), Some(&EncodingType::Url));
    assert_eq!(keys(&encoded).into_iter().map(url_decoded).collect::<Vec<_>>(), expected);
    for key in nasty {
        let head = world.client.head_object().bucket(BUCKET).key(key).send().await.unwrap();
        assert_eq!(head.content_length(), Some(key.len() as i64), "{key:?}");
    }
}

#[tokio::test]
async fn the_url_encoding_is_that_of_s3() {
    let world = World::new().await;
    world.put("test_file(3) +~*.png", "x");
    let list = world.client.list_objects_v2().bucket(BUCKET).encoding_type(EncodingType::Url);
    assert_eq!(keys(&list.send().await.unwrap()), ["test_file%283%29+%2B%7E*.png"]);
}

#[tokio::test]
async fn each_object_says_what_it_is() {
    let world = World::new().await;
    let put = |key: &str, checksum: StoredChecksum| {
        let attributes = PutAttributes { checksum, ..PutAttributes::default() };
        world.twin.put_with(BUCKET, key, Rope::synthetic(1, 100), attributes);
    };
    put("a", StoredChecksum::Crc32);
    put("b", StoredChecksum::Crc32Composite { part_sizes: vec![60] });
    put("c", StoredChecksum::Crc64Nvme);
    put("d", StoredChecksum::None);
    let page = world.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let checksums: Vec<_> = page
        .contents()
        .iter()
        .map(|o| (o.checksum_algorithm().iter().map(|a| a.as_str()).collect::<String>(), o.checksum_type()))
        .collect();
    assert_eq!(
        checksums,
        [
            ("CRC32".to_owned(), Some(&ChecksumType::FullObject)),
            ("CRC32".to_owned(), Some(&ChecksumType::Composite)),
            ("CRC64NVME".to_owned(), Some(&ChecksumType::FullObject)),
            (String::new(), None),
        ]
    );
    let first = &page.contents()[0];
    let stored = world.twin.object(BUCKET, "a").unwrap();
    assert_eq!(first.size(), Some(100));
    assert_eq!(first.e_tag(), Some(format!("\"{}\"", stored.etag).as_str()));
    assert_eq!(first.last_modified().unwrap().subsec_nanos(), 0);
    assert_eq!(first.storage_class(), Some(&ObjectStorageClass::Standard));
}

#[tokio::test]
async fn what_is_wrong_with_a_listing_is_said() {
    let world = World::new().await;
    let list = || world.client.list_objects_v2();
    let missing = list().bucket("missing").send().await;
    assert_eq!(refusal(missing), is(404, "NoSuchBucket"));
    let token = list().bucket(BUCKET).continuation_token("!").send().await;
    assert_eq!(refusal(token), is(400, "InvalidArgument"));
    let negative = list().bucket(BUCKET).max_keys(-1).send().await;
    assert_eq!(refusal(negative), is(400, "InvalidArgument"));
    let encoding = list().bucket(BUCKET).encoding_type("utf".into()).send().await;
    assert_eq!(refusal(encoding), is(400, "InvalidArgument"));
    world.put("a", "x");
    let none = list().bucket(BUCKET).max_keys(0).send().await.unwrap();
    assert_eq!((none.key_count(), none.is_truncated()), (Some(0), Some(false)));
}
