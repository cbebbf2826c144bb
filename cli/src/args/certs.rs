//! `certs`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::roles::parse_node_name;

/// What to do with certificates.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CertsCommand {
    /// Make a private authority: DIR/ca.pem for everyone, DIR/ca.key to be kept secret.
    Init(InitArgs),
    /// Make a certificate for a coordinator or a node: DIR/NAME.pem and DIR/NAME.key.
    Issue(IssueArgs),
}

/// `certs init`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct InitArgs {
    /// Where to make it.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Days it is good for.
    #[arg(long, value_name = "N", default_value_t = 3_650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) days: u32,
}

/// `certs issue`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct IssueArgs {
    /// Where the authority is and the certificate goes.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Whose it is: a node's --name, or any name for a coordinator.
    #[arg(long, value_name = "NAME", value_parser = parse_node_name)]
    pub(crate) name: String,
    /// What it may be used as.
    #[arg(long, value_name = "ROLE", default_value = "node")]
    pub(crate) role: CertRole,
    /// A host name or IP address at which nodes dial the coordinator, beside its name, localhost and
    /// 127.0.0.1 (repeatable).
    #[arg(long, value_name = "DNS_OR_IP")]
    pub(crate) host: Vec<String>,
    /// Days it is good for.
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) days: u32,
}

/// What a certificate may be used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CertRole {
    /// Only to be dialled.
    Coordinator,
    /// Only to dial.
    Node,
}
