//! `zipfleet tokens`: who may call a cluster's job API.

use std::process::ExitCode;

use coordinator_server::NewToken;
use proto::failure::Failure;

use crate::args::{NewTokenArgs, TokensCommand};
use crate::failures::usage;
use crate::output::Voice;

pub(super) fn run(command: TokensCommand, voice: Voice) -> Result<ExitCode, Failure> {
    let TokensCommand::New(NewTokenArgs { name, read, write, operator, file }) = command;
    if !voice.tells_results() {
        return Err(usage("a token is shown once, when it is made: leave --quiet out, or add --json"));
    }
    let new = NewToken { name: name.clone(), read, write, is_operator: operator };
    let secret = new.issue(&file).map_err(|error| usage(error.to_string()))?;
    voice.say(&format!(
        "added `{name}` to {}; the token is shown this once and kept nowhere: hand it to whoever calls",
        file.display()
    ));
    let value = serde_json::json!({ "name": name, "token": &secret, "file": file });
    voice.result(&secret, &value);
    Ok(ExitCode::SUCCESS)
}
