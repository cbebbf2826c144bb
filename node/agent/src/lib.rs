//! A node: an actor that takes orders and reports, and the transfers that do the work.

mod actor;
mod fetch;
mod part;

pub use actor::{NodeConfig, start};
