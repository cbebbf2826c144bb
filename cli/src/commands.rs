//! One file a verb.

mod demo;
mod dry_run;
mod s3;
mod verify;
mod zip;

use std::process::ExitCode;

use proto::failure::{Failure, FailureKind};
use proto_s3::{Options, S3};

use crate::args::Command;
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
        Command::Demo(args) => demo::run(args, voice).await,
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

/// A client of S3.
async fn connect(options: &Options) -> Result<S3, Failure> {
    S3::connect(options).await.map_err(|error| usage(error.to_string()))
}
