//! What is logged, and which spans go to a collector: each has a filter of its own.

use std::io::IsTerminal;

use clap::ValueEnum;
use proto_trace::Exporter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::args::Command;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line, with what the spans around it say.
    Json,
}

/// Logs on standard error: warnings; with `-v` what zipfleet does; with `-vv` every part and request as it ends,
/// with its time; or whatever `RUST_LOG` says. Gives what sends spans to a collector, if the environment names one.
pub(crate) fn start(command: &Command, verbose: u8, format: LogFormat) -> Option<Exporter> {
    // That verifier logs, as an error, what whoever asked for the connection is told anyway.
    let level = match verbose {
        0 => {
            "error,s3s=off,rustls_platform_verifier=off,zipfleet=warn,coordinator_server=warn,node_agent=warn,proto_s3=warn,proto_session=warn,proto_trace=warn"
        }
        1 => {
            "warn,rustls_platform_verifier=off,zipfleet=info,coordinator_server=info,node_agent=info,proto_s3=info,proto_session=info"
        }
        _ => {
            "warn,rustls_platform_verifier=off,zipfleet=debug,coordinator_server=debug,node_agent=debug,proto_s3=debug,proto_session=debug"
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let spans = if verbose < 2 { FmtSpan::NONE } else { FmtSpan::CLOSE };
    let log = tracing_subscriber::fmt::layer().with_span_events(spans).with_writer(std::io::stderr);
    let log = match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    };
    let (service, instance) = identity(command);
    let (exporter, trouble) = match Exporter::from_environment(service, &instance) {
        Ok(exporter) => (exporter, None),
        Err(trouble) => (None, Some(trouble)),
    };
    let traces = exporter.as_ref().map(Exporter::layer);
    tracing_subscriber::registry().with(log.with_filter(filter)).with(traces).init();
    if let Some(trouble) = trouble {
        tracing::warn!("{trouble}");
    }
    exporter
}

/// What a collector calls the process, and which of those it is: a trace is to tell on which machine a part was.
fn identity(command: &Command) -> (&'static str, String) {
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    match command {
        Command::Coordinator(_) => ("zipfleet-coordinator", host),
        Command::Node(start) => ("zipfleet-node", start.settings.name.clone()),
        _ => ("zipfleet", host),
    }
}
