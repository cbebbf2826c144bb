//! Where parts end.
//!
//! Small entries are packed until a part has the size aimed at. An entry too large for one part gets a
//! header part of no more than S3's minimum, because that part has to wait for all the others, and then
//! equal parts of nothing but its data, the last of which ends where the entry does. Those may be copied by S3,
//! where that pays; then the header rides in the open part, topped up with as little of the entry's own data as
//! S3's minimum asks for. What is packed may be composed by S3, where that pays.
//!
//! Where a part of the archive is aimed at more than a node can hold, all of that goes for leaves instead, which
//! are gathered to a segment until that is about as large as aimed at.

use std::ops::Range;

use proto::crc::StoredKind;
use proto::failure::{Failure, FailureKind};
use proto::limits::{
    ARCHIVE_BYTES_MAX, BODIES_PER_PART, DIRECTORY_PART_BYTES, LITERAL_BYTES_AIM, MIB, PART_BYTES_MIN,
    PARTS_MAX,
};
use proto::plan::{Part, PartNumber, Way};

use super::economy::Economy;
use super::sizes::PartSizes;

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
    /// Bytes of objects in it.
    data_bytes: u64,
    /// Parts of the archive's own upload so far.
    archive_parts: usize,
    /// Segments that are joined.
    segments: u32,
    /// Leaves of the segment after those.
    leaves: usize,
    /// Where the first of these begins.
    segment_start: u64,
}

impl Cutter {
    pub(super) fn new(sizes: PartSizes, economy: Economy) -> Self {
        Self {
            sizes,
            economy,
            start: 0,
            at: 0,
            first_header: 0,
            entries: 0,
            bodies: 0,
            literal_bytes: 0,
            data_bytes: 0,
            archive_parts: 0,
            segments: 0,
            leaves: 0,
            segment_start: 0,
        }
    }

    /// Where the next entry begins, in bytes from the start of the archive.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    /// Notes that so many bytes of objects are about to be placed.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.economy.expect(bytes);
        self.sizes.keep_up(self.economy.left_bytes(), self.archive_parts);
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
        if self.at.saturating_add(alone) > ARCHIVE_BYTES_MAX {
            return Err(self.too_large());
        }
        let open = self.at - self.start;
        let head = PART_BYTES_MIN.saturating_sub(open + header).min(size);
        if self.economy.copies(size - head, stored, self.scarcity()) {
            return self.add_copied(header, head, size, parts);
        }
        if open + alone > self.aim() && open >= PART_BYTES_MIN {
            self.close_packed(parts)?;
        }
        let offset = self.at;
        let open = self.at - self.start;
        let head = PART_BYTES_MIN.saturating_sub(open + header).min(size);
        let rest = size - head;
        // A part may be larger than aimed at by S3's minimum: rather that than two parts, one waiting.
        let is_large = open + alone > self.aim() + PART_BYTES_MIN;
        if is_large && rest >= PART_BYTES_MIN {
            self.place(header, head);
            self.close_packed(parts)?;
            self.spread(rest, Way::Streamed, parts)?;
        } else {
            self.place(header, size);
            if self.is_full() {
                self.close_packed(parts)?;
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
        self.place(header, head);
        self.close_packed(parts)?;
        self.spread(size - head, Way::Copied, parts)?;
        Ok(offset)
    }

    /// Puts an entry's header into the open part, and so many bytes of its data.
    fn place(&mut self, header: u64, data: u64) {
        self.entries += 1;
        self.bodies += usize::from(data > 0);
        self.literal_bytes += header;
        self.data_bytes += data;
        self.at += header + data;
    }

    /// Cuts `rest` bytes of an entry's data into equal parts.
    fn spread(&mut self, mut rest: u64, way: Way, parts: &mut Vec<Part>) -> Result<(), Failure> {
        while rest > 0 {
            let aim = if way == Way::Copied { self.copy_aim() } else { self.aim() };
            let many = rest.div_ceil(aim);
            // Slightly larger parts rather than any below S3's minimum.
            let count = if rest / many >= PART_BYTES_MIN { many } else { (rest / aim).max(1) };
            let take = rest.div_ceil(count);
            self.at += take;
            rest -= take;
            self.close(way, parts)?;
        }
        Ok(())
    }

    /// The size aimed at for the open part.
    fn aim(&self) -> u64 {
        self.sizes.of_part(self.archive_parts)
    }

    /// The size aimed at for a copy that is the next part. A leaf must leave its segment copyable by one request.
    fn copy_aim(&self) -> u64 {
        let aim = self.economy.copy_bytes(self.scarcity());
        if !self.sizes.is_segment(self.archive_parts) {
            return aim;
        }
        let taken = if self.leaves == 0 { 0 } else { self.start - self.segment_start };
        let room = self.sizes.of_segment(self.archive_parts).saturating_sub(taken);
        aim.min(room.max(PART_BYTES_MIN))
    }

    /// How many are gone of the parts there are for what comes next: of leaves there are always enough.
    fn scarcity(&self) -> usize {
        if self.sizes.is_segment(self.archive_parts) { 0 } else { self.archive_parts }
    }

    fn is_full(&self) -> bool {
        let open = self.at - self.start;
        let aim = self.aim();
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
            self.close_packed(parts)?;
        }
        if self.leaves > 0 {
            self.join(parts)?;
        }
        let mut records: Range<u32> = 0..0;
        for length in central_headers {
            if self.at - self.start >= DIRECTORY_PART_BYTES {
                self.push(self.packed(), None, records.clone(), parts)?;
                records.start = records.end;
            }
            self.at += length;
            records.end += 1;
        }
        self.at += end_records;
        self.push(self.packed(), None, records, parts)
    }

    /// How what is packed in the open part gets there.
    fn packed(&self) -> Way {
        if self.economy.composes(self.data_bytes, self.bodies, self.literal_bytes) {
            Way::Composed
        } else {
            Way::Streamed
        }
    }

    /// Ends the open part, which holds headers.
    fn close_packed(&mut self, parts: &mut Vec<Part>) -> Result<(), Failure> {
        self.close(self.packed(), parts)
    }

    /// Ends the open part; where the archive's parts are segments it is a leaf, which may be a segment's last.
    fn close(&mut self, way: Way, parts: &mut Vec<Part>) -> Result<(), Failure> {
        if !self.sizes.is_segment(self.archive_parts) {
            return self.push(way, None, 0..0, parts);
        }
        if self.leaves == 0 {
            self.segment_start = self.start;
        }
        self.push(way, Some(self.segments), 0..0, parts)?;
        // No leaf more if that would take it further from what is aimed at.
        let with_half = self.start - self.segment_start + self.aim() / 2;
        if with_half > self.sizes.of_segment(self.archive_parts) {
            self.join(parts)?;
        }
        Ok(())
    }

    /// Ends the open segment.
    fn join(&mut self, parts: &mut Vec<Part>) -> Result<(), Failure> {
        let number = self.number(None)?;
        let (bytes, way) = (self.segment_start..self.start, Way::Joined(self.segments));
        let headers = self.first_header..self.first_header;
        parts.push(Part { number, within: None, bytes, way, headers, directory: 0..0 });
        self.segments += 1;
        self.leaves = 0;
        Ok(())
    }

    fn push(
        &mut self,
        way: Way,
        within: Option<u32>,
        directory: Range<u32>,
        parts: &mut Vec<Part>,
    ) -> Result<(), Failure> {
        let number = self.number(within)?;
        let (bytes, headers) = (self.start..self.at, self.first_header..self.entries);
        parts.push(Part { number, within, bytes, way, headers, directory });
        self.start = self.at;
        self.first_header = self.entries;
        self.bodies = 0;
        self.literal_bytes = 0;
        self.data_bytes = 0;
        Ok(())
    }

    /// The number of the next part in its upload.
    fn number(&mut self, within: Option<u32>) -> Result<PartNumber, Failure> {
        if self.archive_parts >= PARTS_MAX as usize {
            return Err(self.too_large());
        }
        let before = if within.is_some() { &mut self.leaves } else { &mut self.archive_parts };
        let number = PartNumber::from_index(*before);
        *before += 1;
        Ok(number)
    }

    fn too_large(&self) -> Failure {
        let mib = self.sizes.of_archive(PARTS_MAX as usize - 1) / MIB;
        let advice = match self.sizes.is_fixed() {
            true => "raise --part-size, or ",
            false => "give --part-size 5000MiB, with which up to 47 TiB fit, or ",
        };
        let message = format!(
            "the archive would need more than the 10,000 parts S3 allows, at {mib} MiB a part: {advice}make several archives"
        );
        Failure::new(FailureKind::TooLarge, message)
    }
}
