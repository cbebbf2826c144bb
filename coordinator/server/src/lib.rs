//! A coordinator: an actor that carries events to the machine and its effects to S3 and the nodes; the nodes'
//! sessions; the journal that outlives it; the job API.

mod abort;
mod actor;
mod api;
mod callback;
mod complete;
mod create;
mod dashboard;
mod discard;
mod handle;
mod http;
mod journal;
mod manifest;
mod member;
pub mod metrics;
mod pump;
mod questions;
mod reports;
mod roster;
mod serve;
mod session;
mod sessions;
mod spans;
mod spool;
mod state;
mod sweep;
mod tokens;
mod turns;
mod writer;

pub use actor::Refusal;
pub use api::description;
pub use create::exists;
pub use handle::{Coordinator, Gone, Job, Session};
pub use journal::{Journal, Recovered, Unswept};
pub use questions::list_page;
pub use reports::{NoReport, ReportBody};
pub use roster::{CallbackTarget, Fingerprint, JobRequest, Sight};
pub use serve::{ApiOptions, Ready, ServeError, ServeOptions, serve};
pub use spool::{Spool, SpoolError, Spooled, Spools};
pub use state::StateLocation;
pub use tokens::{NewToken, Tokens, TokensError};
pub use turns::NoTurn;
