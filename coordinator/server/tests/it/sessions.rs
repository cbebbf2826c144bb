//! Nodes that come, go, come back, and pretend.

use coordinator::scheduler::Policy;
use proto::link::Frame;
use proto::report::Report;
use proto::session::{FromNode, SessionId, ToNode};
use proto_session::Connection;
use serde_json::json;
use tokio::task::JoinSet;

use crate::node::{Chance, TestNode, connect, granted, hello};
use crate::world::{OUT, Serving, World, options, until};

/// Lets a node be heard.
async fn speak(connection: &Connection<FromNode, ToNode>, number: u64) {
    let frame = Frame { first: number, expected: 0, items: vec![Report::default().into()] };
    connection.outgoing.send(FromNode::Frame(frame)).await.expect("it is connected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_is_made_once_over_connections_that_lose_repeat_reorder_and_break() {
    let world = World::new().await;
    world.fill(150, 512 << 10);
    let mut options = options();
    // Each part then needs but one attempt.
    options.settings.policy = Policy { steals: false, hedges: false };
    let serving = Serving::start_with(&world, options).await;
    let mut nodes = JoinSet::new();
    for seed in 1..=2 {
        let node = TestNode {
            name: format!("node-{seed}"),
            s3: world.s3.clone(),
            at: serving.ready.nodes,
            chance: Some(Chance(seed)),
        };
        nodes.spawn(node.run());
    }
    serving.nodes(2).await;
    let mut parts = 0;
    for key in ["a.zip", "b.zip"] {
        let id = serving.submitted(key).await;
        let outcome = serving.outcome(&id).await;
        assert_eq!(outcome["completed"]["entries"], 150, "{outcome}");
        parts += outcome["completed"]["parts"].as_u64().unwrap();
    }
    assert!(parts >= 30);
    assert_eq!(world.twin.requests()["UploadPart"], parts);
    assert_eq!(world.twin.object(OUT, "a.zip").unwrap().etag, world.twin.object(OUT, "b.zip").unwrap().etag);
    assert_eq!(serving.nodes(2).await, ["node-1", "node-2"]);
    serving.stop().await.unwrap();
    assert_eq!(world.twin.uploads(), []);
}

#[tokio::test]
async fn a_node_that_comes_back_goes_on_where_it_was() {
    let world = World::new().await;
    world.fill(3, 100);
    let serving = Serving::start(&world).await;
    let (session, mut connection) = connect(serving.ready.nodes, hello("node", None)).await.unwrap();
    serving.nodes(1).await;
    serving.submitted("a.zip").await;
    let first = granted(&mut connection).await;
    drop(connection);
    serving.nodes_when(|nodes| nodes[0]["state"] == "silent").await;
    let (again, mut connection) = connect(serving.ready.nodes, hello("node", Some(session))).await.unwrap();
    assert_eq!(again, session);
    serving.nodes_when(|nodes| nodes[0]["state"] == "active").await;
    // It never acknowledged the grant, so it comes again, and is the same.
    assert_eq!(granted(&mut connection).await, first);
    // A connection that it does not know to be broken is replaced all the same.
    let (again, mut newer) = connect(serving.ready.nodes, hello("node", Some(session))).await.unwrap();
    assert_eq!(again, session);
    assert_eq!(granted(&mut newer).await, first);
    while connection.incoming.next().await.is_some() {}
    assert_eq!(serving.nodes(1).await, ["node"]);
    drop(newer);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_node_of_a_living_ones_name_is_turned_away() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let (_, connection) = connect(serving.ready.nodes, hello("node", None)).await.unwrap();
    speak(&connection, 0).await;
    for resume in [None, Some(SessionId(5))] {
        let refused = connect(serving.ready.nodes, hello("node", resume)).await.unwrap_err();
        let sentence = refused.to_string();
        assert!(
            sentence.starts_with("a node named node is connected already, from 127.0.0.1:"),
            "{sentence}"
        );
    }
    assert_eq!(serving.nodes(1).await, ["node"]);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_that_is_gone_is_replaced() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let (session, connection) = connect(serving.ready.nodes, hello("node", None)).await.unwrap();
    serving.nodes(1).await;
    drop(connection);
    let another = loop {
        if let Ok((another, connection)) = connect(serving.ready.nodes, hello("node", None)).await {
            assert_ne!(another, session);
            break connection;
        }
    };
    // Its session is forgotten.
    assert_eq!(serving.nodes(1).await, ["node"]);
    drop(another);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn goodbye_is_for_good() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let (session, connection) = connect(serving.ready.nodes, hello("node", None)).await.unwrap();
    serving.nodes(1).await;
    connection.outgoing.send(FromNode::Goodbye).await.unwrap();
    serving.nodes(0).await;
    let (another, _connection) = connect(serving.ready.nodes, hello("node", Some(session))).await.unwrap();
    assert_ne!(another, session, "it has to begin anew");
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn there_are_only_so_many() {
    let world = World::new().await;
    let serving = Serving::start_with(&world, options()).await;
    let mut connections = Vec::new();
    for number in 0..3 {
        connections.push(connect(serving.ready.nodes, hello(&format!("node-{number}"), None)).await.unwrap());
    }
    let refused = connect(serving.ready.nodes, hello("node-3", None)).await.unwrap_err();
    assert_eq!(refused.to_string(), "this coordinator takes 3 nodes, and has them: raise --nodes-max there");
    let (_, connection) = connections.remove(0);
    connection.outgoing.send(FromNode::Goodbye).await.unwrap();
    serving.nodes(2).await;
    connect(serving.ready.nodes, hello("node-3", None)).await.unwrap();
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn nonsense_hurts_only_the_node_that_says_it() {
    let world = World::new().await;
    let serving = Serving::start(&world).await;
    let (_, good) = connect(serving.ready.nodes, hello("good", None)).await.unwrap();
    let (_, mut bad) = connect(serving.ready.nodes, hello("bad", None)).await.unwrap();
    let odd = Frame { first: u64::MAX, expected: u64::MAX, items: vec![Report::default().into()] };
    bad.outgoing.send(FromNode::Frame(odd)).await.unwrap();
    bad.outgoing.send(FromNode::Hello(hello("bad", None))).await.unwrap();
    while bad.incoming.next().await.is_some() {}
    speak(&good, 0).await;
    assert!(serving.nodes(2).await.contains(&"good".to_owned()));
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_that_does_not_read_holds_up_nobody() {
    let world = World::new().await;
    world.fill(3, 100);
    let serving = Serving::start(&world).await;
    let (_, deaf) = connect(serving.ready.nodes, hello("deaf", None)).await.unwrap();
    serving.nodes(1).await;
    let node = TestNode { name: "node".into(), s3: world.s3.clone(), at: serving.ready.nodes, chance: None };
    let node = tokio::spawn(node.run());
    serving.nodes(2).await;
    // Each is answered when its job has ended, for which the deaf node is waited for.
    let mut cancelled = JoinSet::new();
    for number in 0..20 {
        let id = serving.submitted(&format!("{number}.zip")).await;
        cancelled.spawn(serving.request(reqwest::Method::DELETE, &format!("/v1/jobs/{id}")).send());
    }
    assert_eq!(serving.get("/readyz").await.1, json!({ "status": "ok", "nodes": 2 }));
    deaf.outgoing.send(FromNode::Goodbye).await.unwrap();
    cancelled.join_all().await;
    until(|| world.twin.uploads().is_empty()).await;
    let id = serving.submitted("last.zip").await;
    let outcome = serving.outcome(&id).await;
    assert_eq!(outcome["completed"]["entries"], 3, "{outcome}");
    serving.stop().await.unwrap();
    node.abort();
}
