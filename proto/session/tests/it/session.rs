//! What a session carries, and how it ends.

use proto::limits::OUTGOING_MESSAGES;
use proto::session::{FromNode, PROTOCOL_VERSIONS, ToNode};
use proto_session::{BindError, Caps, DialError, Dialer, Listener, dial};

use crate::certificates::Authority;
use crate::proxy::Proxy;
use crate::world::{Coordinator, frame_from_node, frame_to_node, hello, welcome, within};

#[tokio::test]
async fn frames_go_both_ways_over_mutual_tls() {
    let authority = Authority::new();
    let mut coordinator = Coordinator::start(Some(authority.tls(&["localhost"])));
    let tls = Some(authority.tls(&["blue"]));
    let (mut node, mut side) = coordinator.session(tls, "blue").await;
    for first in 0..100 {
        node.outgoing.send(frame_from_node(first)).await.unwrap();
        assert_eq!(within(side.incoming.next()).await, Some(frame_from_node(first)));
        side.outgoing.send(frame_to_node(first, 10_000)).await.unwrap();
        assert_eq!(within(node.incoming.next()).await, Some(frame_to_node(first, 10_000)));
    }
    drop((node, side));
    coordinator.is_empty().await;
}

#[tokio::test]
async fn an_arrival_says_who_it_is_and_learns_its_session() {
    let mut coordinator = Coordinator::start(None);
    let dialer = coordinator.dialer(None);
    let dialling = tokio::spawn(async move { dial(&dialer, hello("red")).await });
    let arrival = within(coordinator.arrivals.recv()).await.unwrap();
    assert_eq!(arrival.hello, hello("red"));
    assert!(arrival.peer.ip().is_loopback());
    let _side = arrival.welcome(welcome());
    assert_eq!(within(dialling).await.unwrap().unwrap().0, welcome());
}

#[tokio::test]
async fn a_message_as_long_as_may_be_arrives() {
    let mut coordinator = Coordinator::start(None);
    let (mut node, side) = coordinator.session(None, "red").await;
    let order = frame_to_node(0, 60 << 20);
    side.outgoing.send(order.clone()).await.unwrap();
    assert!(within(node.incoming.next()).await == Some(order));
}

#[tokio::test]
async fn a_goodbye_arrives_before_the_end() {
    let mut coordinator = Coordinator::start(None);
    let (node, mut side) = coordinator.session(None, "red").await;
    node.outgoing.send(FromNode::Goodbye).await.unwrap();
    let (heard, ()) = tokio::join!(
        async {
            let heard = (side.incoming.next().await, side.incoming.next().await);
            drop(side);
            heard
        },
        node.close(),
    );
    assert_eq!(heard, (Some(FromNode::Goodbye), None));
    coordinator.is_empty().await;
}

#[tokio::test]
async fn either_side_may_hang_up() {
    let mut coordinator = Coordinator::start(None);
    let (mut node, side) = coordinator.session(None, "red").await;
    drop(side);
    assert_eq!(within(node.incoming.next()).await, None);
    within(node.outgoing.closed()).await;
    coordinator.is_empty().await;

    let (node, mut side) = coordinator.session(None, "red").await;
    drop(node);
    assert_eq!(within(side.incoming.next()).await, None);
    within(side.outgoing.closed()).await;
    coordinator.is_empty().await;
}

#[tokio::test]
async fn refusals_say_whether_they_may_pass() {
    let mut coordinator = Coordinator::start(None);
    let dialer = coordinator.dialer(None);
    for is_for_good in [true, false] {
        let dialling = dial(&dialer, hello("red"));
        let answering = async {
            let arrival = coordinator.arrivals.recv().await.unwrap();
            if is_for_good { arrival.refuse("never") } else { arrival.turn_away("not now") }
        };
        let (dialled, ()) = within(Box::pin(async { tokio::join!(dialling, answering) })).await;
        let error = dialled.unwrap_err();
        assert_eq!(error.is_for_good(), is_for_good);
        assert_eq!(error.to_string(), if is_for_good { "never" } else { "not now" });
    }
    coordinator.is_empty().await;
}

#[tokio::test]
async fn an_arrival_nobody_answers_may_try_again() {
    let mut coordinator = Coordinator::start(None);
    let dialer = coordinator.dialer(None);
    let (dialled, ()) = within(async {
        tokio::join!(dial(&dialer, hello("red")), async { drop(coordinator.arrivals.recv().await) })
    })
    .await;
    assert!(matches!(dialled, Err(DialError::TurnedAway(_))));
}

#[tokio::test]
async fn a_coordinator_that_stops_says_so_to_nobody_new() {
    let mut coordinator = Coordinator::start(None);
    let (mut node, side) = coordinator.session(None, "red").await;
    coordinator.stop.send(()).unwrap();
    side.outgoing.send(frame_to_node(0, 10)).await.unwrap();
    assert_eq!(
        within(node.incoming.next()).await,
        Some(frame_to_node(0, 10)),
        "there is a moment for last words"
    );
    drop(side);
    within(coordinator.served).await.unwrap();
    assert_eq!(within(node.incoming.next()).await, None);
    assert_eq!(coordinator.listener.connections(), 0);
}

#[tokio::test]
async fn greeted_connections_have_a_cap() {
    let caps = Caps { greeted: 1, ..Caps::default() };
    let mut coordinator = Coordinator::start_speaking(None, caps, PROTOCOL_VERSIONS);
    let (_node, _side) = coordinator.session(None, "red").await;
    let dialer = coordinator.dialer(None);
    let error = coordinator.try_dial(&dialer, "green").await.unwrap_err();
    assert!(
        matches!(&error, DialError::TurnedAway(sentence) if sentence.contains("too many connections")),
        "{error}"
    );
}

#[tokio::test]
async fn whoever_does_not_read_slows_the_other_down() {
    let mut coordinator = Coordinator::start(None);
    let (mut node, side) = coordinator.session(None, "red").await;
    // What fits into the windows of HTTP/2 and the buffers of the system goes out; then it stops.
    let mut sent = 0;
    while let Ok(sending) = tokio::time::timeout(
        std::time::Duration::from_secs(2),
        side.outgoing.send(frame_to_node(sent, 1 << 20)),
    )
    .await
    {
        sending.unwrap();
        sent += 1;
        assert!(sent < 100, "nothing holds it back");
    }
    assert_eq!(side.outgoing.capacity(), 0);
    assert_eq!(side.outgoing.max_capacity(), OUTGOING_MESSAGES);
    for first in 0..sent {
        assert!(within(node.incoming.next()).await == Some(frame_to_node(first, 1 << 20)));
    }
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_noticed_on_both_sides() {
    for (up, down) in [(false, true), (true, false), (false, false)] {
        let mut coordinator = Coordinator::start(None);
        let proxy = Proxy::start(coordinator.addr).await;
        let dialer = Dialer::new(proxy.addr.to_string(), None);
        let (dialled, mut side) = tokio::join!(dial(&dialer, hello("red")), coordinator.next());
        let (_, mut node) = dialled.unwrap();
        proxy.pass(up, down);
        assert_eq!(within(node.incoming.next()).await, None::<ToNode>, "up {up}, down {down}");
        assert_eq!(within(side.incoming.next()).await, None, "up {up}, down {down}");
        coordinator.is_empty().await;
    }
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_noticed_while_messages_wait() {
    let mut coordinator = Coordinator::start(None);
    let proxy = Proxy::start(coordinator.addr).await;
    let dialer = Dialer::new(proxy.addr.to_string(), None);
    let (dialled, side) = tokio::join!(dial(&dialer, hello("red")), coordinator.next());
    let (_, node) = dialled.unwrap();
    proxy.stop();
    let flooding = async { while side.outgoing.send(frame_to_node(0, 1 << 20)).await.is_ok() {} };
    let reporting = async { while node.outgoing.send(frame_from_node(0)).await.is_ok() {} };
    within(async { tokio::join!(flooding, reporting) }).await;
    drop(side);
    coordinator.is_empty().await;
}

#[tokio::test]
async fn nobody_listens_to_the_network_in_plaintext_unless_told() {
    let anywhere = ([0, 0, 0, 0], 0).into();
    let refused = Listener::bind(anywhere, None, false, Caps::default()).unwrap_err();
    assert!(matches!(refused, BindError::Unprotected(_)));
    assert!(refused.to_string().contains("without TLS"), "{refused}");
    assert!(Listener::bind(anywhere, None, true, Caps::default()).is_ok());
    let authority = Authority::new();
    assert!(Listener::bind(anywhere, Some(authority.tls(&["localhost"])), false, Caps::default()).is_ok());
}

#[tokio::test]
async fn addresses_that_are_none_and_ports_where_nobody_is_are_said() {
    for address in ["", "host", "host:", ":7", "::1:7", "host:70000", "[::1]"] {
        let error = dial(&Dialer::new(address, None), hello("red")).await.unwrap_err();
        assert_eq!(error, DialError::Address(address.to_owned()));
        assert!(error.is_for_good());
    }
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = dial(&Dialer::new(unused.to_string(), None), hello("red")).await.unwrap_err();
    assert!(matches!(error, DialError::Unreachable { .. }), "{error}");
    assert!(!error.is_for_good());
}
