//! CRC-32 of stretches of bytes that can be joined without seeing the bytes again.

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
}

impl Crc {
    /// The CRC of no bytes.
    pub const EMPTY: Self = Self { value: 0, bytes: 0 };

    /// Hashes `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { value: crc32fast::hash(bytes), bytes: bytes.len() as u64 }
    }

    /// The CRC of this stretch followed by `next`.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let mut joined = crc32fast::Hasher::new_with_initial_len(self.value, self.bytes);
        joined.combine(&crc32fast::Hasher::new_with_initial_len(next.value, next.bytes));
        Self { value: joined.finalize(), bytes: self.bytes + next.bytes }
    }
}

/// Hashes bytes as they arrive.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    inner: crc32fast::Hasher,
    bytes: u64,
}

impl Hasher {
    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// The CRC of everything taken in so far.
    #[must_use]
    pub fn finish(&self) -> Crc {
        Crc { value: self.inner.clone().finalize(), bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn joining_equals_hashing_the_whole(bytes: Vec<u8>, cut: prop::sample::Index) {
            let cut = cut.index(bytes.len() + 1);
            let joined = Crc::of(&bytes[..cut]).then(Crc::of(&bytes[cut..]));
            prop_assert_eq!(joined, Crc::of(&bytes));
            let mut hasher = Hasher::default();
            hasher.update(&bytes[..cut]);
            hasher.update(&bytes[cut..]);
            prop_assert_eq!(hasher.finish(), joined);
        }
    }
}
