//! The directory: the archive's last bytes, once every CRC is known.

use proto::archive::zip::{EndRecords, central_header, end_records};
use proto::plan::Plan;

/// The central header of the entry at `index`.
#[must_use]
pub fn record(plan: &Plan, index: u32, crc32: u32) -> Vec<u8> {
    central_header(&plan.entries[index as usize].header(crc32))
}

/// The end records of a finished plan; empty while the listing goes on.
#[must_use]
pub fn end(plan: &Plan) -> Vec<u8> {
    let Some(directory) = &plan.directory else { return Vec::new() };
    end_records(&EndRecords {
        entries: plan.entries.len() as u64,
        directory_offset: directory.start,
        directory_bytes: directory.end - directory.start,
        last: plan.entries.last().map(|last| last.header(0)),
    })
}
