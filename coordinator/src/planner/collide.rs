//! Names that cannot stand side by side.

use std::hash::{DefaultHasher, Hasher};

use proto::location::printable;
use proto::plan::Entry;
use unicode_normalization::UnicodeNormalization;

use super::Examples;

/// Sixteen bytes a name while the listing goes on; judged once, at its end.
///
/// A sorted list instead of a hash set: entries of several sources come in any order, and a set of the
/// names themselves would double what a job holds.
#[derive(Debug, Default)]
pub(super) struct NameIndex {
    /// Hash of the folded name, and the entry's position.
    folded: Vec<(u64, u32)>,
}

impl NameIndex {
    pub(super) fn add(&mut self, name: &str) {
        let position = self.folded.len() as u32;
        self.folded.push((folded_hash(name), position));
    }

    /// Sorts what was added and reports pairs that are the same name, or a file beside a folder of the
    /// same name, as errors; pairs that are the same to a file system that folds case or composes
    /// accents, as warnings.
    pub(super) fn collisions(&mut self, entries: &[Entry], errors: &mut Examples, warnings: &mut Examples) {
        self.folded.sort_unstable();
        for group in self.folded.chunk_by_mut(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            // Equal names side by side, in whatever order they and others like them were listed.
            let name_of = |position: u32| entries[position as usize].name();
            group.sort_by(|a, b| bare(name_of(a.1)).cmp(bare(name_of(b.1))).then(a.1.cmp(&b.1)));
            for pair in group.windows(2) {
                let (first, other) = (&entries[pair[0].1 as usize], &entries[pair[1].1 as usize]);
                if bare(first.name()) == bare(other.name()) {
                    errors.push(|| {
                        format!("{} and {} both become `{}`", origin(first), origin(other), other.name())
                    });
                } else if folded(first.name()) == folded(other.name()) {
                    warnings.push(|| {
                        format!(
                            "`{}` and `{}` are one name where case or accents do not count",
                            first.name(),
                            other.name()
                        )
                    });
                }
            }
        }
        self.files_beside_folders(entries, errors);
    }

    fn files_beside_folders(&self, entries: &[Entry], errors: &mut Examples) {
        let mut previous = "";
        for entry in entries {
            let folder = bare(entry.name()).rfind('/').map_or("", |slash| &entry.name()[..slash]);
            if folder == previous || folder.is_empty() {
                continue;
            }
            previous = folder;
            let ancestors = folder.match_indices('/').map(|(slash, _)| &folder[..slash]).chain([folder]);
            for ancestor in ancestors {
                if let Some(file) = self.find(ancestor, entries) {
                    errors.push(|| {
                        format!("`{}` is a file and also the folder of `{}`", file.name(), entry.name())
                    });
                }
            }
        }
    }

    /// The entry that is a file called exactly `name`.
    fn find<'a>(&self, name: &str, entries: &'a [Entry]) -> Option<&'a Entry> {
        let hash = folded_hash(name);
        let from = self.folded.partition_point(|(other, _)| *other < hash);
        let same = self.folded[from..].iter().take_while(|(other, _)| *other == hash);
        same.map(|(_, position)| &entries[*position as usize]).find(|entry| entry.name() == name)
    }
}

/// A key, and which of the job's sources it is from, counted from 1 as people do.
fn origin(entry: &Entry) -> String {
    format!("`{}` of source {}", printable(&entry.object.key), entry.object.source + 1)
}

/// Without the slash that marks a directory: a file and a directory of one name cannot both be.
fn bare(name: &str) -> &str {
    name.strip_suffix('/').unwrap_or(name)
}

fn folded(name: &str) -> String {
    bare(name).nfc().flat_map(char::to_lowercase).collect()
}

/// Fixed keys, so the same on every run; equal hashes are always followed by a look at the names.
fn folded_hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    let name = bare(name);
    if name.is_ascii() {
        let mut lower = [0u8; 64];
        for block in name.as_bytes().chunks(lower.len()) {
            let lower = &mut lower[..block.len()];
            lower.copy_from_slice(block);
            lower.make_ascii_lowercase();
            hasher.write(lower);
        }
    } else {
        hasher.write(folded(name).as_bytes());
    }
    hasher.finish()
}
