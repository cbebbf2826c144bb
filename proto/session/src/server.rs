//! Connections of callers who show no certificate: what the job API is served on.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proto::limits::HELLO_DEADLINE_MS;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::error::TlsError;
use crate::metered::{Meter, Metered};
use crate::tls::{certificates, check_validity, private_key};

/// A server's certificate.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    valid_until_s: u64,
}

// There is a key in it.
impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads a certificate, with those between it and its authority if any, and its private key.
    ///
    /// # Errors
    /// When a file cannot be read or used, in a sentence that names it.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(cert)?;
        let valid_until_s = check_validity(cert, &chain)?;
        let unusable = |error: rustls::Error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { key: key.to_owned(), cert: cert.to_owned() }
            }
            error => TlsError::Unusable { path: key.to_owned(), reason: error.to_string() },
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, private_key(key)?)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), valid_until_s })
    }

    /// When the first of its certificates runs out, in seconds since 1970.
    #[must_use]
    pub fn valid_until_s(&self) -> u64 {
        self.valid_until_s
    }

    /// Encrypts a connection. Takes at most the time in which a node has to greet.
    ///
    /// # Errors
    /// When the other side does not speak TLS, or too slowly.
    pub async fn accept(
        &self,
        socket: TcpStream,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static + use<>> {
        let accepted = TlsAcceptor::from(Arc::clone(&self.config)).accept(trusted(socket));
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "TLS took too long");
        timeout(Duration::from_millis(HELLO_DEADLINE_MS), accepted).await.map_err(late)?
    }
}

/// A connection that fails when the other side takes nothing for seconds of what is written to it.
pub fn without_stall(socket: TcpStream) -> impl AsyncRead + AsyncWrite + Send + Unpin + 'static {
    trusted(socket)
}

fn trusted(socket: TcpStream) -> Metered {
    let meter = Meter::default();
    meter.trust();
    Metered::new(socket, Arc::new(meter))
}
