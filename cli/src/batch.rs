//! A batch of jobs in a file: its lines, and what became of them.

mod lines;
mod results;

pub(crate) use lines::{Line, read};
pub(crate) use results::{Fingerprint, ResultLine, Results};
