//! Messages that may not be, from a node with a good certificate: each ends its own session, and no other.

use std::sync::Arc;

use proto::limits::{FRAME_ITEMS_MAX, MESSAGE_FROM_NODE_BYTES_MAX};
use proto::link::Frame;
use proto::session::FromNode;
use proto::wire;
use tonic::Code;

use crate::polite::speak;
use crate::siege::Siege;
use crate::world::{VERSION, frame_from_node, hello, within};

const METHOD: &str = "/zipfleet.Session/Exchange";
const VERSIONS: [(&str, &str); 2] = [("zipfleet-oldest", VERSION), ("zipfleet-newest", VERSION)];

fn encoded(message: &FromNode) -> Vec<u8> {
    wire::encode::<100_000_000>(message).unwrap()
}

fn greeting() -> Vec<u8> {
    encoded(&FromNode::Hello(hello("blue")))
}

fn reports(count: usize) -> Vec<u8> {
    let items = (0..count).map(|_| Arc::default()).collect();
    encoded(&FromNode::Frame(Frame { first: 0, expected: 0, items }))
}

#[tokio::test]
async fn what_may_not_come_first() {
    let siege = Siege::begin().await;
    let long = encoded(&FromNode::Hello(hello(&"n".repeat(40_000))));
    let longer = encoded(&FromNode::Hello(hello(&"n".repeat(1 << 20))));
    let cases = [
        (
            METHOD,
            VERSIONS.as_slice(),
            encoded(&frame_from_node(0)),
            Some((Code::InvalidArgument, "before the greeting")),
        ),
        (
            METHOD,
            &VERSIONS,
            encoded(&FromNode::Goodbye),
            Some((Code::InvalidArgument, "before the greeting")),
        ),
        (METHOD, &VERSIONS, b"hello".to_vec(), Some((Code::InvalidArgument, "no message"))),
        (METHOD, &VERSIONS, [greeting(), vec![0]].concat(), Some((Code::InvalidArgument, "behind its end"))),
        (METHOD, &VERSIONS, long, Some((Code::InvalidArgument, "name"))),
        // More than anyone may send before a greeting: cut off without an answer.
        (METHOD, &VERSIONS, longer, None),
        (METHOD, &[], greeting(), Some((Code::FailedPrecondition, "does not say which protocol"))),
        (
            METHOD,
            &[VERSIONS[0], ("zipfleet-newest", "-1")],
            greeting(),
            Some((Code::FailedPrecondition, "protocol")),
        ),
        (
            METHOD,
            &[("zipfleet-oldest", "9"), VERSIONS[1]],
            greeting(),
            Some((Code::FailedPrecondition, "update")),
        ),
        ("/zipfleet.Session/Other", &VERSIONS, greeting(), Some((Code::Unimplemented, "no such method"))),
    ];
    for (method, headers, message, expected) in cases {
        let stream = siege.evil_connection().await;
        let status = within(speak(stream, method, headers, vec![message])).await.unwrap_err();
        if let Some((code, words)) = expected {
            assert_eq!(status.code(), code, "{status}");
            assert!(status.message().contains(words), "{status}");
        }
    }
    siege.ends("first words that may not be", ()).await;
}

#[tokio::test]
async fn what_may_not_follow() {
    let siege = Siege::begin().await;
    let cases = [
        ("a second Hello", greeting()),
        ("a message above the limit", vec![0; MESSAGE_FROM_NODE_BYTES_MAX + 1]),
        ("a frame with one report too many", reports(FRAME_ITEMS_MAX + 1)),
        ("a frame of 40,000 reports", reports(40_000)),
        ("a frame of 200,000 reports", reports(200_000)),
        ("no message", b"frame".to_vec()),
        ("an empty message", Vec::new()),
    ];
    for (attack, message) in cases {
        let length = message.len();
        let stream = siege.evil_connection().await;
        let (mut answers, more) = within(speak(stream, METHOD, &VERSIONS, vec![greeting()])).await.unwrap();
        assert!(within(answers.message()).await.unwrap().is_some(), "{attack}: it is welcome at first");
        more.send(message).await.unwrap();
        assert!(
            !matches!(within(answers.message()).await, Ok(Some(_))),
            "{attack} of {length} bytes is answered"
        );
    }
    siege.ends("messages that may not be, 200,000 reports in a frame among them", ()).await;
}

#[tokio::test]
async fn as_many_reports_as_may_be() {
    let siege = Siege::begin().await;
    let stream = siege.evil_connection().await;
    let (mut answers, more) = within(speak(stream, METHOD, &VERSIONS, vec![greeting()])).await.unwrap();
    assert!(within(answers.message()).await.unwrap().is_some());
    more.send(reports(FRAME_ITEMS_MAX)).await.unwrap();
    assert!(within(answers.message()).await.unwrap().is_some());
    siege.ends("a frame of as many reports as may be", (answers, more)).await;
}
