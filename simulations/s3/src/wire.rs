//! From the socket to the operations and back: connections, access, faults, delays, and S3's dialect.

mod dialect;
mod gate;
mod guard;
mod server;
mod shaped;
mod toll;

pub use server::Server;
