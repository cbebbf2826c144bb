//! The door between nodes and their coordinator: gRPC sessions, with mutual TLS.
//!
//! A node [`dial`]s; the coordinator's [`Listener`] hands over an [`Arrival`] for every valid Hello, and the
//! coordinator welcomes or refuses it. From then on both hold a [`Connection`]: a bounded way out, and messages
//! that are pulled in, so that a side that is behind slows the other down rather than growing.
//!
//! Whoever has not yet said a valid Hello is taken for hostile: it has little time, may send little, and holds up
//! nobody else.

mod codec;
mod connection;
mod crew;
mod dial;
mod error;
mod gate;
mod greet;
mod listen;
mod metered;
mod secret;
mod server;
mod taken;
mod tls;
mod version;

pub use connection::{Connection, Incoming};
pub use dial::{Dialer, dial};
pub use error::{BindError, DialError, TlsError};
pub use greet::Arrival;
pub use listen::{Caps, Listener};
pub use secret::read_secret;
pub use server::{ServerTls, without_stall};
pub use taken::Taken;
pub use tls::{Identity, Tls, TlsFiles};

/// The gRPC method that a session is: a stream of messages each way.
const METHOD: &str = "/zipfleet.Session/Exchange";
