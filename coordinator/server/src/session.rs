//! One node's session: an actor that outlives the connections the node makes.
//!
//! It ends, and its node is lost with it, when the node says goodbye, is replaced or is given up, and when the
//! actor fails.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use coordinator::machine::Event;
use coordinator::scheduler::NodeId;
use proto::limits::{HEARTBEAT_MS, ORDERS_PENDING_MAX, SILENCE_MS, SUSPECT_MS};
use proto::link::{ACKNOWLEDGE_MS, Link};
use proto::plan::PartWork;
use proto::session::{FromNode, Order, SessionId, ToNode, Welcome};
use proto_session::{Arrival, Connection, Incoming};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::AbortHandle;

use crate::handle::Coordinator;
use crate::member::{Member, Orders, ToSession};
use crate::pump::Handled;
use crate::sessions;

/// About how many bytes of a grant each body takes beside its literal bytes: key, ETag, pieces, slots.
const BODY_BYTES: usize = 300;
/// A little later than an acknowledgement is due.
const ACKNOWLEDGE: Duration = Duration::from_millis(ACKNOWLEDGE_MS + 5);
/// About how many bytes anything else that is listed in an order takes.
const ITEM_BYTES: usize = 100;

pub(crate) enum Message {
    /// A node of this name is at the door: this one, come back, or another.
    Claimed(Box<Arrival>),
    Order(Box<Order>),
    /// What was said on the connection of this number.
    Said(u64, FromNode, Handled),
    /// The connection of this number has ended.
    Ended(u64),
    /// The connection of this number takes more.
    HasRoom(u64),
    /// It has been long enough that something has not been acknowledged.
    Owes,
}

pub(crate) struct SessionActor;

pub(crate) struct Start {
    pub(crate) id: SessionId,
    pub(crate) arrival: Arrival,
    pub(crate) coordinator: Coordinator,
    pub(crate) sessions: ActorRef<sessions::Message>,
}

pub(crate) struct State {
    id: SessionId,
    name: String,
    coordinator: Coordinator,
    sessions: ActorRef<sessions::Message>,
    member: Member,
    /// Whether `Owes` is on its way.
    owes: bool,
    link: Link<Order>,
    /// How many connections there have been; the number of the present one, if there is one.
    connections: u64,
    connection: Option<Open>,
    started: Instant,
    heard: Instant,
}

/// The present connection.
struct Open {
    from: SocketAddr,
    outgoing: mpsc::Sender<ToNode>,
    waits_for_room: bool,
    reader: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Actor for SessionActor {
    type Msg = Message;
    type State = State;
    type Arguments = Start;

    async fn pre_start(&self, myself: ActorRef<Message>, start: Start) -> Result<State, ActorProcessingErr> {
        let Start { id, arrival, coordinator, sessions } = start;
        let hello = arrival.hello.clone();
        let name = hello.name.clone();
        let member = coordinator.join(NodeId(id.0), hello, Orders::There(ToSession(myself.clone())));
        let now = Instant::now();
        let mut state = State {
            id,
            name,
            coordinator,
            sessions,
            member,
            owes: false,
            link: Link::default(),
            connections: 0,
            connection: None,
            started: now,
            heard: now,
        };
        state.connect(arrival, &myself);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Claimed(arrival) => state.claimed(*arrival, &myself),
            Message::Order(order) => {
                let bytes = bytes_of(&order);
                state.link.push(*order, bytes);
                if state.link.unacknowledged() > ORDERS_PENDING_MAX {
                    tracing::warn!(node = state.name, "given up: it acknowledges no orders");
                    myself.stop(None);
                }
            }
            Message::Said(number, message, handled) if number == state.connections => {
                state.heard = Instant::now();
                state.said(message, handled, &myself);
            }
            Message::Ended(number) if number == state.connections => state.disconnected(),
            Message::HasRoom(number) if number == state.connections => {
                if let Some(open) = &mut state.connection {
                    open.waits_for_room = false;
                }
            }
            Message::Owes => state.owes = false,
            // Of a connection that another has replaced.
            Message::Said(..) | Message::Ended(_) | Message::HasRoom(_) => {}
        }
        state.send(&myself);
        Ok(())
    }
}

impl State {
    fn claimed(&mut self, arrival: Arrival, myself: &ActorRef<Message>) {
        if arrival.hello.resume == Some(self.id) {
            self.connect(arrival, myself);
            self.coordinator.tell(Event::NodeReconnected(NodeId(self.id.0)));
            return;
        }
        match &self.connection {
            Some(open) if self.heard.elapsed() < Duration::from_millis(SUSPECT_MS) => {
                let sentence = format!("a node named {} is connected already, from {}", self.name, open.from);
                // Not for good: a node that was just replaced may be about to be found dead.
                tracing::warn!(from = %arrival.peer, "turned away: {sentence}");
                arrival.turn_away(sentence);
            }
            _ => {
                // Fails only when the sessions are ended, and then this one is too.
                let _ = self.sessions.cast(sessions::Message::Vacated(self.id, arrival));
                myself.stop(None);
            }
        }
    }

    /// Takes up a connection, and drops the one there is.
    fn connect(&mut self, arrival: Arrival, myself: &ActorRef<Message>) {
        let from = arrival.peer;
        tracing::debug!(node = self.name, %from, "connected");
        let Connection { outgoing, incoming } = arrival.welcome(Welcome {
            session: self.id,
            heartbeat_ms: HEARTBEAT_MS as u32,
            silence_ms: SILENCE_MS as u32,
        });
        self.connections += 1;
        self.link.reconnected();
        self.heard = Instant::now();
        let reader = tokio::spawn(read(incoming, self.connections, myself.clone())).abort_handle();
        self.connection = Some(Open { from, outgoing, waits_for_room: false, reader });
    }

    fn disconnected(&mut self) {
        if self.connection.take().is_some() {
            tracing::debug!(node = self.name, "disconnected");
            self.coordinator.tell(Event::NodeDisconnected(NodeId(self.id.0)));
        }
    }

    /// Takes in what the node says; the next is read when `handled` has been dropped.
    fn said(&mut self, message: FromNode, handled: Handled, myself: &ActorRef<Message>) {
        match message {
            FromNode::Frame(frame) => {
                let reports = self.link.accept(frame, self.now_ms());
                if !reports.is_empty() && !self.member.report(reports, handled) {
                    // The coordinator is gone.
                    myself.stop(None);
                }
            }
            FromNode::Goodbye => {
                tracing::debug!(node = self.name, "goodbye");
                myself.stop(None);
            }
            FromNode::Hello(_) => {
                tracing::warn!(node = self.name, "disconnected, because it said hello twice");
                self.disconnected();
            }
        }
    }

    /// Sends what there is to say, as far as the connection takes it. Whatever a node says leads here, and it
    /// says something twice a second; so what has to be sent again is, without a timer.
    fn send(&mut self, myself: &ActorRef<Message>) {
        let (number, now_ms) = (self.connections, self.now_ms());
        let Some(open) = &mut self.connection else { return };
        loop {
            match open.outgoing.try_reserve() {
                Ok(permit) => match self.link.frame(now_ms) {
                    Some(frame) => permit.send(ToNode::Frame(frame)),
                    None => {
                        if self.link.owes_acknowledgement() && !std::mem::replace(&mut self.owes, true) {
                            myself.send_after(ACKNOWLEDGE, || Message::Owes);
                        }
                        break;
                    }
                },
                Err(TrySendError::Full(())) => {
                    if !std::mem::replace(&mut open.waits_for_room, true) {
                        tokio::spawn(wait_for_room(open.outgoing.clone(), number, myself.clone()));
                    }
                    break;
                }
                // Its reader will tell.
                Err(TrySendError::Closed(())) => break,
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

/// Hands on what the node says, the next only when what came before has been handled: so a node that says more
/// than can be handled is slowed down by its connection.
async fn read(mut incoming: Incoming<FromNode>, number: u64, actor: ActorRef<Message>) {
    while let Some(message) = incoming.next().await {
        let (handled, done) = tokio::sync::oneshot::channel();
        if actor.cast(Message::Said(number, message, handled)).is_err() {
            return;
        }
        // Nothing is ever sent through it.
        let _ = done.await;
    }
    // Fails only when the session has ended.
    let _ = actor.cast(Message::Ended(number));
}

async fn wait_for_room(outgoing: mpsc::Sender<ToNode>, number: u64, actor: ActorRef<Message>) {
    if outgoing.reserve().await.is_ok() {
        // As above.
        let _ = actor.cast(Message::HasRoom(number));
    }
}

/// About how long an order is on the wire, in bytes.
fn bytes_of(order: &Order) -> usize {
    let items = match order {
        Order::Grant(batch) => {
            return batch.assignments.iter().map(|assignment| bytes_of_work(&assignment.work)).sum();
        }
        Order::Revoke(attempts) => attempts.len(),
        Order::Cancel(_) => 1,
        Order::Drain => 0,
        Order::Warm(_, buckets) => buckets.len(),
        Order::Pace(paces) => paces.len(),
    };
    ITEM_BYTES * (items + 1)
}

fn bytes_of_work(work: &PartWork) -> usize {
    BODY_BYTES * (work.bodies.len() + 1) + work.literal_bytes() as usize
}

#[cfg(test)]
mod tests;
