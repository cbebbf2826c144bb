//! A coordinator as a process of its own: it recovers, listens to nodes and callers, and stops cleanly.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use coordinator::machine::Settings;
use proto::failure::Failure;
use proto::limits::{LATE_SWEEP_MS, SESSION_QUEUE_MESSAGES};
use proto::listing::SourceObject;
use proto_s3::S3;
use proto_session::{BindError, Caps, Listener, ServerTls, Tls};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::api::{Api, target_of};
use crate::callback::Records;
use crate::handle::Coordinator;
use crate::journal::{Journal, Recovered, Unswept};
use crate::metrics::emf;
use crate::sessions::Sessions;
use crate::spool::Spools;
use crate::state::StateLocation;
use crate::tokens::Tokens;
use crate::{api, http};

/// What a coordinator is run with.
#[derive(Debug)]
pub struct ServeOptions {
    /// Where it listens to nodes.
    pub listen: SocketAddr,
    /// Certificates; `None` lets anyone join who reaches `listen`.
    pub tls: Option<Tls>,
    /// Whether `listen` may be more than a loopback address without TLS.
    pub allow_plaintext: bool,
    /// The job API.
    pub api: ApiOptions,
    /// Where it keeps what must outlive it; no other coordinator may use it.
    pub state: StateLocation,
    /// Most nodes at a time.
    pub nodes_max: usize,
    /// How it schedules, and how many jobs it takes.
    pub settings: Settings,
    /// How long its jobs may take to end when it is told to stop.
    pub stop_within: Duration,
    /// CloudWatch's namespace for metrics on standard output, a line each minute; `None` for none.
    pub emf: Option<String>,
}

/// What the job API is run with.
#[derive(Debug)]
pub struct ApiOptions {
    /// Where it listens: a loopback address, unless there are both certificate and tokens.
    pub listen: SocketAddr,
    /// Its certificate; without one it speaks plain HTTP.
    pub tls: Option<ServerTls>,
    /// Whom to let in; without them everybody.
    pub tokens: Option<Tokens>,
    /// What callbacks of callers without tokens are signed with.
    pub callback_key: Option<Arc<[u8]>>,
}

/// A coordinator that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where it listens to nodes.
    pub nodes: SocketAddr,
    /// Where the job API listens.
    pub api: SocketAddr,
    /// What the coordinator before it left.
    pub recovered: Recovered,
}

/// Why a coordinator did not run, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Others reach the job API, and are not asked who they are, or can be overheard.
    #[error(
        "the job API listens on {0}, which others reach, only with both a certificate and tokens: give --api-cert, --api-key and --tokens, or listen on 127.0.0.1"
    )]
    ApiExposed(SocketAddr),
    /// It cannot listen to nodes.
    #[error(transparent)]
    Nodes(#[from] BindError),
    /// It cannot listen to callers.
    #[error("the job API cannot listen on {addr}: {error}")]
    Api {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// Its state cannot be read.
    #[error(transparent)]
    State(Failure),
    /// It failed; to be started again, and reported.
    #[error("the coordinator failed: {0}; start it again, and report this")]
    Failed(String),
    /// Some jobs had not ended in time.
    #[error(
        "stopped before all jobs had ended; the next coordinator with its state at {0} removes what they uploaded"
    )]
    StoppedLate(StateLocation),
}

/// Runs a coordinator until `stop`; then takes no more jobs, cancels those there are and waits until nothing of
/// them is left. Tells `ready` when nodes and callers may come.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(
    options: ServeOptions,
    s3: S3,
    ready: impl FnOnce(Ready),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let ServeOptions { listen, tls, allow_plaintext, api, state, nodes_max, settings, stop_within, emf } =
        options;
    let mut stop = pin!(stop);
    let of_nodes = tls.as_ref().map(Tls::valid_until_s);
    let valid_until_s = of_nodes.into_iter().chain(api.tls.as_ref().map(ServerTls::valid_until_s)).min();
    let ApiOptions { listen: api, tls: api_tls, tokens, callback_key } = api;
    if !api.ip().is_loopback() && (api_tls.is_none() || tokens.is_none()) {
        return Err(ServeError::ApiExposed(api));
    }
    // A node that comes back may find its former connection still there.
    let caps = Caps { greeted: nodes_max.saturating_mul(2), ..Caps::default() };
    // Both addresses first: a second coordinator, started by mistake, must not get as far as to remove what the
    // first one is making.
    let listener = Listener::bind(listen, tls, allow_plaintext, caps)?;
    let refused = |error| ServeError::Api { addr: api, error };
    let api_listener = TcpListener::bind(api).await.map_err(refused)?;
    let api = api_listener.local_addr().map_err(refused)?;
    let nodes = listener.local_addr().map_err(|error| BindError::Refused { addr: listen, error })?;

    let journal = Journal::new(s3.clone(), state.clone());
    let records = Records::new(s3.clone(), state.clone());
    let (recovered, unswept, owed) = tokio::select! {
        recovered = recover(&journal, &records) => recovered.map_err(ServeError::State)?,
        () = &mut stop => return Ok(()),
    };
    // As long as this runs: what it has not come to is for the next one.
    let mut sweeping = JoinSet::new();
    sweeping.spawn({
        let journal = journal.clone();
        async move { journal.sweep_late(unswept, Duration::from_millis(LATE_SWEEP_MS)).await }
    });
    let failed = |error: ractor::SpawnErr| ServeError::Failed(error.to_string());
    let coordinator = Coordinator::start(s3.clone(), settings, Some(journal)).await.map_err(failed)?;
    let (arrive, arrivals) = mpsc::channel(SESSION_QUEUE_MESSAGES);
    let sessions = Sessions::start(coordinator.clone(), nodes_max, arrivals).await.map_err(failed)?;
    let (close, closed) = oneshot::channel::<()>();
    let mut listening = pin!(listener.serve(arrive, async {
        // Nothing is ever sent through it.
        let _ = closed.await;
    }));
    let tokens = tokens.map(Arc::new);
    let target = {
        let (tokens, key) = (tokens.clone(), callback_key.clone());
        move |owner: Option<&str>, url: &str| target_of(owner, url, tokens.as_deref(), key.as_ref())
    };
    // What is not delivered when this ends stays for the next one.
    let _telling = coordinator.callbacks().tell_left(owed, target);
    let spools = Spools::new(s3.clone(), state.clone());
    let callers = Api::new(coordinator.clone(), s3, spools, tokens.clone(), callback_key);
    ready(Ready { nodes, api, recovered });

    let ended = tokio::select! {
        biased;
        has_stopped = async {
            stop.await;
            // It may be late only because it still tells how its jobs ended, or writes their reports.
            timeout(stop_within, coordinator.stop()).await.is_ok() || coordinator.is_settled().await
        } => if has_stopped { Ok(()) } else { Err(ServeError::StoppedLate(state)) },
        () = coordinator.ended() => Err(ServeError::Failed("its actor ended".to_owned())),
        () = tell_metrics(&coordinator, emf.as_deref(), valid_until_s) => Err(ServeError::Failed("its actor ended".to_owned())),
        () = keep_fresh(tokens.as_deref()) => Err(ServeError::Failed("it no longer looks at its tokens".to_owned())),
        () = sessions.ended() => Err(ServeError::Failed("the actor of its sessions ended".to_owned())),
        () = &mut listening => Err(ServeError::Failed("it no longer listens to nodes".to_owned())),
        () = http::serve(api_listener, api_tls, api::router(callers)) => {
            Err(ServeError::Failed("it no longer listens to callers".to_owned()))
        }
    };
    // What has not ended by now is for the next one to clean up.
    coordinator.kill();
    drop((sessions, close));
    if ended.is_ok() {
        listening.await;
    }
    ended
}

/// Mends what a coordinator before this one left, and finds the callbacks that it owed.
async fn recover(
    journal: &Journal,
    records: &Records,
) -> Result<(Recovered, Unswept, Vec<SourceObject>), Failure> {
    let (mut recovered, unswept) = journal.recover().await?;
    let (owed, warning) = records.left().await;
    recovered.warnings.extend(warning);
    Ok((recovered, unswept, owed))
}

/// Ends only when the coordinator is gone.
async fn tell_metrics(coordinator: &Coordinator, namespace: Option<&str>, valid_until_s: Option<u64>) {
    let Some(namespace) = namespace else { return pending().await };
    // Fails only so.
    let _ = emf::tell(coordinator, namespace, valid_until_s).await;
}

async fn keep_fresh(tokens: Option<&Tokens>) {
    match tokens {
        Some(tokens) => tokens.keep_fresh().await,
        None => pending().await,
    }
}
