//! A node at work: with orders by hand, and in a session with a coordinator that is not kind.

mod orders;
mod session;
mod world;
