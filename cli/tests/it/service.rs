//! A coordinator with a journal and two nodes in this process, for what callers get that the program itself does not
//! ask for.

use coordinator::machine::Settings;
use coordinator_server::{Coordinator, JobRequest, Journal, Session, StateLocation};
use node_agent::NodeConfig;
use proto::job::{JobId, JobSpec, Outcome, Summary};
use proto::location::{Location, Source};
use proto_s3::{Keys, Options, S3};
use tokio::runtime::Runtime;

use crate::support::World;

/// Where it keeps its state.
pub(crate) const STATE: &str = "state";

pub(crate) struct Service {
    pub(crate) coordinator: Coordinator,
    pub(crate) runtime: Runtime,
    pub(crate) world: World,
    pub(crate) s3: S3,
}

impl Service {
    pub(crate) fn start() -> Self {
        let world = World::new();
        world.twin.create_bucket(STATE);
        let runtime = Runtime::new().expect("a runtime");
        let keys = Keys { access_key_id: "zipfleet".into(), secret_access_key: "zipfleet-secret".into() };
        let options = Options {
            endpoint_url: Some(world.endpoint.clone()),
            region: Some("us-east-1".into()),
            keys: Some(keys),
            ..Options::default()
        };
        let (s3, coordinator) = runtime.block_on(async {
            let s3 = S3::connect(&options).await.expect("the endpoint is a URL");
            let state = StateLocation { bucket: STATE.into(), prefix: "here/".into() };
            let journal = Journal::new(s3.clone(), state);
            let coordinator = Coordinator::start(s3.clone(), Settings::default(), Some(journal)).await;
            (s3, coordinator.expect("actors can be started"))
        });
        let service = Self { coordinator, runtime, world, s3 };
        service.runtime.block_on(async {
            for name in ["one", "two"] {
                let config = NodeConfig {
                    name: name.into(),
                    memory_bytes: 128 << 20,
                    concurrency: 16,
                    network_bytes_per_second: 1 << 30,
                    keep_warm: 0,
                };
                let Session { orders, reports } = service.coordinator.connect(config.hello());
                let node = node_agent::start(config, service.s3.clone(), orders, reports).await;
                let mut node = node.expect("actors can be started");
                tokio::spawn(async move { node.ended().await });
            }
        });
        service
    }

    /// Has a job run to its end.
    pub(crate) fn run(&self, request: JobRequest) -> (JobId, Outcome) {
        self.runtime.block_on(async {
            let id = self.coordinator.request(request).await.expect("it makes sense").id;
            let mut watched = self.coordinator.watch(id).await.expect("it runs").expect("it is known");
            let ended = watched.wait_for(|sight| sight.view.outcome.is_some()).await.expect("it ends");
            (id, ended.view.outcome.clone().expect("it was just there"))
        })
    }

    /// Has a job of this source run to its good end.
    pub(crate) fn completes(&self, source: Source) -> (JobId, Summary) {
        match self.run(JobRequest::new(spec(source))) {
            (id, Outcome::Completed(summary)) => (id, summary),
            (_, failed) => panic!("{failed:?}"),
        }
    }

    /// Stops it, and waits for whatever is still to be done.
    pub(crate) fn stop(&self) {
        self.runtime.block_on(self.coordinator.stop());
    }
}

/// A job that makes `s3://out/a.zip`.
pub(crate) fn spec(source: Source) -> JobSpec {
    let spec = JobSpec::new(vec![source], Location { bucket: "out".into(), key: "a.zip".into() });
    JobSpec { part_bytes: Some(5 << 20), ..spec }
}
