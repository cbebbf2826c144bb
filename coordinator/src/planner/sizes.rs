//! How large parts are to be.

use proto::failure::Failure;
use proto::limits::{
    GROWN_PARTS_REACH, PART_BYTES_AIM_MAX, PART_BYTES_MIN, PARTS_MAX, PARTS_WITHOUT_SEGMENTS,
    SEGMENTS_PER_DOUBLING,
};

use super::bad_request;
use super::economy::doublings;

/// How large each part is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartSizes {
    /// Size of all the archive's parts, if it was asked for.
    fixed_bytes: Option<u64>,
    /// Size of the first parts otherwise, and of the leaves of segments.
    usual_bytes: u64,
    /// Largest size to aim at for what a node has to hold: beyond are segments.
    cap_bytes: u64,
    /// Least size to aim at, because otherwise there would be too few parts for what is known to come.
    least_bytes: u64,
}

impl PartSizes {
    /// Parts of `fixed` bytes, or parts of `usual` bytes that grow with their number; as segments where nodes can
    /// hold no more than `cap_bytes`.
    ///
    /// # Errors
    /// When the fixed size is not one that S3 takes.
    pub(super) fn new(fixed: Option<u64>, usual: u64, cap_bytes: u64) -> Result<Self, Failure> {
        if let Some(bytes) = fixed.filter(|bytes| !(PART_BYTES_MIN..=PART_BYTES_AIM_MAX).contains(bytes)) {
            return Err(bad_request(format!(
                "a part size must lie between 5 MiB and 5110 MiB, a little below S3's 5 GiB, not {bytes} bytes"
            )));
        }
        Ok(Self { fixed_bytes: fixed, usual_bytes: usual.min(cap_bytes), cap_bytes, least_bytes: 0 })
    }

    /// Notes that at least so many bytes are to come, when there are already so many parts. Sizes that grow reach far,
    /// and S3 is spared what is larger than need be; only for what is beyond that all parts are larger.
    pub(super) fn keep_up(&mut self, left_bytes: u64, parts: usize) {
        let parts_left = (PARTS_MAX as usize).saturating_sub(parts).max(1) as u64;
        if left_bytes > GROWN_PARTS_REACH {
            // Some remain for headers and the directory.
            self.least_bytes = (left_bytes / parts_left * 102 / 100).min(PART_BYTES_AIM_MAX);
        }
    }

    /// The size aimed at for the archive's part at `index` in its upload.
    pub(super) fn of_archive(self, index: usize) -> u64 {
        self.fixed_bytes.unwrap_or_else(|| self.grown(index).max(self.least_bytes))
    }

    fn grown(self, index: usize) -> u64 {
        let grown = self.usual_bytes << doublings(index);
        if grown <= self.cap_bytes {
            return grown;
        }
        if index < PARTS_WITHOUT_SEGMENTS as usize {
            return self.cap_bytes;
        }
        // What the first segment is aimed at.
        let doubled = (self.cap_bytes / self.usual_bytes).ilog2() + 1;
        let beyond = index - PARTS_WITHOUT_SEGMENTS as usize;
        // Twenty doublings are enough for any size.
        let more = (beyond / SEGMENTS_PER_DOUBLING as usize).min(20);
        (self.usual_bytes << doubled << more).min(PART_BYTES_AIM_MAX)
    }

    /// Whether the archive's part at `index` is a segment, made of leaves.
    pub(super) fn is_segment(self, index: usize) -> bool {
        self.of_archive(index) > self.cap_bytes
    }

    /// The size aimed at for a segment that is to be the archive's part at `index`: so far below S3's maximum that its
    /// last leaf may be larger than aimed at.
    pub(super) fn of_segment(self, index: usize) -> u64 {
        self.of_archive(index).min(PART_BYTES_AIM_MAX - self.usual_bytes)
    }

    /// The size aimed at for what is made next by a node: the archive's part at `index`, or a leaf of it. Leaves stay
    /// as small as the first parts, for there are more of them than any segment can hold.
    pub(super) fn of_part(self, index: usize) -> u64 {
        if self.is_segment(index) { self.usual_bytes } else { self.of_archive(index) }
    }

    /// Whether a size was asked for.
    pub(super) fn is_fixed(self) -> bool {
        self.fixed_bytes.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::limits::{ARCHIVE_BYTES_MAX, GIB, MIB};

    #[test]
    fn parts_grow_to_what_a_node_holds_and_segments_beyond_it() {
        let sizes = PartSizes::new(None, 16 * MIB, 86 * MIB).expect("nothing is fixed");
        let mib: Vec<u64> = [0, 999, 1_000, 2_999, 3_000, 4_999, 5_000, 5_059, 5_060, 5_300, 5_360, 9_999]
            .map(|index| sizes.of_archive(index) / MIB)
            .to_vec();
        assert_eq!(mib, [16, 16, 32, 64, 86, 86, 128, 128, 256, 4_096, 5_110, 5_110]);
        assert!(!sizes.is_segment(4_999) && sizes.is_segment(5_000));
        assert_eq!([2_999, 4_999, 5_000, 9_999].map(|index| sizes.of_part(index) / MIB), [64, 86, 16, 16]);
        let all: u64 = (0..PARTS_MAX as usize).map(|index| sizes.of_archive(index)).sum();
        assert!(all > ARCHIVE_BYTES_MAX / 5 * 2, "{} GiB", all / GIB);
    }

    #[test]
    fn what_is_known_to_be_beyond_the_reach_of_growing_parts_is_made_of_larger_ones() {
        let mut sizes = PartSizes::new(None, 16 * MIB, 86 * MIB).expect("nothing is fixed");
        sizes.keep_up(GROWN_PARTS_REACH, 0);
        assert_eq!(sizes.of_archive(0), 16 * MIB);
        let all: u64 = (0..PARTS_MAX as usize).map(|index| sizes.of_archive(index)).sum();
        assert!(all > GROWN_PARTS_REACH);
        sizes.keep_up(50_000_000_000_000, 0);
        let all: u64 = (0..PARTS_MAX as usize).map(|index| sizes.of_archive(index)).sum();
        assert!(all > 50_000_000_000_000 && sizes.is_segment(0), "{} GiB", all / GIB);
    }

    #[test]
    fn a_size_asked_for_does_not_grow() {
        let sizes = |mib: u64| PartSizes::new(Some(mib * MIB), 16 * MIB, 86 * MIB).expect("S3 takes it");
        for index in [0, 9_999] {
            assert_eq!((sizes(86).of_part(index), sizes(86).is_segment(index)), (86 * MIB, false));
            assert_eq!((sizes(87).of_part(index), sizes(87).is_segment(index)), (16 * MIB, true));
            assert_eq!(sizes(5_110).of_segment(index), 5_094 * MIB);
        }
    }
}
