//! A coordinator: an actor that carries events to the machine and its effects to S3 and the nodes.

mod abort;
mod actor;
mod complete;
mod create;
mod questions;

pub use actor::{Coordinator, Job, Session};
pub use create::exists;
pub use questions::list_page;
