//! One file a verb.

mod batch;
mod cancel;
mod certs;
mod config;
mod coordinator;
mod demo;
mod drain;
mod dry_run;
mod explain;
mod health;
mod help;
mod jobs;
mod load;
mod node;
mod nodes;
mod report;
mod s3;
mod simulate;
mod status;
mod submit;
mod tokens;
mod verify;
mod watch;
mod zip;

use std::process::ExitCode;

use proto::failure::{Failure, FailureKind};
use proto_s3::{Options, S3};
use proto_session::{Tls, TlsFiles};

use crate::args::{CertRole, Command};
use crate::certs::may_be_used_as;
use crate::failures::{internal, usage};
use crate::output::Voice;
use crate::signals::Signals;

/// Carries out a command.
pub(crate) async fn run(command: Command, voice: Voice) -> Result<ExitCode, Failure> {
    match command {
        Command::Zip(args) if args.dry_run => {
            unless_stopped(Box::pin(dry_run::run(args, voice)), voice).await
        }
        Command::Zip(args) => zip::run(args, voice).await,
        Command::Verify(args) => unless_stopped(Box::pin(verify::run(args, voice)), voice).await,
        Command::S3(args) => s3::run(args, voice).await,
        Command::Simulate(args) => simulate::run(&args, voice),
        Command::Demo(args) => demo::run(args, voice).await,
        Command::Coordinator(args) => Box::pin(coordinator::run(args, voice)).await,
        Command::Node(args) => Box::pin(node::run(args, voice)).await,
        Command::Config(args) => Ok(config::run(&args, voice)),
        Command::Certs(args) => certs::run(args, voice),
        Command::Tokens(args) => tokens::run(args, voice),
        Command::Submit(args) => Box::pin(submit::run(args, voice)).await,
        Command::Jobs(args) => jobs::run(args, voice).await,
        Command::Status(args) => status::run(args, voice).await,
        Command::Watch(args) => Box::pin(watch::run(args, voice)).await,
        Command::Report(args) => report::run(args, voice).await,
        Command::Explain(args) => explain::run(args, voice).await,
        Command::Cancel(args) => cancel::run(args, voice).await,
        Command::Health(args) => health::run(args, voice).await,
        Command::Load(args) => Box::pin(load::run(args, voice)).await,
        Command::Nodes(args) => nodes::run(args, voice).await,
        Command::Drain(args) => drain::run(args, voice).await,
        Command::Completions(args) => Ok(help::completions(&args, voice)),
        Command::Man(args) => help::man(&args, voice),
    }
}

/// Work that only reads, and can be left where it stands.
async fn unless_stopped(
    work: impl Future<Output = Result<ExitCode, Failure>>,
    voice: Voice,
) -> Result<ExitCode, Failure> {
    let mut signals = Signals::listen().map_err(internal)?;
    tokio::select! {
        ended = work => ended,
        code = signals.next() => Ok(voice.failure_with(&Failure::new(FailureKind::Cancelled, "stopped"), code)),
    }
}

/// Certificates from files, if there are any to be used.
fn load_tls(files: Option<&TlsFiles>, role: CertRole) -> Result<Option<Tls>, Failure> {
    let Some(files) = files else { return Ok(None) };
    let tls = Tls::load(files).map_err(|error| usage(error.to_string()))?;
    // Only the other side would find out, and say so on another machine.
    if !may_be_used_as(&files.cert, role) {
        return Err(usage(format!(
            "{} is not for this role: `zipfleet certs issue --role coordinator` or `--role node` makes one that is",
            files.cert.display()
        )));
    }
    Ok(Some(tls))
}

/// A client of S3.
async fn connect(options: &Options) -> Result<S3, Failure> {
    S3::connect(options).await.map_err(|error| usage(error.to_string()))
}
