//! What is wrong with an archive: counted by kind, with a few examples of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proto::limits::EXAMPLES_MAX;
use proto::location::printable;

/// Most bytes of a name shown in a finding.
const NAME_SHOWN_BYTES: usize = 200;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A reader may get wrong bytes, wrong names or another structure than the next reader.
    Broken,
    /// Its contents cannot be checked here, so nothing is known of them.
    Unchecked,
    /// Legal, but not the form that every reader opens.
    Unusual,
}

macro_rules! kinds {
    ($($kind:ident $severity:ident $title:literal,)*) => {
        /// What was found. The title of each says what it means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $title] $kind,)*
        }

        impl Kind {
            /// Every kind, the broken ones first.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// How bad it is.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$kind => Severity::$severity,)* }
            }

            /// A few words to stand above its examples.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    NoEnd Broken "no end record (4.3.16)",
    AfterEnd Broken "bytes after the end record",
    EndRecords Broken "end records that contradict one another (4.3.14 to 4.3.16)",
    Disks Broken "split over several disks",
    Directory Broken "unreadable central directory (4.3.12)",
    Count Broken "number of entries differs from the end record's",
    Gap Broken "bytes that belong to no entry",
    Overlap Broken "entries that overlap or do not fit",
    LocalHeader Broken "no local header where the directory says (4.3.7)",
    Mismatch Broken "local header and directory differ",
    Sizes Broken "stored, but with two different sizes",
    Zip64 Broken "contradictory zip64 values (4.5.3)",
    ExtraMalformed Broken "malformed or repeated extra fields (4.5)",
    NotUtf8 Broken "names marked as UTF-8 that are not",
    TwoNames Broken "entries with two different names (4.6.9)",
    DuplicateName Broken "names that occur twice",
    FileAndFolder Broken "names that are a file and a folder at once",
    Descriptor Broken "missing or wrong data descriptors (4.3.9)",
    Contents Broken "contents that do not match their CRC-32",
    StoredCrc Broken "archive differs from the CRC-32 that S3 holds",
    Missing Broken "source objects missing from the archive",
    Surplus Broken "entries without a source object",
    SourceSize Broken "sizes that differ from the source object's",
    SourceBytes Broken "contents that differ from the source object's",
    Method Unchecked "compressed: contents not checked (4.4.5)",
    Encrypted Unchecked "encrypted: contents not checked (4.4.4)",
    DataDescriptor Unusual "sizes and CRC after the data (4.4.4, bit 3)",
    Flags Unusual "flags other than bit 11, UTF-8 (4.4.4)",
    NameEncoding Unusual "names of unknown encoding (appendix D)",
    UnsafeName Unusual "names that not every reader extracts (4.4.17)",
    NeedlessZip64 Unusual "zip64 where the values fit without",
    AbsentZip64 Unusual "values that look like a zip64 mark without zip64",
    Version Unusual "version numbers other than usual (4.4.2, 4.4.3)",
    Attributes Unusual "file attributes other than usual (4.4.14, 4.4.15)",
    Time Unusual "times that are absent, odd or contradictory (4.4.6)",
    Extra Unusual "extra fields other than zip64 and time",
    Comment Unusual "comments",
    HeaderLength Unusual "headers longer than some readers take",
    Order Unusual "directory in another order than the data",
    SourceOrder Unusual "another order than the source objects'",
    SourceTime Unusual "times that differ from the source object's",
}

/// Where something was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// Offset in the archive, in bytes.
    pub(super) offset: Option<u64>,
    /// The entry's name as stored.
    pub(super) name: Option<&'a [u8]>,
}

impl<'a> Place<'a> {
    /// Somewhere that belongs to no entry.
    pub(super) fn byte(offset: u64) -> Self {
        Self { offset: Some(offset), name: None }
    }

    /// A header of the entry `name`.
    pub(super) fn entry(offset: u64, name: &'a [u8]) -> Self {
        Self { offset: Some(offset), name: Some(name) }
    }
}

/// One example; its `Display` is a sentence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where in the archive, in bytes; `None` for what has no place in it.
    pub offset: Option<u64>,
    /// Which entry, fit to be printed and shortened when very long.
    pub name: Option<String>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.offset) {
            (Some(name), Some(offset)) => write!(f, "`{name}` at byte {offset}: {}", self.what),
            (Some(name), None) => write!(f, "`{name}`: {}", self.what),
            (None, Some(offset)) => write!(f, "At byte {offset}: {}", self.what),
            (None, None) => f.write_str(&self.what),
        }
    }
}

/// The findings of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many.
    pub count: u64,
    /// The first of them by offset, at most `EXAMPLES_MAX`.
    pub examples: BTreeSet<Finding>,
}

/// Everything found. Its memory is bounded by the number of kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    kinds: BTreeMap<Kind, Found>,
}

impl Findings {
    /// Counts one more, and keeps it when it is among the first; only then `what` is called.
    pub(super) fn add(&mut self, kind: Kind, place: Place<'_>, what: impl FnOnce() -> String) {
        let found = self.kinds.entry(kind).or_default();
        found.count += 1;
        let full = found.examples.len() >= EXAMPLES_MAX;
        if full && found.examples.last().is_some_and(|last| last.offset < place.offset) {
            return;
        }
        found.keep(Finding { offset: place.offset, name: place.name.map(shown), what: what() });
    }

    /// Adds all that `other` holds. The outcome does not depend on the order of such additions.
    pub fn merge(&mut self, other: Self) {
        for (kind, more) in other.kinds {
            let found = self.kinds.entry(kind).or_default();
            found.count += more.count;
            for example in more.examples {
                found.keep(example);
            }
        }
    }

    /// What was found, the broken first.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &Found)> {
        self.kinds.iter().map(|(kind, found)| (*kind, found))
    }

    /// How many there are of one severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> u64 {
        self.iter().filter(|(kind, _)| kind.severity() == severity).map(|(_, found)| found.count).sum()
    }

    /// Whether nothing at all was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.kinds.is_empty()
    }
}

impl Found {
    fn keep(&mut self, example: Finding) {
        self.examples.insert(example);
        if self.examples.len() > EXAMPLES_MAX {
            self.examples.pop_last();
        }
    }
}

/// A name as stored, made fit for a terminal and not too long.
pub(super) fn shown(name: &[u8]) -> String {
    match name.get(..NAME_SHOWN_BYTES) {
        Some(head) if head.len() < name.len() => format!("{}...", printable(&String::from_utf8_lossy(head))),
        _ => printable(&String::from_utf8_lossy(name)),
    }
}
