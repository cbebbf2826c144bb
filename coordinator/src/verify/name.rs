//! Names (4.4.17): whether every reader extracts them, and whether they are unique, also as paths.

use std::cmp::Ordering;

use proto::limits::KEY_BYTES_MAX;

use super::entry::{Entry, FLAG_UTF8};
use super::finding::{Findings, Kind, Place, shown};

/// Checks one name by itself.
pub(super) fn check(entry: &Entry, place: Place<'_>, findings: &mut Findings) {
    match std::str::from_utf8(&entry.name) {
        Err(_) if entry.flags & FLAG_UTF8 != 0 => {
            findings.add(Kind::NotUtf8, place, || "its name is marked as UTF-8 and is not".into());
        }
        _ if entry.flags & FLAG_UTF8 == 0 && !entry.name.is_ascii() => {
            let what = "its name is not ASCII and not marked as UTF-8, so readers show different names";
            findings.add(Kind::NameEncoding, place, || what.into());
        }
        Err(_) => {}
        Ok(name) => {
            if let Some(reason) = unsafe_because(name, entry.size) {
                findings.add(Kind::UnsafeName, place, || format!("its name {reason}"));
            }
        }
    }
}

fn unsafe_because(name: &str, size: u64) -> Option<&'static str> {
    let path = name.strip_suffix('/');
    if name.is_empty() {
        Some("is empty")
    } else if name.len() > KEY_BYTES_MAX {
        Some("is longer than any S3 key")
    } else if name.contains(char::is_control) {
        Some("has a control character")
    } else if name.contains('\\') {
        Some("has a backslash")
    } else if name.starts_with('/') {
        Some("begins with a slash")
    } else if matches!(name.as_bytes(), [b'a'..=b'z' | b'A'..=b'Z', b':', ..]) {
        Some("begins with a drive letter")
    } else if path.is_some() && size > 0 {
        Some("is a folder's, but it has contents")
    } else if path.unwrap_or(name).split('/').any(|component| component.is_empty()) {
        Some("has an empty component")
    } else if path.unwrap_or(name).split('/').any(|component| component == "." || component == "..") {
        Some("has a `.` or `..` component")
    } else {
        None
    }
}

/// Finds names that occur twice and files that are folders of others. Takes 4 bytes an entry.
pub(super) fn check_unique(entries: &[Entry], findings: &mut Findings) {
    let name = |index: u32| &*entries[index as usize].name;
    let mut order: Vec<u32> = (0..).take(entries.len()).collect();
    order.sort_by(|a, b| by_path(name(*a), name(*b)));
    // A folder's contents follow right after a file of the folder's name, so neighbours are enough.
    for pair in order.windows(2) {
        let (first, second) = (name(pair[0]), name(pair[1]));
        let place = Place::entry(entries[pair[1] as usize].offset, second);
        if first == second {
            findings.add(Kind::DuplicateName, place, || "its name occurs more than once".into());
        } else if second.strip_prefix(first).is_some_and(|rest| rest.starts_with(b"/")) {
            findings.add(Kind::FileAndFolder, place, || {
                format!("it lies in `{}`, which is a file", shown(first))
            });
        }
    }
}

/// Byte order, but with the slash before every other byte, so that what is in a folder stays together.
fn by_path(a: &[u8], b: &[u8]) -> Ordering {
    let rank = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    match a.iter().zip(b).find(|(a, b)| a != b) {
        Some((a, b)) => rank(*a).cmp(&rank(*b)),
        None => a.len().cmp(&b.len()),
    }
}
