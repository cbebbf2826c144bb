//! Whether an object's bytes go through nodes or are copied by S3: what each way takes, in time and money.

use proto::compose::PADDING_BYTES;
use proto::crc::StoredKind;
use proto::job::Goal;
use proto::limits::{
    COPIES_AT_ONCE, COPY_BYTES_DEFAULT, COPY_BYTES_MAX, FETCH_BYTES, MIB, NETWORK_BYTES_PER_S_DEFAULT,
    PART_BYTES_DEFAULT, PART_BYTES_MIN, PARTS_PER_DOUBLING,
};
use proto::requests::{READ_USD, WRITE_OR_LIST_USD};

use crate::published::{COMPOSING_LATENCY_S, COPY_LATENCY_S, READS_PER_S, WRITES_PER_S};

/// Requests that composing takes for each object: to make its leaf and to merge that with a neighbour. Two of them, to
/// delete what was made, cost nothing.
const COMPOSING_PER_BODY: f64 = 8.0;
/// Requests it takes for each part: for the block of its headers, and to copy it in.
const COMPOSING_PER_PART: f64 = 6.0;
/// A node that carries less than this, in bytes a second, is not near S3: machines there that would be used do more.
const NEAR_BYTES_PER_S: u64 = 50_000_000;
/// US dollars for a byte through a node near S3: c8gn at 50 Gbit/s each way costs 0.042 a terabyte.
const NEAR_USD_PER_BYTE: f64 = 0.042e-12;
/// US dollars for a byte that leaves S3's region for the internet (S3: "Data transfer", first 10 TB a month).
const FAR_USD_PER_BYTE: f64 = 0.09e-9;

/// Which bytes S3 copies by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Copying {
    /// None: all go through nodes.
    Never,
    /// Those for which that pays.
    #[default]
    WhereItPays,
    /// All it can.
    WhereverItCan,
}

/// What there is to make an archive with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Means {
    /// Largest part a node can hold, in bytes.
    pub part_bytes_cap: u64,
    /// How many nodes there are.
    pub nodes: usize,
    /// What they carry together each way, in bytes a second.
    pub bytes_per_second: f64,
    /// Whether nodes are near S3, so that its bytes cost nothing to get.
    pub is_near: bool,
    /// Which bytes S3 copies.
    pub copying: Copying,
    /// Whether S3 tells the CRC-32 of what it copied. AWS does; where it does not, most of it has to be read after all.
    pub tells_crc: bool,
    /// Whether it may be asked to compose parts of what is too small to be copied.
    pub composes: bool,
}

impl Means {
    /// So many nodes, each of which holds parts of so many bytes and carries so many a second.
    #[must_use]
    pub fn of_nodes(nodes: usize, part_bytes_cap: u64, node_bytes_per_second: u64) -> Self {
        Self {
            part_bytes_cap,
            nodes,
            bytes_per_second: nodes as f64 * node_bytes_per_second as f64,
            is_near: node_bytes_per_second >= NEAR_BYTES_PER_S,
            copying: Copying::default(),
            tells_crc: true,
            composes: true,
        }
    }

    /// A node that holds parts of so many bytes, of which nothing else is known.
    #[must_use]
    pub fn new(part_bytes_cap: u64) -> Self {
        Self::of_nodes(1, part_bytes_cap, NETWORK_BYTES_PER_S_DEFAULT)
    }
}

/// What one way to bring bytes into an archive takes.
#[derive(Clone, Copy, Debug)]
struct Takes {
    seconds: f64,
    usd: f64,
}

/// Weighs ways against each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Economy {
    goal: Goal,
    /// Size of all parts, where someone gave one.
    part_bytes: Option<u64>,
    means: Means,
    /// Bytes placed so far.
    placed_bytes: u64,
    /// Bytes known to be placed in the end; more than that where filters leave out some of a page.
    known_bytes: u64,
}

impl Economy {
    pub(super) fn new(goal: Goal, part_bytes: Option<u64>, means: Means) -> Self {
        Self { goal, part_bytes, means, placed_bytes: 0, known_bytes: 0 }
    }

    /// Notes that so many more bytes are about to be placed.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.known_bytes = self.known_bytes.max(self.placed_bytes.saturating_add(bytes));
    }

    /// Bytes known to be still to be placed.
    pub(super) fn left_bytes(&self) -> u64 {
        self.known_bytes - self.placed_bytes
    }

    /// Notes that so many bytes were placed.
    pub(super) fn placed(&mut self, bytes: u64) {
        self.placed_bytes = self.placed_bytes.saturating_add(bytes);
        self.expect(0);
    }

    /// Size to aim at for the first streamed parts, in bytes.
    pub(super) fn part_bytes(&self) -> u64 {
        match self.goal {
            Goal::Speed => PART_BYTES_DEFAULT,
            Goal::Balanced => 2 * PART_BYTES_DEFAULT,
            Goal::Price => 4 * PART_BYTES_DEFAULT,
        }
    }

    /// Size to aim at for a copied part at `index`, in bytes.
    pub(super) fn copy_bytes(&self, index: usize) -> u64 {
        if let Some(bytes) = self.part_bytes {
            return bytes;
        }
        let first = match self.goal {
            Goal::Speed => COPY_BYTES_DEFAULT,
            Goal::Balanced => 4 * COPY_BYTES_DEFAULT,
            Goal::Price => COPY_BYTES_MAX,
        };
        if !self.means.tells_crc {
            // What is known of the whole then serves for its end as well.
            return COPY_BYTES_MAX;
        }
        (first << doublings(index)).min(COPY_BYTES_MAX)
    }

    /// Whether S3 should copy the last `rest` bytes of an object whose stored checksum is `stored`.
    pub(super) fn copies(&self, rest: u64, stored: StoredKind, index: usize) -> bool {
        // Copies take parts, of which there are only so many: the more are gone, the further each has to lead.
        if rest < PART_BYTES_MIN << doublings(index) || self.means.copying == Copying::Never {
            return false;
        }
        if self.means.copying == Copying::WhereverItCan {
            return true;
        }
        !self.is_soon() && self.cost(self.copied(rest, stored, index)) < self.cost(self.streamed(rest))
    }

    /// Whether S3 should compose a part that holds so many bytes of so many objects, and so many of headers.
    pub(super) fn composes(&self, bytes: u64, bodies: usize, literal_bytes: u64) -> bool {
        let may = self.means.composes && bodies > 0;
        match self.means.copying {
            Copying::Never => false,
            Copying::WhereverItCan => may,
            // Where S3 tells no CRCs it would all be read, and then it can as well be sent.
            Copying::WhereItPays => {
                may && self.means.tells_crc
                    && !self.is_soon()
                    && self.cost(self.composed(bytes, bodies, literal_bytes))
                        < self.cost(self.sent(bytes, literal_bytes))
            }
        }
    }

    /// Whether everything would be there before the first copy is, and time counts.
    fn is_soon(&self) -> bool {
        self.goal != Goal::Price && (self.known_bytes as f64 / self.means.bytes_per_second) < COPY_LATENCY_S
    }

    fn cost(&self, takes: Takes) -> f64 {
        // What a second is worth, in US dollars.
        let second = match self.goal {
            Goal::Speed => 1.0,
            Goal::Balanced => 0.01,
            Goal::Price => 0.0,
        };
        takes.usd + second * takes.seconds
    }

    /// Bytes that are fetched and uploaded, as parts of parts that there are anyway.
    fn streamed(&self, bytes: u64) -> Takes {
        let read = self.read(bytes);
        let parts = bytes as f64 / self.part_bytes().min(self.means.part_bytes_cap) as f64;
        Takes { seconds: read.seconds + parts / WRITES_PER_S, usd: read.usd + parts * WRITE_OR_LIST_USD }
    }

    /// The same with headers, which are sent either way and so cost nothing but time beside the bytes.
    fn sent(&self, bytes: u64, literal_bytes: u64) -> Takes {
        let Takes { seconds, usd } = self.streamed(bytes);
        Takes { seconds: seconds.max((bytes + literal_bytes) as f64 / self.means.bytes_per_second), usd }
    }

    fn read(&self, bytes: u64) -> Takes {
        let gets = bytes.div_ceil(FETCH_BYTES) as f64;
        let per_byte = if self.means.is_near { NEAR_USD_PER_BYTE } else { FAR_USD_PER_BYTE };
        Takes {
            seconds: bytes as f64 / self.means.bytes_per_second + gets / READS_PER_S,
            usd: gets * READ_USD + bytes as f64 * per_byte,
        }
    }

    /// A part of so many bytes and objects that is composed. Padding is sent once for all such parts.
    fn composed(&self, bytes: u64, bodies: usize, literal_bytes: u64) -> Takes {
        let each = COMPOSING_PER_BODY * bodies as f64 + COMPOSING_PER_PART;
        let with_deletions = each + 2.0 * bodies as f64;
        let at_once = (self.means.nodes * COPIES_AT_ONCE) as f64;
        let per_s = (at_once / COMPOSING_LATENCY_S).min(WRITES_PER_S);
        let share = bytes as f64 / self.known_bytes.max(1) as f64;
        let sent = literal_bytes as f64 + PADDING_BYTES as f64 * self.means.nodes as f64 * share;
        let seconds = (with_deletions / per_s).max(sent / self.means.bytes_per_second);
        Takes { seconds, usd: each * WRITE_OR_LIST_USD }
    }

    /// Bytes that are copied, which takes parts of their own and cuts short the one before.
    fn copied(&self, bytes: u64, stored: StoredKind, index: usize) -> Takes {
        let writes = 1.0 + bytes.div_ceil(self.copy_bytes(index)) as f64;
        let is_stored = matches!(stored, StoredKind::Crc32 | StoredKind::Crc32OfParts);
        let read = match (self.means.tells_crc, is_stored) {
            (true, _) => Takes { seconds: 0.0, usd: 0.0 },
            // The head once more, or what borders of parts cut.
            (false, true) => self.read(bytes.min(16 * MIB)),
            (false, false) => self.read(bytes),
        };
        Takes { seconds: read.seconds + writes / WRITES_PER_S, usd: read.usd + writes * WRITE_OR_LIST_USD }
    }
}

/// How often sizes have doubled by the part at `index`.
pub(super) fn doublings(index: usize) -> usize {
    (index / PARTS_PER_DOUBLING as usize).min(20)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether an object of so many bytes is copied, of very many like it.
    fn copies(goal: Goal, gbit_per_s: f64, bytes: u64) -> bool {
        let means = Means::of_nodes(1, 64 * MIB, (gbit_per_s * 1.25e8) as u64);
        let mut economy = Economy::new(goal, None, means);
        economy.expect(u64::MAX);
        economy.copies(bytes, StoredKind::None, 0)
    }

    #[test]
    fn the_faster_the_fleet_the_larger_what_is_worth_a_copy() {
        for (gbit_per_s, least) in [(1.0, 5), (400.0, 9), (1_600.0, 10)] {
            let smallest = (5..200).find(|mib| copies(Goal::Speed, gbit_per_s, mib * MIB));
            assert_eq!(smallest, Some(least), "{gbit_per_s} Gbit/s");
        }
    }

    #[test]
    fn what_is_done_before_the_first_copy_would_be_is_streamed() {
        let mut economy = Economy::new(Goal::Speed, None, Means::new(64 * MIB));
        economy.expect(100 * MIB);
        assert!(!economy.copies(100 * MIB, StoredKind::None, 0));
        economy.expect(10_000 * MIB);
        assert!(economy.copies(100 * MIB, StoredKind::None, 0));
    }

    #[test]
    fn for_price_requests_count_near_s3_and_bytes_far_from_it() {
        assert!(!copies(Goal::Price, 10.0, 20 * MIB));
        assert!(copies(Goal::Price, 10.0, 200 * MIB));
        assert!(copies(Goal::Price, 0.1, 5 * MIB), "each byte that leaves the region is paid for");
        let many = Means::of_nodes(80, 64 * MIB, 12_500_000);
        assert!(!many.is_near, "many far nodes are far all the same");
    }

    #[test]
    fn what_is_less_than_padding_and_headers_is_not_composed() {
        let composes = |known: u64, bytes_per_s: f64, bytes: u64, bodies: usize| {
            let means = Means { bytes_per_second: bytes_per_s, is_near: false, ..Means::new(64 * MIB) };
            let mut economy = Economy::new(Goal::Speed, None, means);
            economy.expect(known);
            economy.composes(bytes, bodies, 110 * bodies as u64)
        };
        assert!(composes(15_000 * MIB, 12.5e6, 15 * MIB, 3));
        assert!(composes(60 * MIB, 1e6, 15 * MIB, 3));
        assert!(!composes(2_400_000, 1e6, 2_400_000, 8), "padding is more");
        assert!(!composes(15_000 * MIB, 12.5e6, 5 * MIB, 500), "requests take longer");
        assert!(!composes(15_000 * MIB, 12.5e6, 0, 0));
    }

    #[test]
    fn what_would_have_to_be_read_all_the_same_is_streamed() {
        let means = Means { tells_crc: false, bytes_per_second: 1e9, ..Means::new(64 * MIB) };
        let mut economy = Economy::new(Goal::Speed, None, means);
        economy.expect(u64::MAX);
        let copies = |stored| economy.copies(6 * MIB, stored, 0);
        assert!(!copies(StoredKind::None) && !copies(StoredKind::Crc64Nvme));
        let copies = |stored| economy.copies(1_000 * MIB, stored, 0);
        assert!(copies(StoredKind::Crc32) && copies(StoredKind::Crc32OfParts));
        let means = Means { copying: Copying::Never, ..means };
        assert!(!Economy::new(Goal::Speed, None, means).copies(1_000 * MIB, StoredKind::Crc32, 0));
    }
}
