//! The files that a load reads and writes.

use std::fs;
use std::io::Read;
use std::path::Path;

use proto::failure::Failure;
use proto::limits::LOAD_FILE_BYTES_MAX;

use crate::failures::usage;

/// The text of a file, unless it is longer than any that is meant.
pub(super) fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let wrong = |why: &dyn std::fmt::Display| usage(format!("{} cannot be read: {why}", file.display()));
    let opened = fs::File::open(file).map_err(|error| wrong(&error))?;
    opened.take(LOAD_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    if text.len() as u64 > LOAD_FILE_BYTES_MAX {
        return Err(wrong(&format!("it is longer than {LOAD_FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// Fails before the load, not after it, if its results could not be left there.
pub(super) fn refuse_unwritable(file: &Path) -> Result<(), Failure> {
    let is_new = !file.exists();
    let opened = fs::OpenOptions::new().create(true).append(true).open(file);
    opened.map_err(|error| cannot_write(file, &error))?;
    if is_new {
        fs::remove_file(file).map_err(|error| cannot_write(file, &error))?;
    }
    Ok(())
}

/// Leaves something there.
pub(super) fn write(file: &Path, content: &[u8]) -> Result<(), Failure> {
    fs::write(file, content).map_err(|error| cannot_write(file, &error))
}

fn cannot_write(file: &Path, error: &std::io::Error) -> Failure {
    usage(format!("cannot write {}: {error}; name another file", file.display()))
}
