//! A node: an actor that takes orders and reports, the transfers that do the work, and the session with the
//! coordinator.

mod actor;
mod compose;
mod config;
mod copy;
mod fetch;
mod handle;
mod making;
mod metadata;
mod meter;
mod notice;
mod padding;
mod part;
mod place;
mod requests;
mod session;
mod transfer;
mod warm;

pub use config::NodeConfig;
pub use handle::{Node, start};
pub use metadata::metadata_url;
pub use notice::{Notice, interruption};
pub use place::{Place, look_around, memory_here};
pub use session::{RunError, run};
