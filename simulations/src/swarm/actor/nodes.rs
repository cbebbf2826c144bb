//! Nodes at the coordinator's door: they come, come back, report and are given up.

use coordinator::machine::Event;
use coordinator::scheduler::NodeId;
use proto::link::{Frame, Link};
use proto::report::Report;
use proto::session::{Hello, SessionId};

use super::{Coordinator, host};
use crate::swarm::plant::Plant;
use crate::swarm::session::Session;
use crate::swarm::wish::Wish;
use crate::swarm::world::World;

impl Coordinator {
    pub(super) fn node_on(&self, connection: u64) -> Option<NodeId> {
        self.sessions
            .iter()
            .find(|(_, session)| session.connection == Some(connection))
            .map(|(node, _)| *node)
    }

    pub(super) fn dialled(
        &mut self,
        host: usize,
        connection: u64,
        hello: Hello,
        wishes: &mut [Wish],
        world: &mut World,
    ) {
        if self.machine.is_none() {
            return Self::answer(host, host::Alarm::Broken(connection), world);
        }
        if let Some(SessionId(session)) = hello.resume
            && let Some(session) = self.sessions.get_mut(&NodeId(session))
        {
            session.connection = Some(connection);
            session.link.reconnected();
            let node = NodeId(hello.resume.map_or(0, |session| session.0));
            Self::answer(host, host::Alarm::Welcomed(connection, node), world);
            return self.event(Event::NodeReconnected(node), wishes, world);
        }
        let before = self.sessions.iter().find(|(_, session)| session.host == host).map(|(node, _)| *node);
        if let Some(before) = before {
            self.lose(before, wishes, world);
        }
        self.last_session += 1;
        let node = NodeId(self.last_session);
        let body_budget_bytes = hello.body_budget_bytes;
        let session =
            Session { host, connection: Some(connection), link: Link::default(), body_budget_bytes };
        self.sessions.insert(node, session);
        Self::answer(host, host::Alarm::Welcomed(connection, node), world);
        self.event(Event::NodeJoined(node, hello), wishes, world);
    }

    pub(super) fn give_up(&mut self, node: NodeId, world: &mut World) {
        world.over.insert(node);
        world.nodes_lost += 1;
        let session = self.sessions.remove(&node);
        if let Some((host, connection)) =
            session.and_then(|session| Some((session.host, session.connection?)))
        {
            Self::answer(host, host::Alarm::Broken(connection), world);
        }
    }

    pub(super) fn lose(&mut self, node: NodeId, wishes: &mut [Wish], world: &mut World) {
        self.give_up(node, world);
        self.event(Event::NodeLost(node), wishes, world);
    }

    pub(super) fn reported(
        &mut self,
        host: usize,
        connection: u64,
        frame: Frame<Report>,
        wishes: &mut [Wish],
        world: &mut World,
    ) {
        let Some(node) = self.node_on(connection) else {
            return Self::answer(host, host::Alarm::Broken(connection), world);
        };
        let Some(session) = self.sessions.get_mut(&node) else { return };
        for report in session.link.accept(frame, world.now_ms()) {
            let has_answers =
                !(report.done.is_empty() && report.failed.is_empty() && report.returned.is_empty());
            if has_answers && world.plants(Plant::LostReport) {
                continue;
            }
            let is_repeated = has_answers && world.plants(Plant::RepeatedReport);
            let again = is_repeated.then(|| report.clone());
            self.event(Event::Reported(node, report), wishes, world);
            if let Some(report) = again {
                self.event(Event::Reported(node, report), wishes, world);
            }
        }
    }

    pub(super) fn keep_lost_nodes(&mut self, wishes: &mut [Wish], world: &mut World) {
        let gone = self.sessions.iter().filter(|(_, session)| session.connection.is_none());
        let gone: Vec<NodeId> = gone.map(|(node, _)| *node).collect();
        for node in gone {
            if world.plants(Plant::LostNodeKept) {
                self.event(Event::Reported(node, Report::default()), wishes, world);
            }
        }
    }
}
