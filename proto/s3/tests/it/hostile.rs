//! Servers that answer what no S3 should.

use proto::failure::S3ErrorKind;
use proto::job::JobId;

use crate::support::{BUCKET, answer, at, canned};

const ETAG: &str = "etag: \"e\"";

#[tokio::test]
async fn ranges_that_were_not_asked_for() {
    let s3 = canned(answer("200 OK", &[ETAG], "0123456789")).await;
    let error = s3.get(BUCKET, "k", "e", Some(0..10)).await.expect_err("a 200");
    assert_eq!(error.kind(), S3ErrorKind::Refused);
    assert!(error.to_string().contains("the whole object where a range was asked for"), "{error}");
    for (range, body) in
        [("0-4/10", "01234"), ("1-9/10", "123456789"), ("0-9/10", "01234"), ("nonsense", "0123456789")]
    {
        let header = format!("content-range: bytes {range}");
        let s3 = canned(answer("206 Partial Content", &[ETAG, &header], body)).await;
        let error = s3.get(BUCKET, "k", "e", Some(0..10)).await.expect_err("another range");
        assert_eq!(error.kind(), S3ErrorKind::Transient, "{error}");
    }
    let s3 = canned(answer("206 Partial Content", &[ETAG, "content-range: bytes 0-4/10"], "01234")).await;
    let error = s3.get(BUCKET, "k", "e", None).await.expect_err("not the whole");
    assert_eq!(error.kind(), S3ErrorKind::Transient, "{error}");
}

#[tokio::test]
async fn a_body_of_unknown_length() {
    let s3 = canned("HTTP/1.1 200 OK\r\netag: \"e\"\r\nconnection: close\r\n\r\n0123").await;
    let error = s3.get(BUCKET, "k", "e", None).await.expect_err("it may be cut anywhere");
    assert_eq!(error.kind(), S3ErrorKind::Transient, "{error}");
}

#[tokio::test]
async fn a_body_that_falls_silent() {
    let head = "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 10\r\nconnection: keep-alive\r\n\r\n";
    let s3 = canned(format!("{head}01234")).await;
    let mut fetched = s3.get(BUCKET, "k", "e", None).await.expect("the head comes");
    assert_eq!(fetched.next().await.expect("half comes").as_deref(), Some(&b"01234"[..]));
    // The clock now jumps to the next timer, which is the watchdog's.
    tokio::time::pause();
    let error = fetched.next().await.expect_err("nothing more comes");
    assert_eq!(error.kind(), S3ErrorKind::Transient);
    assert!(error.to_string().contains("nothing came for 20 s with 5 of 10 bytes missing"), "{error}");
}

#[tokio::test]
async fn listings_that_make_no_sense() {
    let object = |key: &str, more: &str| {
        format!(
            "<ListBucketResult>{more}<Contents><Key>{key}</Key><Size>1</Size><ETag>\"e\"</ETag>\
             <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>"
        )
    };
    let good = canned(answer("200 OK", &[], &object("a/x", ""))).await;
    assert_eq!(good.list_page(0, BUCKET, "a/", None).await.expect("it lists").objects.len(), 1);
    let endless = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>";
    for (body, token) in [
        (object("b/x", ""), None),
        (object("a/%FF", ""), None),
        (object("", ""), None),
        (object("a/x", "").replace("<Size>1", "<Size>-1"), None),
        (object("a/x", "").replace("<ETag>\"e\"</ETag>", ""), None),
        (object("a/x", "<IsTruncated>true</IsTruncated>"), None),
        (object("a/x", endless), Some("t")),
        ("<ListBucketResult><Contents>".to_owned(), None),
        ("not XML".to_owned(), None),
    ] {
        let s3 = canned(answer("200 OK", &[], &body)).await;
        let error = s3.list_page(0, BUCKET, "a/", token).await.expect_err("it makes no sense");
        assert_eq!(error.kind(), S3ErrorKind::Transient, "{error}");
    }
}

#[tokio::test]
async fn answers_that_lack_what_matters() {
    let empty = canned(answer("200 OK", &[], "")).await;
    let error = empty.head(&at("k")).await.expect_err("no ETag");
    assert_eq!(error.kind(), S3ErrorKind::Transient, "{error}");
    let error = empty.create_upload(&at("k"), JobId(1)).await.expect_err("no upload id");
    assert_eq!(error.kind(), S3ErrorKind::Transient, "{error}");
}

#[tokio::test]
async fn hostile_words_do_not_reach_the_terminal() {
    let message = "\u{9b}31m".to_owned() + &"x".repeat(10_000);
    let body = format!("<Error><Code>Strange</Code><Message>{message}</Message></Error>");
    let s3 = canned(answer("400 Bad Request", &[], &body)).await;
    let error = s3.list_page(0, BUCKET, "", None).await.expect_err("refused");
    assert_eq!(error.kind(), S3ErrorKind::Refused);
    assert!(error.to_string().len() < 1_000 && !error.to_string().contains('\u{9b}'), "{error}");
}
