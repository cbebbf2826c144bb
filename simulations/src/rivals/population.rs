//! The objects that are to become one archive.

use proto::limits::MIB;

/// Objects of one kind, in key order.
pub(super) struct Population {
    /// Its heading.
    pub(super) title: &'static str,
    /// Size of each object, in bytes.
    pub(super) sizes: Vec<u64>,
}

impl Population {
    fn of(title: &'static str, count: usize, bytes: u64) -> Self {
        Self { title, sizes: vec![bytes; count] }
    }

    /// The one that the rivals were made for and measured with.
    pub(super) fn headline() -> Self {
        Self::of_contest(3_000)
    }

    /// So many objects of its kind.
    pub(super) fn of_contest(objects: u64) -> Self {
        let mut rng = SplitMix64(5);
        let title = "3,000 objects of N(5 MiB, 1 MiB), none below 2 or above 8 MiB";
        Self { title, sizes: (0..objects).map(|_| rng.normal(5, 1, 2..=8)).collect() }
    }

    /// Those that it leaves out.
    pub(super) fn others() -> [Self; 5] {
        [
            Self::of("All small: 10,000 objects of 1 MB", 10_000, 1_000_000),
            Self::of("All large: 300 objects of 100 MB", 300, 100_000_000),
            Self::of("One object of 20 GB", 1, 20_000_000_000),
            Self::of("100,000 objects of 100 KB", 100_000, 100_000),
            Self::of("1,000,000 objects of 10 KB", 1_000_000, 10_000),
        ]
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.sizes.len() as u64
    }

    /// All their bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.sizes.iter().sum()
    }

    /// Bytes of the largest.
    pub(super) fn largest(&self) -> u64 {
        self.sizes.iter().copied().max().unwrap_or(0)
    }

    /// Pages of a thousand in which S3 lists them.
    pub(super) fn pages(&self) -> u64 {
        self.count().div_ceil(1_000)
    }
}

/// Steele, Lea and Flood's generator: the same everywhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A normal deviate in MiB, as the sum of twelve uniform ones: logarithms and cosines differ between machines.
    fn normal(&mut self, mean: u64, deviation: u64, within: std::ops::RangeInclusive<u64>) -> u64 {
        let twelve: u64 = (0..12).map(|_| self.next() % (deviation * MIB)).sum();
        (mean * MIB + twelve)
            .saturating_sub(6 * deviation * MIB)
            .clamp(within.start() * MIB, within.end() * MIB)
    }
}
