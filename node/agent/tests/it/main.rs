//! A node at work: with orders by hand, and in a session with a coordinator that is not kind.

mod composing;
mod copying;
mod orders;
mod session;
mod world;
