//! The whole fleet in one process: a coordinator and its nodes, joined by channels.

use coordinator::machine::Settings;
use coordinator_server::{Coordinator, Session};
use node_agent::NodeConfig;
use proto::failure::Failure;
use proto_s3::S3;
use tokio::task::JoinSet;

use crate::args::ResourceArgs;
use crate::failures::internal;
use crate::network::bytes_per_second;

/// A coordinator with its nodes.
pub(crate) struct Fleet {
    pub(crate) coordinator: Coordinator,
    nodes: JoinSet<()>,
}

impl Fleet {
    /// Starts a coordinator and `nodes` nodes, each with these resources.
    pub(crate) async fn start(s3: &S3, nodes: usize, resources: ResourceArgs) -> Result<Self, Failure> {
        // Its one job begins to list at once; connections opened ahead would come with the first parts.
        let settings = Settings { warms: false, ..Settings::default() };
        let coordinator = Coordinator::start(s3.clone(), settings, None).await.map_err(internal)?;
        let network_bytes_per_second = bytes_per_second(s3, resources.bandwidth).await;
        let mut running = JoinSet::new();
        for number in 1..=nodes {
            let config = NodeConfig {
                name: format!("node-{number}"),
                memory_bytes: resources.memory,
                concurrency: resources.concurrency,
                network_bytes_per_second,
                keep_warm: 0,
            };
            let Session { orders, reports } = coordinator.connect(config.hello());
            let mut node = node_agent::start(config, s3.clone(), orders, reports).await.map_err(internal)?;
            running.spawn(async move { node.ended().await });
        }
        Ok(Self { coordinator, nodes: running })
    }

    /// Waits until no node is left, which does not happen before the fleet is dropped, unless by a defect.
    pub(crate) async fn all_nodes_ended(&mut self) {
        while self.nodes.join_next().await.is_some() {}
    }
}
