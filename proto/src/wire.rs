//! Messages as bytes: bincode, behind this module alone, and never without a limit.
//!
//! bincode is no longer maintained (RUSTSEC-2025-0141), and without a limit a dozen bytes that claim a string
//! of 2^62 make it end the process. Its legacy layout is what other crates read too, should it have to go.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian, legacy};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are no message, or a message no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The message is longer than this side of the session takes.
    #[error("a message of {bytes} bytes is above the limit of {limit}")]
    TooLong {
        /// Its length, in bytes.
        bytes: usize,
        /// The most there may be.
        limit: usize,
    },
    /// They are not what this version writes.
    #[error("bytes that are no message: {0}")]
    Malformed(String),
}

const fn layout<const LIMIT: usize>() -> Configuration<LittleEndian, Fixint, Limit<LIMIT>> {
    legacy().with_limit::<LIMIT>()
}

/// `message` as at most `LIMIT` bytes.
///
/// # Errors
/// When it is longer.
pub fn encode<const LIMIT: usize>(message: &impl Serialize) -> Result<Vec<u8>, WireError> {
    // The limit guards the reader; the writer is told by the length.
    let bytes = bincode::serde::encode_to_vec(message, legacy())
        .map_err(|error| WireError::Malformed(error.to_string()))?;
    if bytes.len() > LIMIT {
        return Err(WireError::TooLong { bytes: bytes.len(), limit: LIMIT });
    }
    Ok(bytes)
}

/// The message that is exactly `bytes`, whatever they claim to hold.
///
/// # Errors
/// When they are longer than `LIMIT`, are no such message, or go on behind it.
pub fn decode<const LIMIT: usize, T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    if bytes.len() > LIMIT {
        return Err(WireError::TooLong { bytes: bytes.len(), limit: LIMIT });
    }
    let (message, read) = bincode::serde::decode_from_slice(bytes, layout::<LIMIT>())
        .map_err(|error| WireError::Malformed(error.to_string()))?;
    if read < bytes.len() {
        return Err(WireError::Malformed(format!("{} bytes behind its end", bytes.len() - read)));
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let message = (7u32, String::from("name"), vec![1u64, 2]);
        let bytes = encode::<1_000>(&message).unwrap();
        assert_eq!(decode::<1_000, (u32, String, Vec<u64>)>(&bytes), Ok(message));
    }

    #[test]
    fn claims_of_any_length_are_refused_without_memory_for_them() {
        let mut bytes = (1u64 << 62).to_le_bytes().to_vec();
        bytes.extend([0; 4]);
        assert!(matches!(decode::<1_000, String>(&bytes), Err(WireError::Malformed(_))));
        assert!(matches!(decode::<1_000, Vec<u64>>(&bytes), Err(WireError::Malformed(_))));
    }

    #[test]
    fn limits_hold_on_both_sides() {
        let long = vec![0u8; 100];
        assert_eq!(encode::<50>(&long), Err(WireError::TooLong { bytes: 108, limit: 50 }));
        let bytes = encode::<200>(&long).unwrap();
        assert!(matches!(decode::<50, Vec<u8>>(&bytes), Err(WireError::TooLong { .. })));
    }

    #[test]
    fn nothing_may_follow_a_message() {
        let mut bytes = encode::<100>(&1u32).unwrap();
        bytes.push(0);
        assert!(matches!(decode::<100, u32>(&bytes), Err(WireError::Malformed(_))));
    }
}
