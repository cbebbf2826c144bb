//! One entry's local header (4.3.7) and data descriptor (4.3.9), checked against the directory.

use super::entry::{Entry, FLAG_DESCRIPTOR};
use super::extra;
use super::fields::Fields;
use super::finding::{Findings, Kind, Place, shown};
use super::time::DosTime;

/// Longest data descriptor, in bytes: signature, CRC and two 64-bit sizes.
pub(super) const DESCRIPTOR_MAX: u64 = 24;

const SIGNATURE: u32 = 0x0403_4B50;
const DESCRIPTOR_SIGNATURE: u32 = 0x0807_4B50;

/// The fixed part of a local header.
struct Fixed {
    version: u16,
    flags: u16,
    method: u16,
    dos: DosTime,
    crc: u32,
    compressed: u64,
    size: u64,
    name: usize,
    extra: usize,
}

fn fixed(header: &[u8]) -> Option<(Fixed, &[u8])> {
    let mut fields = Fields(header);
    if fields.u32()? != SIGNATURE {
        return None;
    }
    let fixed = Fixed {
        version: fields.u16()?,
        flags: fields.u16()?,
        method: fields.u16()?,
        dos: DosTime(fields.u32()?),
        crc: fields.u32()?,
        compressed: fields.u32()?.into(),
        size: fields.u32()?.into(),
        name: fields.u16()?.into(),
        extra: fields.u16()?.into(),
    };
    Some((fixed, fields.0))
}

/// Length of name and extra fields, from the first 30 bytes of a header; `None` when it is none.
pub(super) fn variable_bytes(header: &[u8]) -> Option<u64> {
    fixed(header).map(|(fixed, _)| fixed.name as u64 + fixed.extra as u64)
}

/// Checks a whole local header against what the directory says of its entry.
pub(super) fn check(entry: &Entry, header: &[u8], findings: &mut Findings) {
    let place = Place::entry(entry.offset, &entry.name);
    let Some((fixed, variable)) = fixed(header) else {
        findings.add(Kind::LocalHeader, place, || "there is no local header".into());
        return;
    };
    let differs = |findings: &mut Findings, kind, field: &str, local: u64, central: u64| {
        if local != central {
            findings.add(kind, place, || {
                format!("its {field} is {local:#x} here and {central:#x} in the directory")
            });
        }
    };
    differs(findings, Kind::Mismatch, "version needed", fixed.version.into(), entry.version.into());
    differs(findings, Kind::Mismatch, "flags field", fixed.flags.into(), entry.flags.into());
    differs(findings, Kind::Mismatch, "method", fixed.method.into(), entry.method.into());
    differs(findings, Kind::Mismatch, "date and time", fixed.dos.0.into(), entry.dos.0.into());

    let mut values = [fixed.size, fixed.compressed];
    match variable.split_at_checked(fixed.name) {
        Some((name, area)) if area.len() == fixed.extra => {
            if *name != *entry.name {
                findings
                    .add(Kind::Mismatch, place, || format!("its local header names it `{}`", shown(name)));
            }
            let extra = extra::read(area, name, place, findings);
            extra::widen(&mut values, extra.zip64, place, findings);
            match (extra.mtime, entry.mtime) {
                (Some(local), Some(central)) if local != central => {
                    findings
                        .add(Kind::Mismatch, place, || "its exact time is another in the directory".into());
                }
                (local, central) if local != central => {
                    findings.add(Kind::Time, place, || "its exact time is in one of its headers only".into());
                }
                _ => {}
            }
        }
        _ => {
            let what = "its local header does not end where its data begin";
            findings.add(Kind::Mismatch, place, || what.into());
        }
    }
    // With a data descriptor the header may leave these open (4.4.4, bit 3).
    let open = |local: u64| local == 0 && entry.flags & FLAG_DESCRIPTOR != 0;
    let [size, compressed] = values;
    for (field, local, central) in [
        ("CRC-32", fixed.crc.into(), entry.crc.into()),
        ("size", size, entry.size),
        ("compressed size", compressed, entry.compressed),
    ] {
        if !open(local) {
            differs(findings, Kind::Mismatch, field, local, central);
        }
    }
}

/// Checks what follows an entry's data in its region: `tail` is its beginning, `room` its whole length.
pub(super) fn check_tail(entry: &Entry, tail: &[u8], room: u64, findings: &mut Findings) {
    let place = Place::entry(entry.offset, &entry.name);
    let mut descriptor = 0;
    if entry.flags & FLAG_DESCRIPTOR != 0 {
        match descriptor_bytes(entry, tail, room) {
            Some(bytes) => descriptor = bytes,
            None => findings
                .add(Kind::Descriptor, place, || "no data descriptor that fits follows its data".into()),
        }
    }
    if room > descriptor {
        let what = || format!("{} bytes behind it belong to no entry", room - descriptor);
        findings.add(Kind::Gap, place, what);
    }
}

/// Length of the data descriptor at the beginning of `tail`: the form that fills the room, or the longest.
/// It may have a signature or not, and sizes of 32 or 64 bits, and nothing in the archive says which.
fn descriptor_bytes(entry: &Entry, tail: &[u8], room: u64) -> Option<u64> {
    let crc = entry.crc.to_le_bytes();
    let sizes = [entry.compressed, entry.size];
    let wide = sizes.map(u64::to_le_bytes).concat();
    let narrow = sizes.map(|size| u32::try_from(size).map(u32::to_le_bytes));
    let mut forms = vec![[&crc[..], &wide].concat()];
    if let [Ok(compressed), Ok(size)] = narrow {
        forms.push([crc, compressed, size].concat());
    }
    let signed: Vec<_> =
        forms.iter().map(|form| [&DESCRIPTOR_SIGNATURE.to_le_bytes()[..], form].concat()).collect();
    let fitting =
        forms.iter().chain(&signed).filter(|form| tail.starts_with(form)).map(|form| form.len() as u64);
    fitting.max_by_key(|bytes| (*bytes == room, *bytes))
}
