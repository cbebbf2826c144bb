//! Why there is no session, as sentences.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file holds nothing of the kind it was named for.
    #[error("{} holds no {expected} in PEM", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// A file holds PEM whose contents are of no use.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate is not valid now.
    #[error("the certificate in {} is valid from {from} to {until}: issue a new one, or set the clock", path.display())]
    NotValidNow {
        /// The file.
        path: PathBuf,
        /// Its first moment.
        from: String,
        /// Its last moment.
        until: String,
    },
    /// The key is another certificate's.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), cert.display())]
    Mismatch {
        /// The file with the key.
        key: PathBuf,
        /// The file with the certificate.
        cert: PathBuf,
    },
}

/// Why a coordinator cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Anyone on the network could join the fleet.
    #[error(
        "refuses to listen on {0} without TLS, because anyone who reaches it could join: \
         name certificates, listen on 127.0.0.1, or allow plaintext in so many words"
    )]
    Unprotected(SocketAddr),
    /// The system says no.
    #[error("cannot listen on {addr}: {error}")]
    Refused {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
}

/// Why a node has no session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The coordinator's answer is no, and will be no until something is changed: version, name, certificate.
    #[error("{0}")]
    Refused(String),
    /// The address is none.
    #[error("the coordinator's address \"{0}\" is not HOST:PORT")]
    Address(String),
    /// The coordinator cannot take this node in now.
    #[error("{0}")]
    TurnedAway(String),
    /// Nobody is reached at the address.
    #[error("cannot connect to {coordinator}: {reason}")]
    Unreachable {
        /// The address.
        coordinator: String,
        /// What the system says.
        reason: String,
    },
    /// The connection was made, but no session came of it.
    #[error("no session with {coordinator}: {reason}")]
    Failed {
        /// The address.
        coordinator: String,
        /// What went wrong.
        reason: String,
    },
}

impl DialError {
    /// Whether dialling again is of no use until a person has changed something.
    #[must_use]
    pub fn is_for_good(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Address(_))
    }
}
