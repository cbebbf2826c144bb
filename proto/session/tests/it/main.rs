//! Sessions over sockets: what they carry, whom they refuse, and what no stranger can do to them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failure is told by a panic, also in helpers, and what an attack costs is printed"
)]

mod certificates;
mod hostile;
mod messages;
mod names;
mod polite;
mod proxy;
mod raw;
mod session;
mod siege;
mod tls;
mod versions;
mod world;
