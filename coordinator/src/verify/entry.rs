//! An entry, as the central directory describes it (4.3.12).

use super::time::DosTime;

/// Sizes and CRC follow the contents (4.4.4).
pub(super) const FLAG_DESCRIPTOR: u16 = 1 << 3;
/// The name is UTF-8 (4.4.4).
pub(super) const FLAG_UTF8: u16 = 1 << 11;
/// Encrypted, strongly encrypted, directory encrypted (4.4.4).
pub(super) const FLAGS_ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;

/// One entry as the directory describes it: 64 bytes and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name as stored.
    pub name: Box<[u8]>,
    /// Offset of its local header, in bytes.
    pub offset: u64,
    /// Its size, in bytes.
    pub size: u64,
    /// How many bytes it takes in the archive.
    pub compressed: u64,
    /// CRC-32 of its contents.
    pub crc: u32,
    /// Exact modification time, in seconds since 1970 UTC.
    pub mtime: Option<i32>,
    /// DOS date (high half) and time.
    pub(super) dos: DosTime,
    /// Compression method (4.4.5).
    pub method: u16,
    /// General purpose flags (4.4.4).
    pub flags: u16,
    /// Version needed to extract it (4.4.3).
    pub(super) version: u16,
}

const _: () = assert!(size_of::<Entry>() <= 64);

impl Entry {
    /// Whether its contents are in the archive as they are, so that they can be checked.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.method == 0 && self.flags & FLAGS_ENCRYPTED == 0 && self.compressed == self.size
    }
}
