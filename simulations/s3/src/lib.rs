//! The S3 twin: S3 on the wire, in memory.
//!
//! A [`Twin`] is a whole S3, as strict as the real one where a client can tell, that answers HTTP on a socket of
//! this machine. Objects are [`Rope`]s, so sources of any size and archives made of them cost next to nothing.
//! [`Fault`]s make it fail, a [`Model`] makes it slow, for one [`Client`] a throttle does, a [`Denial`] makes it
//! refuse.
//!
//! ```no_run
//! # async fn demo() -> std::io::Result<()> {
//! use simulations_s3::{Rope, Twin, TwinOptions};
//!
//! let twin = Twin::new(TwinOptions::default());
//! twin.put("sources", "large.bin", Rope::synthetic(1, 20_000_000_000));
//! let server = twin.serve(tokio::net::TcpListener::bind("127.0.0.1:0").await?)?;
//! println!("{}", server.endpoint());
//! # Ok(())
//! # }
//! ```
//!
//! The modules import only leftwards: content → store → behaviour → twin → ops → wire.

mod behaviour;
mod content;
mod op;
mod ops;
mod populate;
mod store;
mod twin;
mod views;
mod wire;

pub use behaviour::access::{Denial, ParseDenialError};
pub use behaviour::fault::{Fault, FaultKind, Occasion, ParseFaultError};
pub use behaviour::model::{Model, ModelEntry, ParseModelError, Setting, Timing};
pub use behaviour::throttle::{Client, ParseThrottleError, ThrottleEntry};
pub use content::{Algorithm, Checksum, ChecksumKind, Rope, UnknownAlgorithm};
pub use op::{Op, UnknownOp};
pub use twin::{Twin, TwinOptions};
pub use views::{ObjectView, PartView, PutAttributes, StoredChecksum, UploadView};
pub use wire::Server;
