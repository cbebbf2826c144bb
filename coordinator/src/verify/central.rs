//! The central directory (4.3.12), read as it arrives.

use proto::crc::{Crc, Hasher};
use proto::limits::ENTRIES_MAX;

use super::end::Ends;
use super::entry::{Entry, FLAG_DESCRIPTOR, FLAG_UTF8, FLAGS_ENCRYPTED};
use super::extra;
use super::fields::Fields;
use super::finding::{Findings, Kind, Place};
use super::name;
use super::time::{DosTime, canonical};

const FIXED: usize = 46;
const SIGNATURE: u32 = 0x0201_4B50;
/// Java refuses headers that are longer (fixed part, name, extra fields and comment), in bytes.
const HEADER_BYTES_MAX: usize = 65_535;

/// Reads a directory. Holds its entries, and of its bytes at most one header (200 KB).
pub struct Central {
    entries: Vec<Entry>,
    announced: u64,
    /// Offset of the header that is being read.
    at: u64,
    header: Vec<u8>,
    /// Nothing more can be read: where one header is wrong, the next cannot be found.
    lost: bool,
    hasher: Hasher,
}

impl Central {
    /// A reader of the directory that `ends` announces.
    #[must_use]
    pub fn new(ends: &Ends) -> Self {
        Self {
            entries: Vec::new(),
            announced: ends.entries,
            at: ends.directory.start,
            header: Vec::new(),
            lost: false,
            hasher: Hasher::default(),
        }
    }

    /// Takes in the directory's next bytes, however they are cut.
    pub fn feed(&mut self, mut bytes: &[u8], findings: &mut Findings) {
        self.hasher.update(bytes);
        while !bytes.is_empty() && !self.lost {
            let missing = self.header_bytes() - self.header.len();
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            self.header.extend_from_slice(now);
            bytes = later;
            if self.header.len() == self.header_bytes() {
                self.take_header(findings);
            }
        }
    }

    /// All entries in the directory's order, and the CRC of the directory's bytes.
    pub fn finish(self, findings: &mut Findings) -> (Vec<Entry>, Crc) {
        let place = Place::byte(self.at);
        if !self.lost && !self.header.is_empty() {
            findings.add(Kind::Directory, place, || "the directory ends within a header".into());
        }
        let (found, announced) = (self.entries.len() as u64, self.announced);
        if found != announced {
            let what = || format!("the directory has {found} entries, the end record says {announced}");
            findings.add(Kind::Count, place, what);
        }
        (self.entries, self.hasher.finish())
    }

    /// Length of the header being read, as far as its bytes tell.
    fn header_bytes(&self) -> usize {
        let variable = self.header.get(28..FIXED).and_then(|lengths| {
            let mut lengths = Fields(lengths);
            Some([lengths.u16()?, lengths.u16()?, lengths.u16()?].map(usize::from).iter().sum::<usize>())
        });
        FIXED + variable.unwrap_or(0)
    }

    fn take_header(&mut self, findings: &mut Findings) {
        let place = Place::byte(self.at);
        match read_entry(&self.header, self.at, findings) {
            Some(entry) if self.entries.len() < ENTRIES_MAX as usize => self.entries.push(entry),
            Some(_) => {
                findings.add(Kind::Directory, place, || "there are more entries than can be held".into());
                self.lost = true;
            }
            None => {
                findings.add(Kind::Directory, place, || "this is no central header".into());
                self.lost = true;
            }
        }
        self.at += self.header.len() as u64;
        self.header.clear();
    }
}

/// The fixed part of a central header that is not kept, as far as it is checked.
struct Rest {
    made_by: u16,
    comment: usize,
    disk: u16,
    internal: u16,
    external: u32,
}

/// Reads and checks one whole header; `None` when it is none.
fn read_entry(header: &[u8], at: u64, findings: &mut Findings) -> Option<Entry> {
    let mut fields = Fields(header);
    if fields.u32()? != SIGNATURE {
        return None;
    }
    let (made_by, version, flags, method) = (fields.u16()?, fields.u16()?, fields.u16()?, fields.u16()?);
    let dos = DosTime(fields.u32()?);
    let (crc, compressed, size) = (fields.u32()?, u64::from(fields.u32()?), u64::from(fields.u32()?));
    let [name, extra, comment] = [fields.u16()?, fields.u16()?, fields.u16()?].map(usize::from);
    let rest =
        Rest { made_by, comment, disk: fields.u16()?, internal: fields.u16()?, external: fields.u32()? };
    let offset = u64::from(fields.u32()?);
    let (name, variable) = fields.0.split_at_checked(name)?;
    let extra = variable.get(..extra)?;

    let place = Place::entry(at, name);
    let extra = extra::read(extra, name, place, findings);
    let mut values = [size, compressed, offset];
    extra::widen(&mut values, extra.zip64, place, findings);
    let [size, compressed, offset] = values;
    let entry = Entry {
        name: name.into(),
        offset,
        size,
        compressed,
        crc,
        mtime: extra.mtime,
        dos,
        method,
        flags,
        version,
    };
    check(&entry, header.len(), extra.zip64, &rest, place, findings);
    Some(entry)
}

/// Checks what the header says by itself.
fn check(
    entry: &Entry,
    length: usize,
    zip64: Option<&[u8]>,
    rest: &Rest,
    place: Place<'_>,
    findings: &mut Findings,
) {
    name::check(entry, place, findings);
    check_method(entry, place, findings);
    check_time(entry, place, findings);
    let version = if zip64.is_some() { 45 } else { 20 };
    if entry.version != version || rest.made_by != 0x032D {
        let (by, needed) = (rest.made_by, entry.version);
        findings.add(Kind::Version, place, || format!("it is made by {by:#06x} and needs version {needed}"));
    }
    let external = if entry.name.ends_with(b"/") { 0x41ED_0010 } else { 0x81A4_0000 };
    if (rest.internal, rest.external) != (0, external) {
        let what = || format!("its attributes are {:#x} and {:#010x}", rest.internal, rest.external);
        findings.add(Kind::Attributes, place, what);
    }
    // 0xFFFF refers to the fourth value of the zip64 field, which `widen` has found to be zero.
    let in_zip64 = rest.disk == 0xFFFF && zip64.is_some_and(|body| body.len() % 8 == 4);
    if rest.disk != 0 && !in_zip64 {
        findings.add(Kind::Disks, place, || format!("it is said to be on disk {}", rest.disk));
    }
    if rest.comment > 0 {
        findings.add(Kind::Comment, place, || format!("it has a comment of {} bytes", rest.comment));
    }
    if length > HEADER_BYTES_MAX {
        findings.add(Kind::HeaderLength, place, || format!("its directory header takes {length} bytes"));
    }
}

fn check_method(entry: &Entry, place: Place<'_>, findings: &mut Findings) {
    let Entry { method, flags, size, compressed, .. } = *entry;
    if method != 0 {
        findings.add(Kind::Method, place, || {
            format!("compressed by method {method}, so its contents were not checked")
        });
    }
    if flags & FLAGS_ENCRYPTED != 0 {
        findings.add(Kind::Encrypted, place, || "encrypted, so its contents were not checked".into());
    } else if method == 0 && size != compressed {
        findings.add(Kind::Sizes, place, || format!("stored {size} bytes in {compressed}"));
    }
    if flags & FLAG_DESCRIPTOR != 0 {
        findings.add(Kind::DataDescriptor, place, || "its sizes and CRC follow the data".into());
    }
    if (flags | FLAG_DESCRIPTOR | FLAGS_ENCRYPTED) != (FLAG_UTF8 | FLAG_DESCRIPTOR | FLAGS_ENCRYPTED) {
        findings.add(Kind::Flags, place, || format!("its flags are {flags:#06x}, usual is {FLAG_UTF8:#06x}"));
    }
}

fn check_time(entry: &Entry, place: Place<'_>, findings: &mut Findings) {
    if !entry.dos.is_valid() {
        findings.add(Kind::Time, place, || format!("its date and time {:#010x} do not exist", entry.dos.0));
    }
    match entry.mtime {
        Some(seconds) => {
            if canonical(seconds.into()) != (entry.dos, Some(seconds)) {
                let what = "its DOS time is not its exact time in UTC, or the exact time is before 1970";
                findings.add(Kind::Time, place, || what.into());
            }
        }
        // Only times that 31 bits do not hold are left out, and before 1980 all DOS times are the first.
        None => {
            if entry.dos > DosTime::of(0) && entry.dos < DosTime::of(i64::from(i32::MAX)) {
                findings.add(Kind::Time, place, || "it has no exact time".into());
            }
        }
    }
}
