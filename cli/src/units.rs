//! Sizes and times as people write them.

use std::time::Duration;

use proto::limits::LOAD_RATE_MAX;

/// Reads `16MiB`, `16M`, `5GB` or `1048576`: K, M, G, T and KiB, MiB, ... are powers of 1,024; KB, MB,
/// ... are powers of 1,000.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(digits_end);
    let wrong = || format!("`{text}` is no size: write for example 16MiB, 5GB or 1048576");
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let suffix = suffix.trim().to_ascii_lowercase();
    let base: u64 = if suffix.len() == 2 && suffix.ends_with('b') { 1_000 } else { 1_024 };
    let power = match suffix.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return Err(wrong()),
    };
    number.checked_mul(base.pow(power)).ok_or_else(|| format!("`{text}` is too large"))
}

/// Reads `500ms`, `25s` or `2m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: write for example 500ms, 25s or 2m");
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let number: u32 = digits.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number.into())),
        "s" => Ok(Duration::from_secs(number.into())),
        "m" => Ok(Duration::from_secs(u64::from(number) * 60)),
        _ => Err(wrong()),
    }
}

/// Reads `5/s`, `0.5/s` or `30/m`; gives how often that is a second.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no rate: write for example 5/s, 0.5/s or 30/m");
    let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let per_second = match unit {
        "s" => number,
        "m" => number / 60.0,
        _ => return Err(wrong()),
    };
    if per_second > 0.0 && per_second <= LOAD_RATE_MAX {
        Ok(per_second)
    } else {
        Err(format!("`{text}` must be above 0 and at most {LOAD_RATE_MAX}/s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("7b", 7),
            ("16MiB", 16 << 20),
            ("16m", 16 << 20),
            ("5GB", 5_000_000_000),
            ("2 TiB", 2 << 40),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5G", "5 parsecs", "99999999999T", "18446744073709551616"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        for (text, ms) in [("0s", 0), ("500ms", 500), ("25s", 25_000), ("2m", 120_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "25", "-1s", "1.5s", "1h", "25 s", "4294967296s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        for (text, per_second) in [("5/s", 5.0), ("0.5/s", 0.5), ("30/m", 0.5)] {
            assert_eq!(parse_rate(text), Ok(per_second), "{text}");
        }
        for text in ["", "5", "5/h", "-1/s", "0/s", "nan/s", "inf/s", "1e9/s"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
