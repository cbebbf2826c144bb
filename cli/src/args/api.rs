//! How the coordinator's job API is served, and `tokens`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

/// Who may submit jobs, and where.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Job API")]
pub(crate) struct ApiArgs {
    /// Where jobs are submitted; more than this machine itself only with --api-cert, --api-key and --tokens.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7401")]
    pub(crate) api: SocketAddr,
    /// The certificate to show callers, in PEM, with any between it and its authority; makes it HTTPS.
    #[arg(long, value_name = "FILE")]
    api_cert: Option<PathBuf>,
    /// Its private key, in PEM.
    #[arg(long, value_name = "FILE")]
    api_key: Option<PathBuf>,
    /// Who may call, in TOML (see zipfleet tokens); read again when it changes. Without it, everybody on this machine.
    #[arg(long, value_name = "FILE")]
    pub(crate) tokens: Option<PathBuf>,
    /// A file whose content, without a line break at its end, signs callbacks where there are no tokens.
    #[arg(long, value_name = "FILE")]
    pub(crate) callback_key_file: Option<PathBuf>,
}

impl ApiArgs {
    /// Certificate and key, unless the settings make no sense together.
    pub(crate) fn check(&self) -> Result<Option<(PathBuf, PathBuf)>, String> {
        let tls = match (&self.api_cert, &self.api_key) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            _ => return Err("--api-cert and --api-key are given both or neither".to_owned()),
        };
        if !self.api.ip().is_loopback() && (tls.is_none() || self.tokens.is_none()) {
            return Err(format!(
                "--api {} is open to others, and whoever reaches it may have any job done: give --api-cert, --api-key and --tokens, or use 127.0.0.1",
                self.api
            ));
        }
        Ok(tls)
    }
}

/// What to do with tokens.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Make a token: its secret is printed once, and its entry added to a file for --tokens.
    New(NewTokenArgs),
}

/// `tokens new`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct NewTokenArgs {
    /// Whose it is: shown as the owner of their jobs.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// What sources must begin with, for example s3://photos/2026/ (repeatable).
    #[arg(long, value_name = "PREFIX")]
    pub(crate) read: Vec<String>,
    /// What destinations must begin with, for example s3://out/web/ (repeatable).
    #[arg(long, value_name = "PREFIX")]
    pub(crate) write: Vec<String>,
    /// May see and cancel all jobs, drain nodes, and read metrics.
    #[arg(long)]
    pub(crate) operator: bool,
    /// Where its entry is added.
    #[arg(long, value_name = "FILE", default_value = "tokens.toml")]
    pub(crate) file: PathBuf,
}
