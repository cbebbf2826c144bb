//! Extra fields (4.5): the zip64 values and the exact time; everything else is unusual.

use super::fields::Fields;
use super::finding::{Findings, Kind, Place};

/// A 32-bit field of this value refers to the zip64 extra field (4.4.1.4).
pub(super) const MARK: u64 = 0xFFFF_FFFF;

const ZIP64: u16 = 0x0001;
const TIME: u16 = 0x5455;
const UNICODE_NAME: u16 = 0x7075;
/// The time field holds the modification time (bit 0 of its flags).
const HAS_MODIFIED: u8 = 1;

/// The understood part of an extra area.
#[derive(Default)]
pub(super) struct Extra<'a> {
    /// Body of the zip64 field.
    pub(super) zip64: Option<&'a [u8]>,
    /// Modification time in seconds since 1970 UTC.
    pub(super) mtime: Option<i32>,
}

/// Reads an extra area of the entry at `place`, whose header has the name `name`.
pub(super) fn read<'a>(
    mut area: &'a [u8],
    name: &[u8],
    place: Place<'_>,
    findings: &mut Findings,
) -> Extra<'a> {
    let mut extra = Extra::default();
    let mut time_seen = false;
    while !area.is_empty() {
        let Some((id, body, rest)) = split(area) else {
            // Some tools align the data with bare zeros, which most readers skip.
            if area.iter().all(|byte| *byte == 0) {
                findings.add(Kind::Extra, place, || "zeros pad its extra area".into());
            } else {
                let what = "an extra field runs over the end of its area";
                findings.add(Kind::ExtraMalformed, place, || what.into());
            }
            break;
        };
        area = rest;
        match id {
            ZIP64 if extra.zip64.is_some() => {
                findings.add(Kind::ExtraMalformed, place, || "it has two zip64 extra fields".into());
            }
            TIME if time_seen => {
                findings.add(Kind::ExtraMalformed, place, || "it has two time extra fields".into());
            }
            ZIP64 => {
                if time_seen {
                    findings.add(Kind::Extra, place, || {
                        "its time extra field stands before the zip64 one".into()
                    });
                }
                extra.zip64 = Some(body);
            }
            TIME => {
                time_seen = true;
                extra.mtime = read_time(body, place, findings);
            }
            UNICODE_NAME if body.get(5..) != Some(name) => {
                findings
                    .add(Kind::TwoNames, place, || "its Unicode path extra field holds another name".into());
            }
            _ => findings.add(Kind::Extra, place, || format!("it has an extra field of type {id:#06x}")),
        }
    }
    extra
}

fn split(area: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let mut fields = Fields(area);
    let (id, length) = (fields.u16()?, fields.u16()?);
    let (body, rest) = fields.0.split_at_checked(usize::from(length))?;
    Some((id, body, rest))
}

fn read_time(body: &[u8], place: Place<'_>, findings: &mut Findings) -> Option<i32> {
    let (flags, rest) = body.split_first()?;
    if *flags != HAS_MODIFIED || rest.len() != 4 {
        findings.add(Kind::Extra, place, || "its time extra field holds more or less than one time".into());
    }
    let (time, _) = rest.split_first_chunk()?;
    (flags & HAS_MODIFIED != 0).then(|| i32::from_le_bytes(*time))
}

/// Replaces the `values` that are saturated by those of the zip64 field, in the order of 4.5.3: size,
/// compressed size and, in the central header only, offset.
pub(super) fn widen(values: &mut [u64], zip64: Option<&[u8]>, place: Place<'_>, findings: &mut Findings) {
    let marked = values.contains(&MARK);
    let Some(body) = zip64 else {
        if marked {
            let what = "a size or offset is 0xFFFFFFFF without a zip64 extra field";
            findings.add(Kind::AbsentZip64, place, || what.into());
        }
        return;
    };
    let mut fields = Fields(body);
    let mut needless = !marked;
    for value in values.iter_mut().filter(|value| **value == MARK) {
        let Some(wide) = fields.u64() else {
            findings.add(Kind::Zip64, place, || "its zip64 extra field is too short".into());
            return;
        };
        needless |= wide < MARK;
        *value = wide;
    }
    if !fields.0.is_empty() {
        // Repeating what the header says is harmless; anything else misleads the readers that believe it.
        let disk = [0; 4];
        let all = values.iter().flat_map(|value| value.to_le_bytes()).chain(disk);
        if !all.take(body.len()).eq(body.iter().copied()) {
            findings.add(Kind::Zip64, place, || "its zip64 extra field contradicts its header".into());
            return;
        }
        needless = true;
    }
    if needless {
        findings
            .add(Kind::NeedlessZip64, place, || "its zip64 extra field holds values that fit without".into());
    }
}
