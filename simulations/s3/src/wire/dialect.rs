//! Where what s3s writes differs from what S3 writes.

use http::header::CONTENT_RANGE;
use http::{HeaderValue, StatusCode};
use s3s::{Body, HttpResponse};

use crate::op::Op;

/// Makes an answer of s3s the answer of S3.
pub(super) fn correct(op: Op, request: u64, response: &mut HttpResponse) {
    response.headers_mut().insert("x-amz-request-id", request_id(request));
    // s3s has no status but 200 for HeadObject.
    if op == Op::HeadObject && response.headers().contains_key(CONTENT_RANGE) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    // All others of S3's answers have quotes around an ETag, and so has every answer of s3s.
    if op == Op::GetObjectAttributes {
        rewrite(response, |xml| xml.replace("<ETag>\"", "<ETag>").replace("\"</ETag>", "</ETag>"));
    }
    if response.body().bytes().is_some_and(|xml| xml.iter().any(u8::is_ascii_control)) {
        rewrite(response, |xml| referenced(&xml));
    }
}

fn request_id(request: u64) -> HeaderValue {
    HeaderValue::try_from(format!("{request:016X}")).expect("hexadecimal digits")
}

/// Replaces a body that is a document in memory; a body that is content is none.
fn rewrite(response: &mut HttpResponse, change: impl FnOnce(String) -> String) {
    let document = response.body().bytes().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    if let Some(document) = document {
        *response.body_mut() = Body::from(change(document));
    }
}

/// Writes control characters as character references. Keys may hold any; raw ones are not XML, and a raw line
/// break would be normalised by the reader. s3s puts none between elements.
fn referenced(xml: &str) -> String {
    let mut text = String::with_capacity(xml.len() + 64);
    for c in xml.chars() {
        if c.is_ascii_control() {
            text.push_str(&format!("&#x{:x};", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}
