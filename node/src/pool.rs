//! Part buffers kept for the next part: the pages of a fresh one cost as much to get from the kernel as
//! hashing what goes into it.

use bytes::{Bytes, BytesMut};

/// Spare buffers, at most as many bytes as nobody else needs.
#[derive(Debug, Default)]
pub struct Pool {
    spare: Vec<BytesMut>,
}

impl Pool {
    /// A buffer for `bytes` bytes, not larger by more than `room_bytes`, the memory nobody else needs; of
    /// the spare ones only as many are kept as still fit.
    pub fn take(&mut self, bytes: u64, room_bytes: u64) -> BytesMut {
        let excess = |buffer: &BytesMut| (buffer.capacity() as u64).checked_sub(bytes);
        let fits = |buffer: &BytesMut| excess(buffer).is_some_and(|excess| excess <= room_bytes.min(bytes));
        let buffer = self.spare.iter().position(fits).map(|index| self.spare.swap_remove(index));
        let room_bytes = room_bytes - buffer.as_ref().and_then(excess).unwrap_or(0);
        while self.spare_bytes() > room_bytes {
            self.spare.pop();
        }
        buffer.unwrap_or_default()
    }

    /// Takes back what was uploaded, if nobody else still looks at it.
    pub fn put(&mut self, bytes: Bytes) {
        if let Ok(mut buffer) = bytes.try_into_mut() {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    fn spare_bytes(&self) -> u64 {
        self.spare.iter().map(|buffer| buffer.capacity() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_without_a_new_allocation() {
        let mut pool = Pool::default();
        let mut buffer = pool.take(100, 0);
        buffer.reserve(100);
        buffer.extend_from_slice(&[7; 100]);
        let place = buffer.as_ptr();
        pool.put(buffer.freeze());
        let again = pool.take(90, 50);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        pool.put(again.freeze());
        assert_ne!(
            pool.take(90, 5).as_ptr(),
            place,
            "a buffer larger than there is room for is not given out"
        );
    }

    #[test]
    fn spare_buffers_yield_to_those_in_use() {
        let mut pool = Pool::default();
        for _ in 0..3 {
            pool.put(BytesMut::with_capacity(100).freeze());
        }
        pool.take(1_000, 250);
        assert_eq!(pool.spare_bytes(), 200);
        pool.take(1_000, 0);
        assert_eq!(pool.spare_bytes(), 0);
    }

    #[test]
    fn a_buffer_still_shared_is_left_alone() {
        let mut pool = Pool::default();
        let bytes = Bytes::from(vec![1; 10]);
        let shared = bytes.clone();
        pool.put(bytes);
        assert_eq!((pool.spare_bytes(), &shared[..]), (0, &[1; 10][..]));
    }
}
