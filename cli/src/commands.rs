//! One file a verb.

mod demo;
mod dry_run;
mod s3;
mod verify;
mod zip;

use std::process::ExitCode;

use proto::failure::Failure;
use proto_s3::{Options, S3};

use crate::args::Command;
use crate::failures::usage;
use crate::output::Voice;

/// Carries out a command.
pub(crate) async fn run(command: Command, voice: &Voice) -> Result<ExitCode, Failure> {
    match command {
        Command::Zip(args) => zip::run(args, *voice).await,
        Command::Verify(args) => verify::run(args, *voice).await,
        Command::S3(args) => s3::run(args, *voice).await,
        Command::Demo(args) => demo::run(args, *voice).await,
    }
}

/// A client of S3.
async fn connect(options: &Options) -> Result<S3, Failure> {
    S3::connect(options).await.map_err(|error| usage(error.to_string()))
}
