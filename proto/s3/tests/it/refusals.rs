//! Every kind of error, with its sentence.

use proto::failure::{Failure, FailureKind, S3ErrorKind};
use proto::job::JobId;
use proto::location::Location;
use proto_s3::S3;
use simulations_s3::{Denial, Fault, FaultKind, Op, Rope};

use crate::support::{BUCKET, answer, at, canned, client, client_with, listener, world};

fn error_xml(code: &str, message: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>")
}

#[tokio::test]
async fn what_is_not_there() {
    let world = world().await;
    let error = world.s3.list_page(0, "nowhere", "", None).await.expect_err("no such bucket");
    assert_eq!(error.kind(), S3ErrorKind::NoSuchBucket);
    assert!(
        error.to_string().starts_with("cannot list s3://nowhere/: bucket `nowhere` does not exist ["),
        "{error}"
    );
    let error = world.s3.get(BUCKET, "gone", "x", None).await.expect_err("no such key");
    assert_eq!(error.kind(), S3ErrorKind::NoSuchKey);
    assert!(error.to_string().starts_with("cannot read s3://bucket/gone: no such object ["), "{error}");
    for location in [at("gone"), Location { bucket: "nowhere".into(), key: "k".into() }] {
        let error = world.s3.head(&location).await.expect_err("no such object");
        assert_eq!(error.kind(), S3ErrorKind::NoSuchKey);
        assert!(error.to_string().contains("no such object, or no such bucket"), "{error}");
    }
}

#[tokio::test]
async fn who_may_not() {
    let world = world().await;
    world.twin.put(BUCKET, "k", Rope::from("secret"));
    for op in [Op::GetObject, Op::HeadObject, Op::CreateMultipartUpload] {
        world.twin.deny(Denial { op: Some(op), bucket: BUCKET.into(), key_prefix: String::new() });
    }
    let get = world.s3.get(BUCKET, "k", "x", Some(2..4)).await.expect_err("denied");
    let head = world.s3.head(&at("k")).await.expect_err("denied");
    let create = world.s3.create_upload(&at("k"), JobId(1)).await.expect_err("denied");
    assert!(
        get.to_string().contains(
            "cannot read bytes 2..4 of s3://bucket/k: access denied; the caller needs s3:GetObject"
        ),
        "{get}"
    );
    assert!(create.to_string().contains("the caller needs s3:PutObject ["), "{create}");
    for error in [get, head, create] {
        assert_eq!(error.kind(), S3ErrorKind::Denied);
        assert_eq!(Failure::from(error).kind, FailureKind::Denied);
    }
}

#[tokio::test]
async fn wrong_and_expired_credentials() {
    let world = world().await;
    let endpoint = world.server.endpoint();
    let stranger = client_with(&endpoint, "stranger", "x").await;
    let wrong = client_with(&endpoint, "zipfleet", "wrong").await;
    let told = async |s3: &S3, words: &str| {
        let error = s3.list_page(0, BUCKET, "", None).await.expect_err("refused");
        assert_eq!(error.kind(), S3ErrorKind::Denied);
        assert!(error.to_string().contains(words), "{error}");
    };
    told(&stranger, "the access key is unknown").await;
    told(&wrong, "the secret access key is wrong").await;
    world.twin.expire_key("zipfleet");
    told(&world.s3, "the session token has expired; renew the credentials").await;
}

#[tokio::test]
async fn failures_that_pass() {
    let world = world().await;
    for (fault, kind) in [
        (FaultKind::InternalError, S3ErrorKind::Transient),
        (FaultKind::SlowDown, S3ErrorKind::Throttled),
        (FaultKind::ResetBefore, S3ErrorKind::Transient),
    ] {
        world.twin.clear_faults();
        world.twin.add_fault(Fault::new(None, fault));
        let list = world.s3.list_page(0, BUCKET, "", None).await.map(drop);
        let head = world.s3.head(&at("k")).await.map(drop);
        let get = world.s3.get(BUCKET, "k", "x", None).await.map(drop);
        let create = world.s3.create_upload(&at("k"), JobId(1)).await.map(drop);
        for outcome in [list, head, get, create] {
            let error = outcome.expect_err("the fault strikes");
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
    assert_eq!(world.s3.requests().list.sent, 3, "one attempt each");
}

#[tokio::test]
async fn a_refused_connection_names_the_endpoint() {
    let listener = listener().await;
    let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let error = client(&endpoint).await.list_page(0, BUCKET, "", None).await.expect_err("nobody listens");
    assert_eq!(error.kind(), S3ErrorKind::Transient);
    let expected = format!("connection to {endpoint} failed: Connection refused");
    assert!(error.to_string().contains(&expected), "{error}");
}

#[tokio::test]
async fn the_right_region_is_named() {
    let region = "x-amz-bucket-region: eu-west-1";
    let moved =
        canned(answer("301 Moved Permanently", &[region], &error_xml("PermanentRedirect", "Elsewhere.")))
            .await;
    let error = moved.list_page(0, BUCKET, "", None).await.expect_err("elsewhere");
    assert_eq!(error.kind(), S3ErrorKind::WrongRegion);
    assert!(
        error
            .to_string()
            .contains("the bucket is in region eu-west-1, not us-east-1; set the region to eu-west-1"),
        "{error}"
    );
    for status in ["301 Moved Permanently", "400 Bad Request"] {
        let error = canned(answer(status, &[region], "")).await.head(&at("k")).await.expect_err("elsewhere");
        assert_eq!(error.kind(), S3ErrorKind::WrongRegion, "{error}");
    }
    let malformed =
        error_xml("AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong; expecting 'eu-west-1'");
    let error = canned(answer("400 Bad Request", &[], &malformed)).await.list_page(0, BUCKET, "", None).await;
    let error = error.expect_err("elsewhere");
    assert_eq!(error.kind(), S3ErrorKind::WrongRegion);
    assert!(error.to_string().contains("expecting 'eu-west-1'"), "{error}");
}

#[tokio::test]
async fn a_wrong_clock_and_an_archived_object() {
    let skewed = canned(answer("403 Forbidden", &[], &error_xml("RequestTimeTooSkewed", "Too large."))).await;
    let error = skewed.list_page(0, BUCKET, "", None).await.expect_err("the clock is wrong");
    assert_eq!(error.kind(), S3ErrorKind::Denied);
    assert!(error.to_string().contains("clock is wrong"), "{error}");
    let archived = canned(answer("403 Forbidden", &[], &error_xml("InvalidObjectState", "Glacier."))).await;
    let error = archived.get(BUCKET, "k", "x", None).await.expect_err("it is archived");
    assert_eq!(error.kind(), S3ErrorKind::Refused);
    assert!(error.to_string().contains("restore it first"), "{error}");
}
