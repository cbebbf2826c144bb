//! An archive written byte by byte, with every field at hand to be wrong.

pub(super) const MARK32: u32 = u32::MAX;

/// One entry. What is written of it are these fields and nothing else.
#[derive(Clone)]
pub(super) struct File {
    pub(super) data: Vec<u8>,
    pub(super) local: Header,
    pub(super) central: Header,
    pub(super) made_by: u16,
    pub(super) internal: u16,
    pub(super) external: u32,
    pub(super) disk: u16,
    pub(super) comment: Vec<u8>,
    /// Instead of the true offset.
    pub(super) offset: Option<u32>,
    /// After the data.
    pub(super) after: Vec<u8>,
}

/// What both headers hold.
#[derive(Clone)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    pub(super) version: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) dos: u32,
    pub(super) crc: u32,
    pub(super) compressed: u32,
    pub(super) size: u32,
    pub(super) extra: Vec<u8>,
}

/// 2026-11-24 21:00:00 UTC.
pub(super) const TIME: i32 = 1_795_554_000;
const DOS: u32 = (46 << 9 | 11 << 5 | 24) << 16 | 21 << 11;

pub(super) fn time_field(seconds: i32) -> Vec<u8> {
    [&b"UT\x05\x00\x01"[..], &seconds.to_le_bytes()].concat()
}

pub(super) fn zip64_field(values: &[u64]) -> Vec<u8> {
    let mut field = vec![1, 0, 8 * values.len() as u8, 0];
    field.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    field
}

/// A file in the canonical form.
pub(super) fn file(name: &str, data: &[u8]) -> File {
    let header = Header {
        name: name.into(),
        version: 20,
        flags: 0x0800,
        method: 0,
        dos: DOS,
        crc: crc32fast::hash(data),
        compressed: data.len() as u32,
        size: data.len() as u32,
        extra: time_field(TIME),
    };
    File {
        data: data.into(),
        local: header.clone(),
        central: header,
        made_by: 0x032D,
        internal: 0,
        external: if name.ends_with('/') { 0x41ED_0010 } else { 0x81A4_0000 },
        disk: 0,
        comment: Vec::new(),
        offset: None,
        after: Vec::new(),
    }
}

impl File {
    /// The same change in both headers.
    pub(super) fn both(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.local);
        change(&mut self.central);
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn local_header(&self) -> Vec<u8> {
        let Header { name, version, flags, method, dos, crc, compressed, size, extra } = &self.local;
        let mut bytes = b"PK\x03\x04".to_vec();
        [*version, *flags, *method].iter().for_each(|field| bytes.extend(field.to_le_bytes()));
        [*dos, *crc, *compressed, *size].iter().for_each(|field| bytes.extend(field.to_le_bytes()));
        [name.len(), extra.len()].iter().for_each(|length| bytes.extend((*length as u16).to_le_bytes()));
        [&bytes[..], name, extra].concat()
    }

    pub(super) fn central_header(&self, offset: u32) -> Vec<u8> {
        let Header { name, version, flags, method, dos, crc, compressed, size, extra } = &self.central;
        let mut bytes = b"PK\x01\x02".to_vec();
        [self.made_by, *version, *flags, *method].iter().for_each(|field| bytes.extend(field.to_le_bytes()));
        [*dos, *crc, *compressed, *size].iter().for_each(|field| bytes.extend(field.to_le_bytes()));
        let lengths = [name.len(), extra.len(), self.comment.len()].map(|length| length as u16);
        lengths.iter().chain(&[self.disk, self.internal]).for_each(|field| bytes.extend(field.to_le_bytes()));
        [self.external, self.offset.unwrap_or(offset)]
            .iter()
            .for_each(|field| bytes.extend(field.to_le_bytes()));
        [&bytes[..], name, extra, &self.comment].concat()
    }
}

/// The end record.
pub(super) fn end(counts: [u16; 2], size: u32, offset: u32, comment: &[u8]) -> Vec<u8> {
    let mut bytes = b"PK\x05\x06\0\0\0\0".to_vec();
    counts.iter().for_each(|count| bytes.extend(count.to_le_bytes()));
    [size, offset].iter().for_each(|field| bytes.extend(field.to_le_bytes()));
    bytes.extend((comment.len() as u16).to_le_bytes());
    [&bytes, comment].concat()
}

/// The zip64 end record, and the locator of one at `at`.
pub(super) fn zip64_end(entries: u64, size: u64, offset: u64, at: u64) -> Vec<u8> {
    let mut bytes = b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\x03\x2d\0\0\0\0\0\0\0\0\0".to_vec();
    [entries, entries, size, offset].iter().for_each(|field| bytes.extend(field.to_le_bytes()));
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(at.to_le_bytes());
    bytes.extend([1, 0, 0, 0]);
    bytes
}

/// Local headers and data, the directory, and the offset where it belongs.
pub(super) fn body(files: &[File]) -> (Vec<u8>, Vec<u8>, u32) {
    let (mut data, mut directory) = (Vec::new(), Vec::new());
    for file in files {
        directory.extend(file.central_header(data.len() as u32));
        data.extend([&file.local_header(), &file.data[..], &file.after].concat());
    }
    let offset = data.len() as u32;
    (data, directory, offset)
}

/// A whole archive without zip64.
pub(super) fn archive(files: &[File]) -> Vec<u8> {
    let (data, directory, offset) = body(files);
    let count = files.len() as u16;
    let end = end([count; 2], directory.len() as u32, offset, b"");
    [data, directory, end].concat()
}
