//! `zipfleet config`: a role's settings, and where each came from.

use std::process::ExitCode;

use crate::args::ConfigArgs;
use crate::output::{Voice, table};

pub(super) fn run(args: &ConfigArgs, voice: Voice) -> ExitCode {
    let rows = args.settings.iter().map(|setting| {
        let value = setting.value.clone().unwrap_or_else(|| "-".to_owned());
        [setting.setting.clone(), value, setting.from.clone()]
    });
    voice.result(&table(["setting", "value", "from"], rows), &args.settings);
    if let Err(why) = args.role.check() {
        voice.say(&format!("these settings will not do: {why}"));
    }
    ExitCode::SUCCESS
}
