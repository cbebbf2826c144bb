//! What a node may use.

use std::num::NonZeroUsize;

use proto::limits::body_budget_bytes;
use proto::session::Hello;

/// What a node may use.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its name, unique among a coordinator's nodes.
    pub name: String,
    /// Memory for part bodies and connections, in bytes.
    pub memory_bytes: u64,
    /// Most requests in flight at a time.
    pub concurrency: usize,
    /// Connections to S3 to keep open while there is nothing to do, 0 for none.
    pub keep_warm: usize,
}

impl NodeConfig {
    /// What the node says first.
    #[must_use]
    pub fn hello(&self) -> Hello {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Hello {
            name: self.name.clone(),
            resume: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cores: u32::try_from(cores).unwrap_or(u32::MAX),
            body_budget_bytes: self.body_budget_bytes(),
            network_bytes_per_second: 0,
        }
    }

    pub(crate) fn body_budget_bytes(&self) -> u64 {
        body_budget_bytes(self.memory_bytes, self.concurrency)
    }
}
