//! Checksums of stretches of bytes that can be joined without seeing the bytes again.

use crc_fast::{CrcAlgorithm, Digest, checksum_combine};
use serde::{Deserialize, Serialize};

/// The CRC-32 (ISO-HDLC, the one of ZIP and of S3's `CRC32`) of some bytes, with how many there were.
///
/// The length travels with the value because joining two stretches needs the length of the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crc {
    /// The CRC-32.
    pub value: u32,
    /// How many bytes it covers.
    pub bytes: u64,
    /// The CRC-64/NVME of the same bytes, where it is needed to compare with what S3 stores.
    pub crc64: Option<u64>,
}

impl Crc {
    /// The CRC of no bytes.
    pub const EMPTY: Self = Self { value: 0, bytes: 0, crc64: None };

    /// A CRC-32 known from elsewhere, of `bytes` bytes.
    #[must_use]
    pub const fn known(value: u32, bytes: u64) -> Self {
        Self { value, bytes, crc64: None }
    }

    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::known(crc32fast::hash(bytes), bytes.len() as u64)
    }

    /// The CRC of what follows `head` in this stretch, which begins with it; of CRC-32 only.
    ///
    /// # Panics
    /// When `head` is longer than this stretch.
    #[must_use]
    pub fn after(self, head: Self) -> Self {
        let bytes = self.bytes.checked_sub(head.bytes).expect("a stretch begins with its head");
        // Joining is linear: the head's CRC, moved over the rest, and the rest's are added without carry.
        Self::known(self.value ^ head.then(Self::known(0, bytes)).value, bytes)
    }

    /// The CRC of this stretch followed by `next`; of both kinds if both stretches have both.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        if self.bytes == 0 {
            return next;
        }
        if next.bytes == 0 {
            return self;
        }
        let mut joined = crc32fast::Hasher::new_with_initial_len(self.value, self.bytes);
        joined.combine(&crc32fast::Hasher::new_with_initial_len(next.value, next.bytes));
        let crc64 = self.crc64.zip(next.crc64);
        Self {
            value: joined.finalize(),
            bytes: self.bytes + next.bytes,
            crc64: crc64
                .map(|(first, second)| checksum_combine(CrcAlgorithm::Crc64Nvme, first, second, next.bytes)),
        }
    }
}

/// Which checksum of a whole object S3 stores. One of type COMPOSITE says nothing of the object's bytes: it
/// is the checksum of its parts' checksums, and is never compared. But those can be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredKind {
    /// None that says anything of the object's bytes.
    #[default]
    None,
    /// Its CRC-32, as SDKs send it.
    Crc32,
    /// Its CRC-64/NVME, which S3 computes by itself when the client sends nothing.
    Crc64Nvme,
    /// The CRC-32 of each of the parts it was uploaded in, to be asked for and joined.
    Crc32OfParts,
}

impl StoredKind {
    /// Whether ours is compared with it. A CRC-64/NVME is a second hash of every byte, which is only worth
    /// it where the way to S3 is not encrypted: TLS notices damage by itself.
    #[must_use]
    pub fn is_compared(self, is_encrypted: bool) -> bool {
        match self {
            Self::None | Self::Crc32OfParts => false,
            Self::Crc32 => true,
            Self::Crc64Nvme => !is_encrypted,
        }
    }
}

/// A checksum of a whole object as S3 stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredChecksum {
    /// Its CRC-32.
    Crc32(u32),
    /// Its CRC-64/NVME.
    Crc64Nvme(u64),
}

impl StoredChecksum {
    /// Which kind it is.
    #[must_use]
    pub fn kind(self) -> StoredKind {
        match self {
            Self::Crc32(_) => StoredKind::Crc32,
            Self::Crc64Nvme(_) => StoredKind::Crc64Nvme,
        }
    }

    /// Whether `crc`, of the whole object, is the same; `None` when it does not tell.
    #[must_use]
    pub fn agrees_with(self, crc: Crc) -> Option<bool> {
        match self {
            Self::Crc32(stored) => Some(stored == crc.value),
            Self::Crc64Nvme(stored) => crc.crc64.map(|ours| stored == ours),
        }
    }
}

/// Hashes bytes as they arrive.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    crc32: crc32fast::Hasher,
    crc64: Option<Digest>,
    bytes: u64,
}

impl Hasher {
    /// A hasher of CRC-32, and of CRC-64/NVME too where that is what will be compared.
    #[must_use]
    pub fn new(stored: StoredKind) -> Self {
        let crc64 = (stored == StoredKind::Crc64Nvme).then(|| Digest::new(CrcAlgorithm::Crc64Nvme));
        Self { crc64, ..Self::default() }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.crc32.update(bytes);
        if let Some(crc64) = &mut self.crc64 {
            crc64.update(bytes);
        }
        self.bytes += bytes.len() as u64;
    }

    /// The CRC of everything taken in so far.
    #[must_use]
    pub fn finish(&self) -> Crc {
        let crc64 = self.crc64.as_ref().map(Digest::finalize);
        Crc { value: self.crc32.clone().finalize(), bytes: self.bytes, crc64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(bytes: &[u8]) -> Crc {
        let mut hasher = Hasher::new(StoredKind::Crc64Nvme);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn check_values() {
        let crc = both(b"123456789");
        assert_eq!((crc.value, crc.crc64), (0xCBF4_3926, Some(0xAE8B_1486_0A79_9888)));
        assert_eq!(StoredChecksum::Crc64Nvme(0xAE8B_1486_0A79_9888).agrees_with(crc), Some(true));
        assert_eq!(StoredChecksum::Crc64Nvme(1).agrees_with(crc), Some(false));
        assert_eq!(StoredChecksum::Crc64Nvme(1).agrees_with(Crc::of(b"123456789")), None);
        assert_eq!(StoredChecksum::Crc32(0xCBF4_3926).agrees_with(crc), Some(true));
    }

    proptest! {
        #[test]
        fn joining_equals_hashing_the_whole(bytes: Vec<u8>, cut: prop::sample::Index) {
            let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(Crc::of(first).then(Crc::of(second)), Crc::of(&bytes));
            let joined = both(first).then(both(second));
            prop_assert_eq!(joined, both(&bytes));
            prop_assert_eq!(Crc::of(&bytes).after(Crc::of(first)), Crc::of(second));
            // One stretch without the second kind leaves the whole without it.
            if !first.is_empty() && !second.is_empty() {
                prop_assert_eq!(joined.value, Crc::of(first).then(both(second)).value);
                prop_assert_eq!(Crc::of(first).then(both(second)).crc64, None);
            }
        }
    }
}
