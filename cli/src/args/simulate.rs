//! `simulate`: what archives would take.

use clap::Subcommand;

/// `simulate`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum SimulateCommand {
    /// Print what our plans and those of other public programs take, in Markdown.
    Rivals,
}
