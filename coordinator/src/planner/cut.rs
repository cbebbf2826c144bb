//! Where parts end.
//!
//! Small entries are packed until a part has the size aimed at. An entry too large for one part gets a
//! header part of no more than S3's minimum, because that part has to wait for all the others, and then
//! equal parts of nothing but its data, the last of which ends where the entry does. Those may be copied by S3,
//! where that pays; then the header rides in the open part, topped up with as little of the entry's own data as
//! S3's minimum asks for.

use std::ops::Range;

use proto::crc::StoredKind;
use proto::failure::{Failure, FailureKind};
use proto::limits::{
    BODIES_PER_PART, DIRECTORY_PART_BYTES, LITERAL_BYTES_AIM, MIB, PART_BYTES_AIM_MAX, PART_BYTES_MIN,
    PARTS_MAX,
};
use proto::plan::{Part, Way};

use super::bad_request;
use super::economy::{Economy, doublings};

/// How large each part is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSizes {
    first_bytes: u64,
    cap_bytes: u64,
}

impl PartSizes {
    /// Parts of `fixed` bytes, or parts of `usual` bytes that grow with their number; never above `cap_bytes`.
    ///
    /// # Errors
    /// When the fixed size is below S3's minimum or above the cap.
    pub fn new(fixed: Option<u64>, usual: u64, cap_bytes: u64) -> Result<Self, Failure> {
        let Some(bytes) = fixed else {
            return Ok(Self { first_bytes: usual.min(cap_bytes), cap_bytes });
        };
        if !(PART_BYTES_MIN..=PART_BYTES_AIM_MAX).contains(&bytes) {
            return Err(bad_request(format!(
                "a part size must lie between 5 MiB and 5110 MiB, a little below S3's 5 GiB, not {bytes} bytes"
            )));
        }
        if bytes > cap_bytes {
            let (wanted, cap) = (bytes.div_ceil(MIB), cap_bytes / MIB);
            return Err(bad_request(format!(
                "parts of {wanted} MiB do not fit the memory of a node, which allows {cap} MiB: raise --memory or lower --part-size"
            )));
        }
        Ok(Self { first_bytes: bytes, cap_bytes: bytes })
    }

    /// The size aimed at for the part at `index`.
    fn aim(self, index: usize) -> u64 {
        (self.first_bytes << doublings(index)).min(self.cap_bytes)
    }
}

/// Cuts an archive into parts as its entries come.
#[derive(Debug)]
pub(super) struct Cutter {
    sizes: PartSizes,
    economy: Economy,
    /// Where the open part begins.
    start: u64,
    /// Where the next entry begins.
    at: u64,
    /// First entry of the open part.
    first_header: u32,
    /// Entries so far.
    entries: u32,
    /// Entries with data in the open part.
    bodies: usize,
    /// Bytes of headers in the open part.
    literal_bytes: u64,
}

impl Cutter {
    pub(super) fn new(sizes: PartSizes, economy: Economy) -> Self {
        Self { sizes, economy, start: 0, at: 0, first_header: 0, entries: 0, bodies: 0, literal_bytes: 0 }
    }

    /// Where the next entry begins, in bytes from the start of the archive.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    /// Notes that so many bytes of objects are about to be placed.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.economy.expect(bytes);
    }

    /// Places an entry with a header of `header` bytes and `size` bytes of data, of which S3 stores such a checksum;
    /// returns its offset.
    pub(super) fn add(
        &mut self,
        header: u64,
        size: u64,
        stored: StoredKind,
        parts: &mut Vec<Part>,
    ) -> Result<u64, Failure> {
        self.economy.placed(size);
        let alone = header.saturating_add(size);
        let open = self.at - self.start;
        let head = PART_BYTES_MIN.saturating_sub(open + header).min(size);
        if self.economy.copies(size - head, stored, parts.len()) {
            return self.add_copied(header, head, size, parts);
        }
        let crowded = open.saturating_add(alone) > self.sizes.aim(parts.len());
        if crowded && open >= PART_BYTES_MIN {
            self.close(parts)?;
        }
        let offset = self.at;
        self.entries += 1;
        self.bodies += usize::from(size > 0);
        self.literal_bytes += header;
        let open = self.at - self.start;
        let head = PART_BYTES_MIN.saturating_sub(open + header).min(size);
        let rest = size - head;
        // A part may be larger than aimed at by S3's minimum: rather that than two parts, one waiting.
        let is_large = open.saturating_add(alone) > self.sizes.aim(parts.len()) + PART_BYTES_MIN;
        if is_large && rest >= PART_BYTES_MIN {
            self.at += header + head;
            self.close(parts)?;
            self.spread(rest, Way::Streamed, parts)?;
        } else {
            self.at += alone;
            if self.is_full(parts.len()) {
                self.close(parts)?;
            }
        }
        Ok(offset)
    }

    /// Places an entry of whose data only `head` bytes, which may be none, go through a node.
    fn add_copied(
        &mut self,
        header: u64,
        head: u64,
        size: u64,
        parts: &mut Vec<Part>,
    ) -> Result<u64, Failure> {
        let offset = self.at;
        self.entries += 1;
        self.at += header + head;
        self.close(parts)?;
        self.spread(size - head, Way::Copied, parts)?;
        Ok(offset)
    }

    /// Cuts `rest` bytes of an entry's data into equal parts.
    fn spread(&mut self, mut rest: u64, way: Way, parts: &mut Vec<Part>) -> Result<(), Failure> {
        while rest > 0 {
            let aim = match way {
                Way::Streamed => self.sizes.aim(parts.len()),
                Way::Copied => self.economy.copy_bytes(parts.len()),
            };
            let many = rest.div_ceil(aim);
            // Slightly larger parts rather than any below S3's minimum.
            let count = if rest / many >= PART_BYTES_MIN { many } else { (rest / aim).max(1) };
            let take = rest.div_ceil(count);
            self.at += take;
            rest -= take;
            self.close_with(way, 0..0, parts)?;
        }
        Ok(())
    }

    fn is_full(&self, index: usize) -> bool {
        let open = self.at - self.start;
        let aim = self.sizes.aim(index);
        // A third of the aim keeps the number of parts within reach of 10,000 even when all are crowded.
        open >= aim.max(PART_BYTES_MIN)
            || (self.bodies >= BODIES_PER_PART && open >= PART_BYTES_MIN.max(aim / 3))
            || (self.literal_bytes >= LITERAL_BYTES_AIM && open >= PART_BYTES_MIN)
    }

    /// Lays out the directory: what is still open is too small for a part of its own and goes in front
    /// of it, unless S3's minimum is already reached.
    pub(super) fn finish(
        &mut self,
        central_headers: impl Iterator<Item = u64>,
        end_records: u64,
        parts: &mut Vec<Part>,
    ) -> Result<(), Failure> {
        if self.at - self.start >= PART_BYTES_MIN {
            self.close(parts)?;
        }
        let mut records: Range<u32> = 0..0;
        for length in central_headers {
            if self.at - self.start >= DIRECTORY_PART_BYTES {
                self.close_with(Way::Streamed, records.clone(), parts)?;
                records.start = records.end;
            }
            self.at += length;
            records.end += 1;
        }
        self.at += end_records;
        self.close_with(Way::Streamed, records, parts)
    }

    fn close(&mut self, parts: &mut Vec<Part>) -> Result<(), Failure> {
        self.close_with(Way::Streamed, 0..0, parts)
    }

    fn close_with(&mut self, way: Way, directory: Range<u32>, parts: &mut Vec<Part>) -> Result<(), Failure> {
        if parts.len() >= PARTS_MAX as usize {
            let mib = self.sizes.aim(parts.len()) / MIB;
            let message = format!(
                "the archive would need more than the 10,000 parts S3 allows, at {mib} MiB a part: \
                 raise --part-size, and --memory with it, or make several archives"
            );
            return Err(Failure::new(FailureKind::TooLarge, message));
        }
        let (bytes, headers) = (self.start..self.at, self.first_header..self.entries);
        parts.push(Part { bytes, way, headers, directory });
        self.start = self.at;
        self.first_header = self.entries;
        self.bodies = 0;
        self.literal_bytes = 0;
        Ok(())
    }
}
