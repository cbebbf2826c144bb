//! MS-DOS time and date (4.4.6), in UTC and rounded down.

use time::{Date, OffsetDateTime, Time};

/// The four bytes of time and date; clamped to 1980-01-01 00:00:00 .. 2107-12-31 23:59:58, because a date
/// of 0 has no month and some readers complain.
pub(super) fn time_and_date(modified: i64) -> [u8; 4] {
    let (date, time) = clamped(modified);
    let time_field =
        (u16::from(time.hour()) << 11) | (u16::from(time.minute()) << 5) | u16::from(time.second() / 2);
    let years = (date.year() - 1980) as u16;
    let date_field = (years << 9) | (u16::from(u8::from(date.month())) << 5) | u16::from(date.day());
    let ([a, b], [c, d]) = (time_field.to_le_bytes(), date_field.to_le_bytes());
    [a, b, c, d]
}

fn clamped(modified: i64) -> (Date, Time) {
    const FIRST: i64 = 315_532_800; // 1980-01-01 00:00:00 UTC
    const LAST: i64 = 4_354_819_198; // 2107-12-31 23:59:58 UTC
    let moment = OffsetDateTime::from_unix_timestamp(modified.clamp(FIRST, LAST))
        .expect("the clamped range lies within the years the calendar knows");
    (moment.date(), moment.time())
}
