//! Records of callbacks as they stand in S3: those of today, those before, those to come.

use serde_json::json;

use super::*;

/// As it was written before records had versions. What it was of is not known by its words alone: the job is as the API
/// told of one then.
fn unversioned() -> Value {
    json!({
        "job": {
            "id": "0000000000000007",
            "state": "waiting",
            "destination": "s3://archives/a.zip",
            "priority": "normal",
            "owner": "photos",
            "submitted_ms": 1_700_000_000_000_u64,
            "progress": {
                "stage": "listing", "entries": 0, "bytes_planned": 0, "bytes_done": 0, "parts_planned": 0,
                "parts_done": 0, "bytes_per_second": 0, "left_ms": null,
            },
            "outcome": null,
        },
        "url": "https://example.com/done",
    })
}

fn parse(record: &Value) -> Result<Record, String> {
    Record::parse(record.to_string().as_bytes())
}

#[test]
fn one_without_version_is_read() {
    let record = parse(&unversioned()).expect("it is one");
    assert_eq!((record.job, record.owner.as_deref()), (JobId(7), Some("photos")));
    assert_eq!(record.url, "https://example.com/done");
    let job: JobView = serde_json::from_value(record.body).expect("it is a job");
    assert_eq!(job.state, JobState::Failed);
    assert!(
        matches!(job.outcome, Some(Outcome::Failed { failure, .. }) if failure.message.contains("a.zip"))
    );
}

/// Neither a field that jobs have gained since, nor one that they have no more.
#[test]
fn one_without_version_is_sent_as_it_was_written() {
    let mut written = unversioned();
    let job = written["job"].as_object_mut().expect("it is an object");
    job.remove("progress");
    job.insert("of_old".into(), json!(1));
    job.insert("state".into(), json!("completed"));
    job.insert("outcome".into(), json!({ "completed": { "etag": "e" } }));
    assert_eq!(parse(&written).expect("it is one").body, written["job"]);
}

#[test]
fn one_of_today_is_read_as_it_was_written() {
    let job: JobView = serde_json::from_value(unversioned()["job"].clone()).expect("it is a job");
    let job = job.ended(lost(&Location { bucket: "archives".into(), key: "a.zip".into() }));
    let written = Record::ended(&job, "https://example.com/done".into());
    let mut text = in_json(&written);
    assert_eq!(text["version"], 1);
    text["of_tomorrow"] = json!(true);
    let record = parse(&text).expect("it is one");
    assert_eq!((record.job, &record.owner, &record.url), (written.job, &written.owner, &written.url));
    assert_eq!(serde_json::from_value::<JobView>(record.body).expect("it is a job"), job);
}

#[test]
fn one_of_tomorrow_is_not_guessed_at() {
    for version in [json!(2), json!("1"), json!(null), json!(0), json!(-1)] {
        let mut record = unversioned();
        record["version"] = version;
        let why = parse(&record).err().expect("it is not known");
        assert!(why.contains("this program knows those up to 1"), "{why}");
    }
    for text in ["", "hello", "{}", "[]", "1", r#"{"version":1}"#, r#"{"job":{},"url":"u"}"#] {
        let why = Record::parse(text.as_bytes()).err().expect("it is none");
        assert!(why.contains("no record of a callback"), "{text}: {why}");
    }
}
