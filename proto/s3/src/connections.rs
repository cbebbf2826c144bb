//! How many connections requests went out on.
//!
//! The HTTP client does not tell a new connection from one used before, but tells the addresses at its ends.
//! A connection is new when its addresses have not been seen. Linux walks through thousands of ports before it
//! gives one out again, by when it is forgotten here; where a port comes again sooner, its second connection is
//! not counted. Nor is a connection on which no request ever went out.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use proto::limits::NODE_CONCURRENCY_MAX;

/// How many connections are remembered at least: as many as can be open.
const REMEMBERED: usize = NODE_CONCURRENCY_MAX;

/// The connections seen, shared by all clones of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Mutex<Seen>>);

/// The addresses at both ends of a connection.
type Ends = (SocketAddr, Option<SocketAddr>);

#[derive(Debug, Default)]
struct Seen {
    opened: u64,
    recent: BTreeSet<Ends>,
    before: BTreeSet<Ends>,
}

impl Seen {
    fn saw(&mut self, ends: Ends) {
        if !self.recent.insert(ends) {
            return;
        }
        if !self.before.contains(&ends) {
            self.opened += 1;
        }
        if self.recent.len() >= REMEMBERED {
            self.before = std::mem::take(&mut self.recent);
        }
    }
}

impl Connections {
    /// How many were opened.
    pub(crate) fn opened(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).opened
    }
}

#[dyn_dispatch_hint]
impl Intercept for Connections {
    fn name(&self) -> &'static str {
        "Connections"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // The SDK itself asks for the connection, to close it after failures.
        if let Some(connection) = config.load::<CaptureSmithyConnection>().cloned() {
            config.interceptor_state().store_put(Sighting { connection, connections: self.clone() });
        }
        Ok(())
    }
}

/// A request on its way. It is dropped when answered, failed or cancelled, and then knows its connection.
#[derive(Debug)]
struct Sighting {
    connection: CaptureSmithyConnection,
    connections: Connections,
}

impl Storable for Sighting {
    type Storer = StoreReplace<Self>;
}

impl Drop for Sighting {
    fn drop(&mut self) {
        let Some(connection) = self.connection.get() else { return };
        let Some(local) = connection.local_addr() else { return };
        self.connections
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .saw((local, connection.remote_addr()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_connections_are_forgotten_and_used_ones_are_not() {
        let mut seen = Seen::default();
        let ends = |port: usize| (SocketAddr::from(([127, 0, 0, 1], port as u16)), None);
        for port in 1..=3 * REMEMBERED {
            seen.saw(ends(port));
            seen.saw(ends(1));
        }
        assert_eq!(seen.opened, 3 * REMEMBERED as u64);
        assert!(seen.recent.len() + seen.before.len() <= 2 * REMEMBERED);
        seen.saw(ends(2));
        assert_eq!(seen.opened, 3 * REMEMBERED as u64 + 1);
    }
}
