//! The scheduler: which node gets the next part.

use std::collections::BTreeMap;

use proto::batch::AttemptId;
use proto::session::Hello;

/// Names one connected node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// A node as the scheduler sees it.
#[derive(Debug)]
struct Node {
    name: String,
    window_bytes: u64,
    /// Attempts it has been granted and has not answered, with what their parts cost it.
    granted: BTreeMap<AttemptId, u64>,
    granted_bytes: u64,
}

/// The nodes and what each is busy with.
#[derive(Debug, Default)]
pub struct Scheduler {
    nodes: BTreeMap<NodeId, Node>,
}

impl Scheduler {
    /// Welcomes a node.
    pub fn join(&mut self, node: NodeId, hello: &Hello) {
        let state = Node {
            name: hello.name.clone(),
            window_bytes: hello.body_budget_bytes,
            granted: BTreeMap::new(),
            granted_bytes: 0,
        };
        self.nodes.insert(node, state);
    }

    /// Forgets a node; returns what it had not answered.
    pub fn leave(&mut self, node: NodeId) -> Vec<AttemptId> {
        self.nodes.remove(&node).map_or_else(Vec::new, |node| node.granted.into_keys().collect())
    }

    /// Notes that the node has answered an attempt; `false` when it did not have it.
    pub fn settle(&mut self, node: NodeId, attempt: AttemptId) -> bool {
        let Some(node) = self.nodes.get_mut(&node) else { return false };
        let size = node.granted.remove(&attempt);
        node.granted_bytes -= size.unwrap_or(0);
        size.is_some()
    }

    /// The node to be given a part that costs `bytes` bytes: the one with most room among those that have room
    /// for it. A node with nothing to do has room for any part.
    #[must_use]
    pub fn place(&self, bytes: u64) -> Option<NodeId> {
        let fits = |node: &&Node| node.granted_bytes + bytes <= node.window_bytes || node.granted.is_empty();
        self.nodes
            .iter()
            .filter(|(_, node)| node.window_bytes > 0 && fits(node))
            .max_by_key(|(_, node)| node.window_bytes.saturating_sub(node.granted_bytes))
            .map(|(id, _)| *id)
    }

    /// Notes that the node was granted an attempt at a part that costs `bytes` bytes.
    ///
    /// # Panics
    /// When there is no such node: only what [`Scheduler::place`] answered may be granted to.
    pub fn grant(&mut self, node: NodeId, attempt: AttemptId, bytes: u64) {
        let node = self.nodes.get_mut(&node).expect("parts are granted to nodes that joined");
        node.granted.insert(attempt, bytes);
        node.granted_bytes += bytes;
    }

    /// The nodes that have not yet answered attempts chosen by `of`.
    pub fn busy_with(&self, of: impl Fn(&AttemptId) -> bool) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().filter(move |(_, node)| node.granted.keys().any(&of)).map(|(id, _)| *id)
    }

    /// The name a node gave itself.
    #[must_use]
    pub fn name(&self, node: NodeId) -> &str {
        self.nodes.get(&node).map_or("", |node| &node.name)
    }

    /// The smallest window of all nodes, in bytes: what every part must fit.
    #[must_use]
    pub fn smallest_window(&self) -> Option<u64> {
        self.nodes.values().map(|node| node.window_bytes).min()
    }
}
