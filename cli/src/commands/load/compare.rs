//! `zipfleet load --compare`: two loads, figure by figure.

use std::path::Path;
use std::process::ExitCode;

use proto::failure::Failure;

use super::files;
use crate::exit_code::LOAD_NOT_BORNE;
use crate::failures::usage;
use crate::load::compare::{Comparison, Row, Verdict};
use crate::load::run::{FORMAT, Run};
use crate::output::{Voice, table};

pub(super) fn run(first: &Path, second: &Path, voice: Voice) -> Result<ExitCode, Failure> {
    let comparison = Comparison::of(&read(first)?, &read(second)?);
    let mut lines: Vec<String> =
        comparison.differs.iter().map(|what| format!("not asked for alike: {what}")).collect();
    lines.push(table(["", "first", "second", "change", ""], comparison.rows.iter().map(cells)));
    let is_worse = comparison.is_worse();
    let value = serde_json::json!({ "comparison": comparison, "is_worse": is_worse });
    voice.result(&lines.join("\n"), &value);
    Ok(if is_worse { ExitCode::from(LOAD_NOT_BORNE) } else { ExitCode::SUCCESS })
}

fn read(file: &Path) -> Result<Run, Failure> {
    let wrong = |why: String| usage(format!("{} is no load that was written down: {why}", file.display()));
    let run: Run = serde_json::from_str(&files::read(file)?).map_err(|error| wrong(error.to_string()))?;
    if run.zipfleet_load != FORMAT {
        return Err(wrong(format!("its format is {}, not {FORMAT}", run.zipfleet_load)));
    }
    Ok(run)
}

fn cells(row: &Row) -> [String; 5] {
    let verdict = match row.verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Same => "",
        Verdict::Unknown => "not told in both",
    };
    let change = row.change().map_or_else(|| "-".to_owned(), |change| format!("{:+.0} %", change * 100.0));
    let show = |value| row.unit.show_or_dash(value);
    [row.what.clone(), show(row.first), show(row.second), change, verdict.to_owned()]
}
