//! How a part is made and paid for: pieces and arriving bytes in, a body with its CRCs out. And how much a
//! node takes on: memory, requests in flight, requests a second.
//!
//! A node decides no border and knows no archive format: the plan leaves it no choices but how much to
//! do at a time.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod answers;
pub mod assembler;
pub mod composer;
pub mod concurrency;
pub mod farewell;
pub mod pace;
pub mod pool;
pub mod redial;
pub mod tally;
pub mod untold;
pub mod window;
