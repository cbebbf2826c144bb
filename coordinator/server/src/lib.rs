//! A coordinator: an actor that carries events to the machine and its effects to S3 and the nodes; the nodes'
//! sessions; the journal that outlives it; the job API.

mod abort;
mod actor;
mod api;
mod complete;
mod create;
mod handle;
mod http;
mod journal;
mod member;
mod pump;
mod questions;
mod roster;
mod serve;
mod session;
mod sessions;
mod tokens;

pub use actor::Refusal;
pub use api::description;
pub use create::exists;
pub use handle::{Coordinator, Job, Session};
pub use journal::{Journal, Recovered, StateLocation};
pub use questions::list_page;
pub use roster::{CallbackTarget, Fingerprint, JobRequest, Sight};
pub use serve::{ApiOptions, Ready, ServeError, ServeOptions, serve};
pub use tokens::{NewToken, Tokens, TokensError};
