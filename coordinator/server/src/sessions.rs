//! The nodes' sessions: who may begin one, and what becomes of those whose actor has ended.

use std::collections::BTreeMap;

use proto::session::SessionId;
use proto_session::Arrival;
use ractor::{Actor, ActorProcessingErr, ActorRef, MessagingErr, SpawnErr, SupervisionEvent};
use tokio::sync::mpsc;

use crate::handle::Coordinator;
use crate::session::{self, SessionActor};

/// All sessions of a coordinator; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Sessions {
    actor: ActorRef<Message>,
}

impl Sessions {
    /// Lets in whoever arrives, at most `nodes_max` nodes at a time.
    pub(crate) async fn start(
        coordinator: Coordinator,
        nodes_max: usize,
        mut arrivals: mpsc::Receiver<Arrival>,
    ) -> Result<Self, SpawnErr> {
        let (actor, _) = Actor::spawn(None, SessionsActor, (coordinator, nodes_max)).await?;
        let door = actor.clone();
        tokio::spawn(async move {
            // Those that wait are bounded: each is a connection, of which there are only so many.
            while let Some(arrival) = arrivals.recv().await
                && door.cast(Message::Arrived(arrival)).is_ok()
            {}
        });
        Ok(Self { actor })
    }

    /// Waits until they have ended, which does not happen before this is dropped, unless by a defect.
    pub(crate) async fn ended(&self) {
        // Without a limit there is none to be exceeded.
        let _ = self.actor.wait(None).await;
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.actor.stop(None);
    }
}

pub(crate) enum Message {
    Arrived(Arrival),
    /// This session has ended in favour of another of the same name.
    Vacated(SessionId, Arrival),
}

struct SessionsActor;

struct State {
    coordinator: Coordinator,
    nodes_max: usize,
    /// By the names of their nodes.
    sessions: BTreeMap<String, (SessionId, ActorRef<session::Message>)>,
}

impl Actor for SessionsActor {
    type Msg = Message;
    type State = State;
    type Arguments = (Coordinator, usize);

    async fn pre_start(
        &self,
        _: ActorRef<Message>,
        (coordinator, nodes_max): (Coordinator, usize),
    ) -> Result<State, ActorProcessingErr> {
        Ok(State { coordinator, nodes_max, sessions: BTreeMap::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let arrival = match message {
            Message::Arrived(arrival) => arrival,
            Message::Vacated(former, arrival) => {
                state.sessions.retain(|_, (id, _)| *id != former);
                arrival
            }
        };
        let Some(arrival) = state.hand_to_session(arrival) else { return Ok(()) };
        if state.sessions.len() >= state.nodes_max {
            let nodes_max = state.nodes_max;
            arrival.turn_away(format!(
                "this coordinator takes {nodes_max} nodes, and has them: raise --nodes-max there"
            ));
            return Ok(());
        }
        state.begin(arrival, myself).await;
        Ok(())
    }

    /// One session's end concerns its node alone. What it held goes with it, so the coordinator learns that the
    /// node is lost.
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, error) = &event {
            tracing::error!(%error, "a session failed; its node has to begin another");
        }
        if let SupervisionEvent::ActorFailed(ended, _) | SupervisionEvent::ActorTerminated(ended, ..) = event
        {
            state.sessions.retain(|_, (_, actor)| actor.get_id() != ended.get_id());
        }
        Ok(())
    }
}

impl State {
    /// Leaves an arrival to the session of its name to decide on; gives it back if there is none.
    fn hand_to_session(&mut self, arrival: Arrival) -> Option<Arrival> {
        let Some((_, session)) = self.sessions.get(&arrival.hello.name) else { return Some(arrival) };
        match session.cast(session::Message::Claimed(Box::new(arrival))) {
            Err(MessagingErr::SendErr(session::Message::Claimed(arrival))) => {
                self.sessions.remove(&arrival.hello.name);
                Some(*arrival)
            }
            _ => None,
        }
    }

    async fn begin(&mut self, arrival: Arrival, myself: ActorRef<Message>) {
        let id = SessionId(rand::random());
        let name = arrival.hello.name.clone();
        let start =
            session::Start { id, arrival, coordinator: self.coordinator.clone(), sessions: myself.clone() };
        match Actor::spawn_linked(None, SessionActor, start, myself.get_cell()).await {
            Ok((session, _)) => {
                self.sessions.insert(name, (id, session));
            }
            // The node's connection went with it; it will dial again.
            Err(error) => tracing::error!(node = name, %error, "a session could not begin"),
        }
    }
}
