//! The only place that prints: results on standard output, talk on standard error.
//!
//! Whoever reads may have stopped reading (`| head`, a closed terminal). That must not end a job halfway,
//! as `println!` would, so what cannot be written is dropped.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use indicatif::DecimalBytes;
use proto::failure::{Failure, FailureKind};
use proto::requests::RequestCounts;
use serde::Serialize;

use crate::exit_code;

/// How this run speaks to the person.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    json: bool,
    quiet: bool,
    logs: bool,
}

impl Voice {
    /// One that tells results in JSON if `json`, is silent but for errors if `quiet`, and has its talk and errors
    /// logged, rather than printed, if `logs`.
    pub(crate) fn new(json: bool, quiet: bool, logs: bool) -> Self {
        Self { json, quiet, logs }
    }

    /// Whether progress may be drawn over and over on a terminal.
    pub(crate) fn draws(self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Whether anything but results and errors may be said.
    pub(crate) fn speaks(self) -> bool {
        !self.quiet
    }

    /// Whether results are told at all.
    pub(crate) fn tells_results(self) -> bool {
        self.json || !self.quiet
    }

    /// A line of talk.
    pub(crate) fn say(self, line: &str) {
        match (self.speaks(), self.logs) {
            (true, true) => tracing::info!("{line}"),
            (true, false) => talk(line),
            _ => {}
        }
    }

    /// The result: `text` for people, `value` for programs.
    pub(crate) fn result(self, text: &str, value: &impl Serialize) {
        if self.json {
            print(&serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")));
        } else if !self.quiet {
            print(text);
        }
    }

    /// Whether results are for programs.
    pub(crate) fn is_for_programs(self) -> bool {
        self.json
    }

    /// A piece of a result that is printed as it comes; whether there is still somebody who reads it.
    pub(crate) fn piece(self, bytes: &[u8]) -> bool {
        match std::io::stdout().write_all(bytes) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => false,
            Err(error) => {
                talk(&format!("zipfleet: cannot write the result to standard output: {error}"));
                false
            }
        }
    }

    /// A failure and its exit code.
    pub(crate) fn failure(self, failure: &Failure) -> ExitCode {
        self.failure_with(failure, exit_code::of(failure.kind))
    }

    /// A failure with an exit code that its kind does not tell.
    pub(crate) fn failure_with(self, failure: &Failure, code: u8) -> ExitCode {
        if self.logs {
            tracing::error!(kind = ?failure.kind, exit_code = code, "{failure}");
        } else {
            talk(&format!("zipfleet: {failure}"));
        }
        if self.json {
            print_error(failure.kind, &failure.message, code);
        }
        ExitCode::from(code)
    }
}

/// A command line that cannot be read, or a question for help or the version.
pub(crate) fn usage_error(error: &clap::Error) -> ExitCode {
    let code = u8::try_from(error.exit_code()).unwrap_or(exit_code::of(FailureKind::BadRequest));
    // What cannot be written is dropped, as everywhere here.
    let _ = error.print();
    if error.use_stderr() && std::env::args().any(|arg| arg == "--json") {
        print_error(FailureKind::BadRequest, error.render().to_string().trim(), code);
    }
    ExitCode::from(code)
}

fn print_error(kind: FailureKind, message: &str, code: u8) {
    let error = serde_json::json!({ "kind": kind, "message": message, "exit_code": code });
    print(&serde_json::json!({ "error": error }).to_string());
}

fn print(text: &str) {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            talk(&format!("zipfleet: cannot write the result to standard output: {error}"));
        }
        _ => {}
    }
}

fn talk(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An error before there is a voice.
pub(crate) fn fatal(message: &str) -> ExitCode {
    talk(&format!("zipfleet: {message}"));
    ExitCode::FAILURE
}

/// A size as people read it.
pub(crate) fn size(bytes: u64) -> String {
    DecimalBytes(bytes).to_string()
}

/// A rate, in gigabytes a second.
pub(crate) fn rate(bytes: u64, seconds: f64) -> String {
    format!("{:.2} GB/s", bytes as f64 / seconds.max(1e-3) / 1e9)
}

/// `1 thing`, `2 things`, `3 entries`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

/// Requests by kind, with their price.
pub(crate) fn requests(counts: &RequestCounts) -> String {
    let listed: Vec<String> = counts
        .kinds()
        .iter()
        .filter(|(_, count)| count.sent > 0)
        .map(|(kind, count)| format!("{} {kind}", count.sent))
        .collect();
    format!("{} (${:.4} at us-east-1 prices)", listed.join(", "), counts.price_usd())
}

/// Rows below their heads, each column as wide as it must be; columns of numbers to the right.
pub(crate) fn table<const N: usize>(heads: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(heads.map(ToOwned::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let is_number = |cell: &String| cell.starts_with(|c: char| c.is_ascii_digit());
    let columns: [(usize, bool); N] = std::array::from_fn(|column| {
        (width(column), rows.len() > 1 && rows[1..].iter().all(|row| is_number(&row[column])))
    });
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(columns).map(|(cell, (width, to_the_right))| match to_the_right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
