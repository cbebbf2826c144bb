//! S3's checksums: five algorithms, of a whole object or of its parts' checksums.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{Sha1, Sha256};

use super::crc::Crc;
use super::rope::Rope;

/// A checksum algorithm of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32, as in ZIP.
    Crc32,
    /// CRC-32C.
    Crc32c,
    /// CRC-64/NVME, S3's default.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// What a checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumKind {
    /// All bytes of the object, whatever its parts.
    FullObject,
    /// The checksums of the parts one after the other.
    Composite,
}

/// The checksum S3 stores with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: Algorithm,
    /// Of what it was computed.
    pub kind: ChecksumKind,
    /// In base64, with `-N` after it when it is of N parts.
    pub value: String,
}

/// A name that is no algorithm of S3.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not one of CRC32, CRC32C, CRC64NVME, SHA1, SHA256")]
pub struct UnknownAlgorithm(String);

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// S3's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    fn crc(self) -> Option<Crc> {
        match self {
            Self::Crc32 => Some(Crc::Crc32),
            Self::Crc32c => Some(Crc::Crc32c),
            Self::Crc64Nvme => Some(Crc::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// The checksum of content in base64.
    pub(crate) fn of(self, content: &Rope) -> String {
        let digest = match self.crc() {
            Some(crc) => crc_bytes(crc, content.crc(crc)),
            None => self.sha(content.chunks()),
        };
        STANDARD.encode(digest)
    }

    fn sha(self, chunks: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
        fn hash<H: s3s::crypto::Checksum>(chunks: impl Iterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
            let mut hash = H::new();
            chunks.for_each(|chunk| hash.update(chunk.as_ref()));
            hash.finalize().as_ref().to_vec()
        }
        if self == Self::Sha1 { hash::<Sha1>(chunks) } else { hash::<Sha256>(chunks) }
    }

    /// The checksum of a multipart object from its parts' checksums, in base64, and sizes in bytes. No
    /// checksum of a whole object can be had of SHA.
    pub(crate) fn of_parts(self, kind: ChecksumKind, parts: &[(&str, u64)]) -> Option<String> {
        let digests = parts.iter().map(|(value, size)| (STANDARD.decode(value).unwrap_or_default(), *size));
        match kind {
            ChecksumKind::Composite => {
                let joined = Rope::from(digests.flat_map(|(digest, _)| digest).collect::<Vec<u8>>());
                Some(format!("{}-{}", self.of(&joined), parts.len()))
            }
            ChecksumKind::FullObject => {
                let crc = self.crc()?;
                let number = |digest: Vec<u8>| digest.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
                let sum = digests.fold(0, |sum, (digest, size)| crc.join(sum, number(digest), size));
                Some(STANDARD.encode(crc_bytes(crc, sum)))
            }
        }
    }
}

fn crc_bytes(crc: Crc, value: u64) -> Vec<u8> {
    value.to_be_bytes()[8 - crc.width()..].to_vec()
}

impl Checksum {
    /// The checksum of all bytes of an object.
    pub(crate) fn full(algorithm: Algorithm, content: &Rope) -> Self {
        Self { algorithm, kind: ChecksumKind::FullObject, value: algorithm.of(content) }
    }
}

impl ChecksumKind {
    /// S3's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|a| a.name() == text).ok_or_else(|| UnknownAlgorithm(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_checksum_of_the_whole() {
        let whole = Rope::synthetic(3, 50_000_000);
        let cuts = [0, 7, 20_000_000, 50_000_000];
        let ropes: Vec<Rope> = cuts.windows(2).map(|w| whole.slice(w[0]..w[1])).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let values: Vec<String> = ropes.iter().map(|rope| algorithm.of(rope)).collect();
            let parts: Vec<(&str, u64)> =
                values.iter().zip(&ropes).map(|(value, rope)| (value.as_str(), rope.len())).collect();
            assert_eq!(
                algorithm.of_parts(ChecksumKind::FullObject, &parts),
                Some(algorithm.of(&Rope::from(whole.to_bytes()))),
                "{algorithm}"
            );
        }
    }

    #[test]
    fn a_composite_is_the_checksum_of_the_digests() {
        // Two parts `a` and `b`: the digests of both, hashed once more.
        let values = [Algorithm::Sha256.of(&"a".into()), Algorithm::Sha256.of(&"b".into())];
        let digests: Vec<u8> = values.iter().flat_map(|value| STANDARD.decode(value).unwrap()).collect();
        assert_eq!(
            Algorithm::Sha256.of_parts(ChecksumKind::Composite, &[(&values[0], 1), (&values[1], 1)]),
            Some(format!("{}-2", Algorithm::Sha256.of(&digests.into())))
        );
    }
}
