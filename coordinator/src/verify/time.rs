//! Times as ZIP stores them: DOS date and time (4.4.6), read as UTC.

/// 1980-01-01 00:00:00 UTC, the first DOS time, in seconds since 1970.
const FIRST: i64 = 315_532_800;
/// 2107-12-31 23:59:58 UTC, the last one.
const LAST: i64 = 4_354_819_198;

/// DOS date in the high half, time in the low one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DosTime(pub(super) u32);

impl DosTime {
    /// The DOS time of `seconds` since 1970, rounded down to two seconds and clamped to what can be said.
    pub(super) fn of(seconds: i64) -> Self {
        let seconds = seconds.clamp(FIRST, LAST);
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
        let date = (year - 1980) << 9 | month << 5 | day;
        let time = hour << 11 | minute << 5 | (second / 2);
        Self(u32::try_from(date << 16 | time).expect("the clamp keeps the year in seven bits"))
    }

    /// Whether there is such a day and such a time; 31 days are allowed every month.
    pub(super) fn is_valid(self) -> bool {
        let (date, time) = (self.0 >> 16, self.0 & 0xFFFF);
        let (month, day) = (date >> 5 & 15, date & 31);
        (1..=12).contains(&month) && day >= 1 && time >> 11 < 24 && time >> 5 & 63 < 60 && time & 31 < 30
    }
}

/// The times an entry modified at `seconds` since 1970 should carry: the DOS one, and the exact one
/// where its 31 bits hold it.
pub(super) fn canonical(seconds: i64) -> (DosTime, Option<i32>) {
    (DosTime::of(seconds), i32::try_from(seconds).ok().filter(|seconds| *seconds >= 0))
}

/// Year, month and day of a day counted from 1970-01-01, by the Gregorian calendar.
fn civil(day: i64) -> (i64, i64, i64) {
    // Counted in 400-year eras of years that begin on 1 March, so that the leap day comes last.
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day - (153 * march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        let dos = |y: u32, mo: u32, d: u32, h: u32, mi: u32, s: u32| {
            DosTime((y - 1980) << 25 | mo << 21 | d << 16 | h << 11 | mi << 5 | (s / 2))
        };
        for (seconds, expected) in [
            (i64::MIN, dos(1980, 1, 1, 0, 0, 0)),
            (0, dos(1980, 1, 1, 0, 0, 0)),
            (FIRST, dos(1980, 1, 1, 0, 0, 0)),
            (951_782_399, dos(2000, 2, 28, 23, 59, 58)),
            (951_782_400, dos(2000, 2, 29, 0, 0, 0)),
            (951_868_800, dos(2000, 3, 1, 0, 0, 0)),
            (1_767_225_599, dos(2025, 12, 31, 23, 59, 59)),
            (4_107_542_400, dos(2100, 3, 1, 0, 0, 0)),
            (LAST, dos(2107, 12, 31, 23, 59, 58)),
            (i64::MAX, dos(2107, 12, 31, 23, 59, 58)),
        ] {
            assert_eq!(DosTime::of(seconds), expected, "{seconds}");
            assert!(expected.is_valid());
        }
        for invalid in
            [0, 1 << 16, 1 << 21, 13 << 21 | 1 << 16, 0x21_0000 | 24 << 11, 0x21_0000 | 60 << 5, 0x21_001E]
        {
            assert!(!DosTime(invalid).is_valid(), "{invalid:#x}");
        }
    }
}
