//! The node's end of a session, with a coordinator that loses, repeats, delays and forgets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use node_agent::{RunError, run};
use proto::link::{Frame, Link};
use proto::report::Report;
use proto::session::{FromNode, Order, SessionId, ToNode, Welcome};
use proto_session::{Arrival, Caps, Connection, Dialer, Listener};
use simulations_s3::Op;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use crate::world::*;

const LONG: Duration = Duration::from_secs(600);

type Wire = Connection<ToNode, FromNode>;

/// A coordinator's end, by hand.
struct Coordinator {
    arrivals: mpsc::Receiver<Arrival>,
    addr: SocketAddr,
    welcome: Welcome,
    link: Link<Order>,
    told: Told,
    started: Instant,
}

/// What becomes of frames on their way.
#[derive(Clone, Copy, PartialEq)]
enum Network {
    Kind,
    /// Loses, repeats, delays and reorders them, and breaks after a while.
    Unkind,
}

/// Why a conversation ended.
#[derive(Debug, PartialEq)]
enum End {
    /// All that was waited for was answered.
    Answered,
    Broken,
    Goodbye,
}

impl Coordinator {
    async fn new() -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(anywhere, None, false, Caps::default()).expect("there is a free port");
        let addr = listener.local_addr().expect("it is bound");
        let (sender, arrivals) = mpsc::channel(4);
        tokio::spawn(async move { listener.serve(sender, std::future::pending()).await });
        let welcome = Welcome { session: SessionId(1), heartbeat_ms: 50, silence_ms: 60_000 };
        let (link, told) = (Link::default(), Told::default());
        Self { arrivals, addr, welcome, link, told, started: Instant::now() }
    }

    /// A node that dials it, and how to make it leave.
    fn node(&self, world: &World) -> (JoinHandle<Result<(), RunError>>, oneshot::Sender<Instant>) {
        let (leave, left) = oneshot::channel();
        let left = async { left.await.expect("the test tells it when to leave") };
        let dialer = Dialer::new(self.addr.to_string(), None);
        (tokio::spawn(run(config(), dialer, world.s3.clone(), left)), leave)
    }

    async fn arrival(&mut self) -> Arrival {
        self.arrivals.recv().await.expect("the listener goes on")
    }

    /// Waits for the node and goes on with the session.
    async fn accept(&mut self) -> Wire {
        let wire = self.arrival().await.welcome(self.welcome.clone());
        self.link.reconnected();
        wire
    }

    /// Begins another session: of the one before, nothing is known.
    fn forget(&mut self) {
        self.welcome.session.0 += 1;
        (self.link, self.told) = (Link::default(), Told::default());
    }

    fn order(&mut self, order: Order) {
        self.link.push(order, 1_000);
    }

    /// Talks until so many attempts are answered, or the connection ends.
    async fn talk(&mut self, wire: &mut Wire, network: Network, answers: usize) -> End {
        let (mut up, mut down) = (VecDeque::new(), VecDeque::new());
        let mut ticks = interval(Duration::from_millis(5));
        loop {
            tokio::select! {
                message = wire.incoming.next() => match message {
                    Some(FromNode::Frame(frame)) => up.push_back(frame),
                    Some(FromNode::Goodbye) => return End::Goodbye,
                    Some(FromNode::Hello(_)) => panic!("one Hello is enough"),
                    None => return End::Broken,
                },
                _ = ticks.tick() => {}
            }
            if network == Network::Unkind && rand::random_ratio(1, 150) {
                return End::Broken;
            }
            let now_ms = self.started.elapsed().as_millis() as u64;
            down.extend(self.link.frame(now_ms));
            while let Some(frame) = carry(&mut down, network) {
                if wire.outgoing.send(ToNode::Frame(frame)).await.is_err() {
                    return End::Broken;
                }
            }
            while let Some(frame) = carry(&mut up, network) {
                for report in self.link.accept::<Report>(frame, now_ms) {
                    self.told.take(report);
                }
            }
            if self.told.answers.len() >= answers {
                return End::Answered;
            }
        }
    }
}

/// The next frame that arrives now.
fn carry<T: Clone>(way: &mut VecDeque<Frame<T>>, network: Network) -> Option<Frame<T>> {
    loop {
        let frame = way.pop_front()?;
        let luck: u32 = if network == Network::Kind { 9 } else { rand::random_range(0..10) };
        match luck {
            0 | 1 => {}
            2 | 3 => {
                way.push_back(frame.clone());
                return Some(frame);
            }
            4 | 5 => {
                way.push_back(frame);
                return None;
            }
            _ => return Some(frame),
        }
    }
}

#[tokio::test]
async fn attempts_are_answered_once_whatever_the_network_does() {
    let world = World::new().await;
    let mut coordinator = Coordinator::new().await;
    let (node, leave) = coordinator.node(&world);
    for first in (1..=60).step_by(5) {
        coordinator.order(world.grant(first..first + 5));
    }
    coordinator.order(Order::Revoke(vec![id(58), id(59), id(60)]));
    let mut wire = coordinator.accept().await;
    // Unkind only so often: the node waits longer each time before it dials again.
    let mut breaks = 0;
    loop {
        let network = if breaks < 4 { Network::Unkind } else { Network::Kind };
        match coordinator.talk(&mut wire, network, 60).await {
            End::Answered => break,
            End::Broken => breaks += 1,
            End::Goodbye => panic!("nobody asked it to leave"),
        }
        drop(wire);
        wire = coordinator.accept().await;
    }
    assert!(coordinator.told.parts(How::Failed).is_empty());
    assert_eq!(coordinator.told.parts(How::Done).len() + coordinator.told.parts(How::Returned).len(), 60);
    assert_eq!(
        world.twin.requests()["UploadPart"] as usize,
        world.uploaded().len(),
        "no part was made twice"
    );

    leave.send(Instant::now() + LONG).unwrap();
    assert_eq!(coordinator.talk(&mut wire, Network::Kind, usize::MAX).await, End::Goodbye);
    node.await.unwrap().unwrap();
}

#[tokio::test]
async fn work_goes_on_while_the_connection_is_lost() {
    let world = World::new().await;
    let mut coordinator = Coordinator::new().await;
    let (_node, _leave) = coordinator.node(&world);
    coordinator.order(world.grant(1..=20));
    let mut wire = coordinator.accept().await;
    coordinator.talk(&mut wire, Network::Kind, 1).await;
    drop(wire);
    requests(&world, Op::UploadPart, 20).await;
    let arrival = coordinator.arrival().await;
    assert_eq!(arrival.hello.resume, Some(SessionId(1)));
    let mut wire = arrival.welcome(coordinator.welcome.clone());
    coordinator.link.reconnected();
    assert_eq!(coordinator.talk(&mut wire, Network::Kind, 20).await, End::Answered);
    assert_eq!(coordinator.told.parts(How::Done).len(), 20);
}

#[tokio::test]
async fn a_node_that_was_forgotten_drops_all_and_begins_anew() {
    let world = World::new().await;
    let mut coordinator = Coordinator::new().await;
    let (_node, _leave) = coordinator.node(&world);
    world.slow_reads(LONG);
    coordinator.order(world.grant(1..=20));
    let mut wire = coordinator.accept().await;
    let stuck = requests(&world, Op::GetObject, 4);
    tokio::select! {
        () = stuck => {}
        end = coordinator.talk(&mut wire, Network::Kind, 1) => panic!("{end:?}"),
    }
    coordinator.forget();
    world.slow_reads(Duration::ZERO);
    drop(wire);
    let arrival = coordinator.arrival().await;
    assert_eq!(arrival.hello.resume, Some(SessionId(1)));
    let mut wire = arrival.welcome(coordinator.welcome.clone());
    // The same attempts again: they are neither known nor answered on behalf of the other session.
    coordinator.order(world.grant(1..=20));
    assert_eq!(coordinator.talk(&mut wire, Network::Kind, 20).await, End::Answered);
    assert_eq!(coordinator.told.parts(How::Done).len(), 20);
}

#[tokio::test]
async fn a_coordinator_that_falls_silent_is_dialled_anew_without_the_old_work() {
    let world = World::new().await;
    world.slow_reads(LONG);
    let mut coordinator = Coordinator::new().await;
    coordinator.welcome.silence_ms = 300;
    let (_node, _leave) = coordinator.node(&world);
    coordinator.order(world.grant(1..=5));
    let wire = coordinator.accept().await;
    let frame = coordinator.link.frame(0).expect("there is an order");
    wire.outgoing.send(ToNode::Frame(frame)).await.unwrap();
    // The connection stays open, and nothing comes. Perhaps it asks for the session once more.
    let mut arrival = coordinator.arrival().await;
    while arrival.hello.resume.is_some() {
        arrival.turn_away("not now");
        arrival = coordinator.arrival().await;
    }
    coordinator.forget();
    coordinator.welcome.silence_ms = 60_000;
    let mut wire = arrival.welcome(coordinator.welcome.clone());
    world.slow_reads(Duration::ZERO);
    coordinator.order(world.grant(1..=5));
    assert_eq!(coordinator.talk(&mut wire, Network::Kind, 5).await, End::Answered);
    assert_eq!(coordinator.told.parts(How::Done).len(), 5);
}

#[tokio::test]
async fn leaving_hands_back_what_has_not_begun_and_says_goodbye() {
    let world = World::new().await;
    world.slow_reads(Duration::from_millis(200));
    let mut coordinator = Coordinator::new().await;
    let (node, leave) = coordinator.node(&world);
    coordinator.order(world.grant(1..=30));
    let mut wire = coordinator.accept().await;
    let begun = requests(&world, Op::GetObject, 4);
    tokio::select! {
        () = begun => {}
        end = coordinator.talk(&mut wire, Network::Kind, 30) => panic!("{end:?}"),
    }
    leave.send(Instant::now() + LONG).unwrap();
    assert_eq!(coordinator.talk(&mut wire, Network::Kind, usize::MAX).await, End::Goodbye);
    node.await.unwrap().unwrap();
    let done = coordinator.told.parts(How::Done);
    assert_eq!((world.uploaded(), coordinator.told.answers.len()), (done.clone(), 30));
    assert!((4..30).contains(&done.len()), "{done:?}");
    assert!(coordinator.told.vitals.last().unwrap().is_draining);
}

#[tokio::test]
async fn leaving_does_not_wait_for_a_coordinator_that_is_gone() {
    let world = World::new().await;
    world.slow_reads(LONG);
    let mut coordinator = Coordinator::new().await;
    let (node, leave) = coordinator.node(&world);
    coordinator.order(world.grant(1..=5));
    let wire = coordinator.accept().await;
    let frame = coordinator.link.frame(0).expect("there is an order");
    wire.outgoing.send(ToNode::Frame(frame)).await.unwrap();
    requests(&world, Op::GetObject, 4).await;
    drop(wire);
    leave.send(Instant::now()).unwrap();
    assert!(matches!(node.await.unwrap(), Err(RunError::Unheard)));

    let nobody = Coordinator::new().await;
    let (node, leave) = nobody.node(&world);
    leave.send(Instant::now() + LONG).unwrap();
    node.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refusal_does_not_end_the_node() {
    let world = World::new().await;
    let mut coordinator = Coordinator::new().await;
    let (node, leave) = coordinator.node(&world);
    coordinator.arrival().await.refuse("there is a node of that name");
    assert!(timeout(Duration::from_millis(200), coordinator.arrival()).await.is_err(), "it takes its time");
    assert!(!node.is_finished());
    leave.send(Instant::now() + LONG).unwrap();
    node.await.unwrap().unwrap();
}
