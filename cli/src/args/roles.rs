//! The settings of the two roles, coordinator and node. Each is a flag, an environment variable and a key of
//! a file; `settings` makes the latter two of the first.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args as ClapArgs, Subcommand};
use coordinator_server::StateLocation;
use proto::limits::{JOBS_RUNNING_DEFAULT, JOBS_WAITING_DEFAULT, NODE_NAME_BYTES_MAX, NODES_MAX_DEFAULT};
use proto::location::{Source, parse_source};
use proto::session::is_node_name;
use proto_session::TlsFiles;

use super::{ApiArgs, ConnectArgs, ResourceArgs};
use crate::units::parse_duration;

/// Most connections a node may be told to keep open.
const KEEP_WARM_MAX: usize = 1_024;

/// `config`.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ConfigArgs {
    /// Whose settings.
    #[command(subcommand)]
    pub(crate) role: Role,
    /// Each setting with its value and where that came from; filled in by `settings`.
    #[arg(skip)]
    pub(crate) settings: Vec<crate::settings::Setting>,
}

/// A role, with its settings.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Role {
    /// What `zipfleet coordinator` would run with.
    Coordinator(CoordinatorArgs),
    /// What `zipfleet node` would run with.
    Node(NodeArgs),
}

impl Role {
    /// Refuses what the role would refuse.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Coordinator(args) => args.check().map(drop),
            Self::Node(args) => args.check().map(drop),
        }
    }
}

/// A role that is to run.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Start<T: ClapArgs> {
    /// What to run with.
    #[command(flatten)]
    pub(crate) settings: T,
    /// Read all settings and the files they name, say what would be done with them, and stop there: S3 is not asked and
    /// no port opened.
    // No setting: only whoever starts the role can mean it.
    #[arg(long)]
    pub(crate) check_config: bool,
}

/// `coordinator`.
#[derive(Clone, Debug, ClapArgs)]
#[command(override_usage = "zipfleet coordinator [--config FILE] --state s3://BUCKET/PREFIX/ [OPTIONS]")]
pub(crate) struct CoordinatorArgs {
    /// A TOML file with settings: its table `coordinator`, whose keys are named as the flags.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where in S3 it writes down its open uploads, to find them again after a crash: s3://bucket/prefix/
    /// (required).
    #[arg(long, value_name = "ADDRESS", value_parser = parse_state)]
    pub(crate) state: Option<StateLocation>,
    /// Where nodes dial.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7400")]
    pub(crate) listen: SocketAddr,
    /// Nodes at a time.
    #[arg(long, value_name = "N", default_value_t = NODES_MAX_DEFAULT, value_parser = at_least_one)]
    pub(crate) nodes_max: usize,
    /// Jobs in progress at a time; others wait.
    #[arg(long, value_name = "N", default_value_t = JOBS_RUNNING_DEFAULT, value_parser = at_least_one)]
    pub(crate) jobs_running: usize,
    /// Jobs that may wait; those beyond are refused.
    #[arg(long, value_name = "N", default_value_t = JOBS_WAITING_DEFAULT)]
    pub(crate) jobs_waiting: usize,
    /// How long it may take to cancel its jobs and remove their uploads when it is told to stop.
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = parse_duration)]
    pub(crate) stop_timeout: Duration,
    /// Print a few metrics each minute for CloudWatch, as embedded metric format, under this namespace.
    #[arg(long, value_name = "NAMESPACE", value_parser = parse_namespace)]
    pub(crate) emf: Option<String>,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

impl CoordinatorArgs {
    /// Where it keeps its records and whom it trusts, unless the settings make no sense together.
    pub(crate) fn check(&self) -> Result<(StateLocation, Option<TlsFiles>), String> {
        let state = self.state.clone().ok_or_else(|| missing("state", "coordinator"))?;
        self.api.check()?;
        let others = (!self.listen.ip().is_loopback()).then(|| format!("--listen {}", self.listen));
        Ok((state, self.tls.check(others)?))
    }
}

/// `node`.
#[derive(Clone, Debug, ClapArgs)]
#[command(override_usage = "zipfleet node [--config FILE] --coordinator HOST:PORT [OPTIONS]")]
pub(crate) struct NodeArgs {
    /// A TOML file with settings: its table `node`, whose keys are named as the flags.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The coordinator to work for (required).
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) coordinator: Option<HostPort>,
    /// Its name, unlike that of any other node [otherwise: the id of the ECS task or EC2 instance, or the host's name,
    /// below the name in its certificate].
    #[arg(long, value_name = "NAME", default_value = host_name(), value_parser = parse_node_name)]
    pub(crate) name: String,
    /// Connections to S3 to keep open while there is nothing to do.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = keep_warm)]
    pub(crate) keep_warm: usize,
    /// How long it may take to end what it has begun when it is told to stop; ECS gives it 30 seconds.
    #[arg(long, value_name = "TIME", default_value = "25s", value_parser = parse_duration)]
    pub(crate) stop_timeout: Duration,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) resources: ResourceArgs,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

impl NodeArgs {
    /// Whom it works for and trusts, unless the settings make no sense together.
    pub(crate) fn check(&self) -> Result<(HostPort, Option<TlsFiles>), String> {
        let coordinator = self.coordinator.clone().ok_or_else(|| missing("coordinator", "node"))?;
        self.resources.check()?;
        let others = (!coordinator.is_this_machine()).then(|| format!("--coordinator {coordinator}"));
        Ok((coordinator, self.tls.check(others)?))
    }
}

/// Who is trusted, and what shows who this is.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Trust (see zipfleet certs)")]
pub(crate) struct TlsArgs {
    /// Certificates of the authorities that vouch for the other side, in PEM. Here and wherever a file holds what
    /// is trusted or secret, env:NAME takes the content of that environment variable.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The certificate to show, in PEM, with any between it and the authority.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Its private key, in PEM.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Do without encryption and certificates, although others share the network.
    #[arg(
        long, value_name = "BOOL", action = clap::ArgAction::Set, value_parser = BoolishValueParser::new(),
        num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true"
    )]
    pub(crate) allow_plaintext: bool,
}

impl TlsArgs {
    /// The three files, or `None` for plaintext, which must be allowed when `others` names a setting that
    /// opens the connection to other machines.
    fn check(&self, others: Option<String>) -> Result<Option<TlsFiles>, String> {
        match (&self.tls_ca, &self.tls_cert, &self.tls_key, others) {
            (Some(ca), Some(cert), Some(key), _) => {
                Ok(Some(TlsFiles { ca: ca.clone(), cert: cert.clone(), key: key.clone() }))
            }
            (None, None, None, Some(others)) if !self.allow_plaintext => Err(format!(
                "{others} is reached over a network that others may share: give --tls-ca, --tls-cert and --tls-key (`zipfleet certs` makes them), or --allow-plaintext"
            )),
            (None, None, None, _) => Ok(None),
            _ => Err("give all of --tls-ca, --tls-cert and --tls-key, or none of them".to_owned()),
        }
    }
}

/// A host's name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// A DNS name or an IP address, which has brackets around it if it is of version 6.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
}

impl HostPort {
    /// Whether nothing sent there leaves this machine.
    fn is_this_machine(&self) -> bool {
        let address = self.host.trim_matches(['[', ']']).parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address: write HOST:PORT, for example 10.0.0.5:7400");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let is_v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).is_some();
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || !(is_v6 || host.chars().all(legal)) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port: port.parse().map_err(|_| wrong())? })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Settings a role cannot do without and that have no default.
pub(crate) const REQUIRED: [&str; 2] = ["state", "coordinator"];

fn missing(setting: &str, role: &str) -> String {
    format!(
        "--{setting} is missing; {} or `{setting}` in [{role}] of the --config file will do as well",
        crate::settings::variable(setting)
    )
}

fn parse_state(text: &str) -> Result<StateLocation, String> {
    match parse_source(text).map_err(|error| error.to_string())? {
        Source::Prefix { bucket, prefix } if prefix.is_empty() || prefix.ends_with('/') => {
            Ok(StateLocation { bucket, prefix })
        }
        _ => Err(format!("`{text}` is no folder: write s3://bucket/prefix/")),
    }
}

/// A node's name as a person writes it: as everywhere in DNS, case does not count.
pub(crate) fn parse_node_name(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    is_node_name(&name).then_some(name).ok_or_else(|| {
        format!(
            "a name is up to {NODE_NAME_BYTES_MAX} letters, digits, `-` and `.`, and begins with a letter or digit"
        )
    })
}

/// A namespace as CloudWatch has them (API reference of PutMetricData); those of AWS itself are not taken.
fn parse_namespace(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-/#:".contains(c);
    let is_legal = (1..=255).contains(&text.len()) && text.chars().all(legal) && !text.starts_with("AWS/");
    is_legal.then(|| text.to_owned()).ok_or_else(|| {
        "a namespace is up to 255 letters, digits and `._-/#:`, and does not begin with AWS/".to_owned()
    })
}

fn keep_warm(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number <= KEEP_WARM_MAX);
    number.ok_or_else(|| format!("a whole number up to {KEEP_WARM_MAX} is needed"))
}

/// The machine's name, with what no node's name may have replaced.
pub(crate) fn host_name() -> String {
    let name = gethostname::gethostname().to_string_lossy().to_ascii_lowercase();
    let name = name.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '.'), "-");
    let name = name.trim_matches(['-', '.']);
    if is_node_name(name) { name.to_owned() } else { "node".to_owned() }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "a whole number of at least 1 is needed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for (text, host, port, is_local) in [
            ("localhost:1", "localhost", 1, true),
            ("127.0.0.9:7400", "127.0.0.9", 7400, true),
            ("[::1]:7400", "[::1]", 7400, true),
            ("coordinator.internal:65535", "coordinator.internal", 65535, false),
            ("10.0.0.5:7400", "10.0.0.5", 7400, false),
        ] {
            let parsed: HostPort = text.parse().expect(text);
            assert_eq!((parsed.host.as_str(), parsed.port), (host, port));
            assert_eq!(parsed.is_this_machine(), is_local, "{text}");
            assert_eq!(parsed.to_string(), text);
        }
        for text in ["", "host", ":1", "host:", "host:65536", "http://host:1", "::1:7400", "a b:1"] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_nodes() {
        for text in ["node-1", "ip-10-0-0-5.eu-west-1.compute.internal"] {
            assert_eq!(parse_node_name(text), Ok(text.to_owned()));
        }
        assert_eq!(parse_node_name("Node-1"), Ok("node-1".to_owned()));
        for text in ["", "a b", "a_b", "-a", ".a", "../x", "é", "a\n", &"x".repeat(254)] {
            assert!(parse_node_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn namespaces_of_metrics() {
        assert_eq!(parse_namespace("Zipfleet/blue"), Ok("Zipfleet/blue".to_owned()));
        for text in ["", "AWS/S3", "a b", "é", &"x".repeat(256)] {
            assert!(parse_namespace(text).is_err(), "{text}");
        }
    }

    #[test]
    fn folders_for_state() {
        for text in ["s3://ops", "s3://ops/", "s3://ops/zipfleet/"] {
            assert!(parse_state(text).is_ok(), "{text}");
        }
        for text in ["s3://ops/zipfleet", "s3://ops/zip*", "/var/lib", ""] {
            assert!(parse_state(text).is_err(), "{text}");
        }
    }
}
