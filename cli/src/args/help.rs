//! The verbs that tell of the others, from the same definitions.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap_complete::Shell;

/// `completions`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct CompletionsArgs {
    /// Which shell, for example `source <(zipfleet completions bash)`.
    pub(crate) shell: Shell,
}

/// `man`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ManArgs {
    /// Write a page for each command there, as zipfleet-COMMAND.1 [default: print the page of zipfleet itself].
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
}
