//! What can be wrong with one entry, and with its place among the others.

use super::super::Kind::{self, *};
use super::writer::{File, Header, MARK32, archive, body, end, file, time_field, zip64_field};
use super::{assert_finds, judge, kinds};

/// A change and what is to be found after it.
type Case<'a, T> = (&'a [Kind], fn(&mut T));

fn one() -> File {
    file("name", b"contents")
}

#[test]
fn each_field_of_both_headers() {
    let cases: &[Case<'_, Header>] = &[
        (&[Version], |h| h.version = 45),
        (&[Version], |h| h.version = 63),
        (&[Flags], |h| h.flags = 0),
        (&[Flags], |h| h.flags |= 6),
        (&[Encrypted], |h| h.flags |= 1),
        (&[Descriptor, DataDescriptor], |h| h.flags |= 8),
        (&[Method], |h| h.method = 8),
        (&[Time], |h| h.dos += 1),
        (&[Time], |h| h.dos = 0),
        (&[Contents], |h| h.crc ^= 1),
        (&[Sizes], |h| h.size += 1),
        (&[Overlap, Sizes], |h| h.compressed += 1),
        (&[Gap, Sizes], |h| h.compressed -= 1),
        (&[Contents, Gap], |h| (h.compressed, h.size) = (7, 7)),
        (&[Time], |h| h.extra = vec![]),
        (&[Time], |h| h.extra = time_field(-1)),
        (&[Extra, Time], |h| h.extra = b"UT\x01\0\0".to_vec()),
        (&[Extra], |h| h.extra = [time_field(super::writer::TIME), b"ux\x01\0\x01".to_vec()].concat()),
        (&[Extra], |h| h.extra.extend([0; 3])),
        (&[ExtraMalformed], |h| h.extra.extend([1, 2, 3])),
        (&[ExtraMalformed], |h| h.extra.extend([7, 7, 1, 0])),
        (&[ExtraMalformed], |h| h.extra.extend(time_field(super::writer::TIME))),
        (&[TwoNames], |h| h.extra.extend(b"\x75\x70\x06\0\x01\0\0\0\0x")),
        (&[Extra], |h| h.extra.extend(b"\x75\x70\x09\0\x01\0\0\0\0name")),
        (&[Zip64, Version, Extra], |h| h.extra.extend(zip64_field(&[9, 8]))),
        (&[NeedlessZip64, Version, Extra], |h| h.extra.extend(zip64_field(&[8, 8]))),
        (&[UnsafeName], |h| h.name = b"../x".to_vec()),
        (&[NotUtf8], |h| h.name = b"\xff\xfe".to_vec()),
        (&[Flags, NameEncoding], |h| (h.name, h.flags) = (b"\xc3\xa4".to_vec(), 0)),
    ];
    for (index, (expected, change)) in cases.iter().enumerate() {
        let report = judge(&archive(&[file("before", b"1"), one().both(change), file("zz", b"2")]));
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(kinds(&report), expected, "case {index}: {:#?}", report.findings);
    }
}

#[test]
fn headers_that_differ() {
    let cases: &[Case<'_, Header>] = &[
        (&[Mismatch], |h| h.version = 10),
        (&[Mismatch], |h| h.flags = 0),
        (&[Mismatch], |h| h.method = 8),
        (&[Mismatch], |h| h.dos ^= 1 << 16),
        (&[Mismatch], |h| h.crc ^= 1),
        (&[Mismatch], |h| h.size += 1),
        (&[Mismatch], |h| h.compressed += 1),
        (&[Mismatch], |h| h.name = b"eman".to_vec()),
        (&[Mismatch], |h| h.extra = time_field(5)),
    ];
    for (index, (expected, change)) in cases.iter().enumerate() {
        let bytes = archive(&[one().with(|file| change(&mut file.local)), file("zz", b"2")]);
        let report = judge(&bytes);
        assert_eq!(kinds(&report), *expected, "case {index}: {:#?}", report.findings);
    }
    assert_finds(&archive(&[one().with(|file| file.local.extra.clear())]), &[Time]);
    assert_finds(&archive(&[one().with(|file| file.local.name = b"longer name".to_vec())]), &[Mismatch]);
}

#[test]
fn fields_of_the_directory_alone() {
    let cases: &[Case<'_, File>] = &[
        (&[Version], |f| f.made_by = 20),
        (&[Attributes], |f| f.internal = 1),
        (&[Attributes], |f| f.external = 0),
        (&[Disks], |f| f.disk = 1),
        (&[Disks], |f| f.disk = 0xFFFF),
        (&[Comment], |f| f.comment = b"hm".to_vec()),
        (&[Gap, LocalHeader], |f| f.offset = Some(1)),
        (&[Gap, Overlap], |f| f.offset = Some(5_000)),
        (&[Comment, HeaderLength], |f| f.comment = vec![0; 0xFFFF]),
    ];
    for (index, (expected, change)) in cases.iter().enumerate() {
        let report = judge(&archive(&[one().with(change)]));
        assert_eq!(kinds(&report), *expected, "case {index}: {:#?}", report.findings);
    }
}

#[test]
fn names() {
    for name in
        ["", "a\nb", "PK\u{6}\u{7}", "a\\b", "/a", "C:a", "a//b", "a/./b", "..", "full/", &"k".repeat(1_025)]
    {
        let safe = file(name, b"x")
            .with(|file| file.external = if name.ends_with('/') { 0x41ED_0010 } else { 0x81A4_0000 });
        assert_finds(&archive(&[safe]), &[UnsafeName]);
    }
    for name in ["...", ".a", "a/..b", "con", "ab:c", "a b+c%20", &"k".repeat(1_024)] {
        assert_finds(&archive(&[file(name, b"x")]), &[]);
    }
    let named = |names: &[&str]| archive(&names.iter().map(|name| file(name, b"")).collect::<Vec<_>>());
    assert_finds(&named(&["a", "b", "a"]), &[DuplicateName]);
    assert_finds(&named(&["a", "a!", "a-b/c", "a/b/c"]), &[FileAndFolder]);
    assert_finds(&named(&["a/", "a"]), &[FileAndFolder]);
    assert_finds(&named(&["a/", "a/b", "a!", "ab"]), &[]);
}

#[test]
fn places() {
    let files = [file("a", b"1"), file("b", b"22"), file("c", b"333")];
    let (data, directory, offset) = body(&files);
    let whole = |prefix: &[u8], directory: &[u8], gap: &[u8]| {
        let at = offset + prefix.len() as u32 + gap.len() as u32;
        let end = end([3; 2], directory.len() as u32, at, b"");
        [prefix, &data, gap, directory, &end].concat()
    };
    assert_finds(&whole(b"", &directory, b""), &[]);
    assert_finds(&whole(b"", &directory, b"gap"), &[Gap]);
    // Every offset is wrong by the same.
    assert_finds(&whole(b"stub", &directory, b""), &[LocalHeader, Contents]);

    let headers: Vec<_> =
        [0, 41, 83].iter().zip(&files).map(|(offset, file)| file.central_header(*offset)).collect();
    assert_eq!(headers.concat(), directory);
    let listed = |order: [usize; 3]| whole(b"", &order.map(|index| headers[index].clone()).concat(), b"");
    assert_finds(&listed([0, 1, 2]), &[]);
    assert_finds(&listed([2, 0, 1]), &[Order]);
    assert_finds(&listed([0, 1, 1]), &[Gap, Overlap, DuplicateName]);

    // Between two entries, and inside one: an entry within the contents of another.
    assert_finds(
        &archive(&[files[0].clone().with(|file| file.after = b"?".to_vec()), files[1].clone()]),
        &[Gap],
    );
    let inner = file("inner", b"in");
    let outer = file("outer", &inner.local_header().into_iter().chain(*b"in").collect::<Vec<_>>());
    let inner_at = outer.local_header().len() as u32;
    let (data, _, offset) = body(std::slice::from_ref(&outer));
    let directory = [outer.central_header(0), inner.central_header(inner_at)].concat();
    let end = end([2; 2], directory.len() as u32, offset, b"");
    assert_finds(&[data, directory, end].concat(), &[Overlap]);
}

#[test]
fn descriptors() {
    let described = |after: Vec<u8>| {
        let file = one().both(|header| header.flags |= 8).with(|file| {
            (file.local.crc, file.local.size, file.local.compressed) = (0, 0, 0);
            file.after = after;
        });
        archive(&[file, super::file("zz", b"2")])
    };
    let crc = crc32fast::hash(b"contents").to_le_bytes();
    let forms = [
        [&crc[..], b"\x08\0\0\0\x08\0\0\0"].concat(),
        [&crc[..], b"\x08\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0"].concat(),
    ];
    for form in forms {
        let signed = [&b"PK\x07\x08"[..], &form].concat();
        assert_finds(&described(form.clone()), &[DataDescriptor]);
        assert_finds(&described(signed.clone()), &[DataDescriptor]);
        assert_finds(&described([&signed[..], b"?"].concat()), &[Gap, DataDescriptor]);
        let mut wrong = signed;
        wrong[8] ^= 1;
        let found = kinds(&judge(&described(wrong)));
        assert!(found.contains(&Gap) || found.contains(&Descriptor), "{found:?}");
    }
    assert_finds(&described(vec![]), &[Descriptor, DataDescriptor]);
}

#[test]
fn zip64_in_headers_that_do_not_need_it() {
    let needless = |local: &[u64], central: &[u64]| {
        archive(&[one().with(|file| {
            for (header, values) in [(&mut file.local, local), (&mut file.central, central)] {
                header.version = 45;
                if !values.is_empty() {
                    (header.size, header.compressed) = (MARK32, MARK32);
                    header.extra = [zip64_field(values), time_field(super::writer::TIME)].concat();
                }
            }
        })])
    };
    assert_finds(&needless(&[8, 8], &[8, 8]), &[NeedlessZip64]);
    assert_finds(&needless(&[8, 8], &[]), &[NeedlessZip64, Version]);
    assert_finds(&needless(&[], &[8, 8]), &[NeedlessZip64]);
    assert_finds(&needless(&[8, 8], &[8, 8, 0]), &[NeedlessZip64]);
    assert_finds(&needless(&[8, 8], &[8, 8, 1]), &[Zip64, NeedlessZip64]);
    assert_finds(&needless(&[8, 9], &[8, 8]), &[Mismatch, NeedlessZip64]);
    assert_finds(&needless(&[8], &[8, 8]), &[Mismatch, Zip64, NeedlessZip64]);
}
