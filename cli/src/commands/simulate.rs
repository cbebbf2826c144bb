//! `zipfleet simulate`: what archives would take, told without S3 and without a fleet.

use std::process::ExitCode;

use simulations::rivals;

use crate::args::SimulateCommand;
use crate::output::Voice;

pub(super) fn run(what: &SimulateCommand, voice: Voice) -> ExitCode {
    match what {
        SimulateCommand::Rivals => {
            let (tables, differences) = (rivals::tables(), rivals::differences());
            differences.iter().for_each(|difference| voice.say(difference));
            voice.result(&tables, &serde_json::json!({ "tables": tables, "differences": differences }));
        }
    }
    ExitCode::SUCCESS
}
