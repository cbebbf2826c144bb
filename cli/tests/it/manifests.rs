//! Archives of the objects that a manifest names.

use std::time::UNIX_EPOCH;

use coordinator_server::JobRequest;
use proto::failure::{Failure, FailureKind};
use proto::job::Outcome;
use proto::location::{Location, Source};
use serde_json::{Value, json};
use simulations_s3::Rope;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::service::{STATE, Service, spec};

const BUCKETS: [&str; 3] = ["photos", "music", "films"];

/// The object, as a manifest names it that tells all.
fn told(service: &Service, bucket: &str, key: &str) -> Value {
    let object = service.world.twin.object(bucket, key).expect("it was put");
    let seconds =
        object.last_modified.duration_since(UNIX_EPOCH).expect("it was put after 1970").as_secs() as i64;
    let modified = OffsetDateTime::from_unix_timestamp(seconds).expect("it is a time");
    let modified = modified.format(&Rfc3339).expect("it can be told");
    json!({
        "bucket": bucket,
        "key": key,
        "size": object.size,
        "etag": object.etag,
        "last_modified": modified,
    })
}

fn manifest(service: &Service, lines: &[Value], within: &[&str]) -> Source {
    let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
    service.world.twin.put("src", "manifest", Rope::from(text.join("\n").into_bytes()));
    let location = Location { bucket: "src".into(), key: "manifest".into() };
    Source::Manifest { location, within: within.iter().map(ToString::to_string).collect() }
}

fn fails(service: &Service, source: Source) -> Failure {
    match service.run(JobRequest::new(spec(source))).1 {
        Outcome::Failed { failure, left_behind } if left_behind.is_empty() => {
            service.world.nothing_left("out", "a.zip");
            failure
        }
        other => panic!("{other:?}"),
    }
}

/// More than a page of them, so that the planning goes on while others are looked up.
#[test]
fn objects_of_several_buckets_some_of_them_looked_up() {
    let service = Service::start();
    let (mut lines, mut expected) = (Vec::new(), Vec::new());
    for number in 0..2_500_u64 {
        let bucket = BUCKETS[number as usize % 3];
        // Not in the order of their keys; one is empty, and one spans parts.
        let key = format!("{:04}.bin", 2_500 - number);
        let size = match number {
            7 => 0,
            1_000 => 12 << 20,
            _ => number % 5_000,
        };
        let content = Rope::synthetic(number, size);
        service.world.twin.put(bucket, &key, content.clone());
        lines.push(if number % 5 < 3 {
            told(&service, bucket, &key)
        } else {
            json!({ "bucket": bucket, "key": key })
        });
        expected.push((key, content));
    }
    let source = manifest(&service, &lines, &["s3://photos/", "s3://music/", "s3://films/"]);
    service.world.twin.reset_requests();
    let (id, summary) = service.completes(source);
    service.world.archive_is_right("out", "a.zip", &expected);
    let looked_up = service.world.twin.requests()["HeadObject"];
    // The empty ones that tell all, and the manifest.
    assert!((1_000..1_020).contains(&looked_up), "{looked_up}");
    assert_eq!(summary.warnings, [""; 0]);
    service.stop();
    let report = service.world.twin.object(STATE, &format!("here/reports/{id}.json")).unwrap();
    let report: proto::api::JobReport = serde_json::from_slice(&report.content.to_bytes()).unwrap();
    assert_eq!(report.entries.len(), 2_500);
    assert_eq!((&*report.entries[1].bucket, &*report.entries[1].key), ("music", "2499.bin"));
}

#[test]
fn a_manifest_that_lies_makes_no_archive() {
    let service = Service::start();
    service.world.twin.put("src", "small", Rope::synthetic(1, 1_000));
    service.world.twin.put("src", "large", Rope::synthetic(2, 30 << 20));
    let lie = |key: &str, field: &str, value: Value| {
        let mut line = told(&service, "src", key);
        line[field] = value;
        line
    };
    let etag = || json!("d41d8cd98f00b204e9800998ecf8427e");
    for (lie, words) in [
        (lie("small", "size", json!(999)), "s3://src/small changed after it was listed"),
        (lie("small", "size", json!(1_001)), "s3://src/small changed after it was listed"),
        (lie("large", "size", json!(20 << 20)), "s3://src/large changed after it was listed"),
        (lie("large", "size", json!(40 << 20)), "s3://src/large changed after it was listed"),
        (lie("small", "etag", etag()), "s3://src/small changed after it was listed"),
        (
            json!({ "bucket": "src", "key": "small", "etag": etag() }),
            "line 1 of the manifest s3://src/manifest",
        ),
        (json!({ "bucket": "src", "key": "small", "size": 5 }), "has 1000 bytes, not 5"),
        (lie("small", "size", json!(0)), "has 1000 bytes, not 0"),
    ] {
        let failure = fails(&service, manifest(&service, std::slice::from_ref(&lie), &[]));
        assert_eq!(failure.kind, FailureKind::SourceChanged, "{lie}: {failure}");
        assert!(failure.message.contains(words), "{lie}: {failure}");
    }
}

#[test]
fn what_may_not_be_read_or_is_not_there_is_named_with_its_line() {
    let service = Service::start();
    service.world.twin.put("src", "a", Rope::from("a"));
    let a = told(&service, "src", "a");
    let within = &["s3://src/"];
    let elsewhere = json!({ "bucket": "private", "key": "a" });
    let failure = fails(&service, manifest(&service, &[a.clone(), elsewhere], within));
    assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
    assert!(
        failure.message.contains("line 2 of the manifest s3://src/manifest: s3://private/a"),
        "{failure}"
    );
    assert_eq!(service.world.twin.requests().get("CreateMultipartUpload"), None);

    let gone = json!({ "bucket": "src", "key": "gone" });
    let failure = fails(&service, manifest(&service, &[a.clone(), a.clone(), gone], within));
    assert_eq!(failure.kind, FailureKind::NotFound, "{failure}");
    assert!(failure.message.contains("line 3 of the manifest"), "{failure}");

    let failure = fails(&service, manifest(&service, &[], within));
    assert_eq!(failure.kind, FailureKind::NothingToArchive, "{failure}");

    let location = Location { bucket: "src".into(), key: "nothing".into() };
    let failure = fails(&service, Source::Manifest { location, within: Vec::new() });
    assert!(failure.message.contains("the manifest s3://src/nothing cannot be read"), "{failure}");
}
