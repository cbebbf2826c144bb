//! The three CRCs S3 knows, as numbers that can be joined without the bytes they were made of.
//!
//! All three are reflected, start from all ones and end inverted, so one arithmetic over GF(2) serves them:
//! a CRC is moved past `n` bytes by multiplying it with x^(8n), and the CRC of a concatenation is the first
//! CRC moved past the second stretch, plus the second CRC.

use crc_fast::CrcAlgorithm;

/// One of S3's CRCs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crc {
    /// CRC-32/ISO-HDLC, which is also ZIP's.
    Crc32,
    /// CRC-32/ISCSI.
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
}

/// The polynomial of a CRC and the powers of x that move a CRC past 2^k bytes.
struct Field {
    algorithm: CrcAlgorithm,
    width: u32,
    polynomial: u64,
    past: [u64; 64],
}

static CRC32: Field = Field::new(CrcAlgorithm::Crc32IsoHdlc, 32, 0xedb8_8320);
static CRC32C: Field = Field::new(CrcAlgorithm::Crc32Iscsi, 32, 0x82f6_3b78);
static CRC64NVME: Field = Field::new(CrcAlgorithm::Crc64Nvme, 64, 0x9a6c_9329_ac4b_c9b5);

impl Field {
    const fn new(algorithm: CrcAlgorithm, width: u32, polynomial: u64) -> Self {
        let mut field = Self { algorithm, width, polynomial, past: [0; 64] };
        // x^8: in reflected order the highest bit is x^0.
        field.past[0] = 1 << (width - 1 - 8);
        let mut k = 1;
        while k < 64 {
            field.past[k] = field.multiply(field.past[k - 1], field.past[k - 1]);
            k += 1;
        }
        field
    }

    const fn multiply(&self, a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        let mut i = 0;
        while i < self.width {
            product ^= b & ((a >> (self.width - 1 - i)) & 1).wrapping_neg();
            b = (b >> 1) ^ (self.polynomial & (b & 1).wrapping_neg());
            i += 1;
        }
        product
    }
}

impl Crc {
    fn field(self) -> &'static Field {
        match self {
            Self::Crc32 => &CRC32,
            Self::Crc32c => &CRC32C,
            Self::Crc64Nvme => &CRC64NVME,
        }
    }

    /// The size of its value in bytes.
    pub(crate) fn width(self) -> usize {
        self.field().width as usize / 8
    }

    /// The CRC of `bytes`; the CRC of nothing is 0.
    pub(crate) fn of(self, bytes: &[u8]) -> u64 {
        crc_fast::checksum(self.field().algorithm, bytes)
    }

    /// The CRC of a first stretch followed by a second one of `second_len` bytes.
    ///
    /// Given a prefix as `first` and a longer prefix as `second`, it is the CRC of what lies between them:
    /// over GF(2) taking away is adding.
    pub(crate) fn join(self, first: u64, second: u64, second_len: u64) -> u64 {
        let field = self.field();
        let mut moved = first;
        let mut left = second_len;
        while left != 0 {
            moved = field.multiply(field.past[left.trailing_zeros() as usize], moved);
            left &= left - 1;
        }
        moved ^ second
    }

    /// The CRC of a stretch of `len` bytes with the given CRC, `times` times over.
    pub(crate) fn repeat(self, crc: u64, len: u64, times: u64) -> u64 {
        let (mut doubled, mut doubled_len) = (crc, len);
        let mut all = 0;
        let mut left = times;
        while left != 0 {
            if left & 1 == 1 {
                all = self.join(all, doubled, doubled_len);
            }
            left >>= 1;
            if left != 0 {
                doubled = self.join(doubled, doubled, doubled_len);
                doubled_len *= 2;
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Crc; 3] = [Crc::Crc32, Crc::Crc32c, Crc::Crc64Nvme];

    #[test]
    fn check_values_of_the_catalogue() {
        assert_eq!(Crc::Crc32.of(b"123456789"), 0xcbf4_3926);
        assert_eq!(Crc::Crc32c.of(b"123456789"), 0xe306_9283);
        assert_eq!(Crc::Crc64Nvme.of(b"123456789"), 0xae8b_1486_0a79_9888);
    }

    #[test]
    fn joined_repeated_and_taken_away_as_if_hashed() {
        let text = b"a stretch of bytes that is cut everywhere";
        for crc in ALL {
            let whole = crc.of(text);
            for cut in 0..=text.len() {
                let (head, tail) = text.split_at(cut);
                assert_eq!(crc.join(crc.of(head), crc.of(tail), tail.len() as u64), whole);
                assert_eq!(crc.join(crc.of(head), whole, tail.len() as u64), crc.of(tail));
            }
            for times in 0..9 {
                assert_eq!(crc.repeat(whole, text.len() as u64, times as u64), crc.of(&text.repeat(times)));
            }
        }
    }
}
