//! A ZIP of which everything can be set, written without the code that is tested.

use super::kit::noise;

/// An archive being made. `None` stands for what is right.
#[derive(Clone, Default)]
pub struct Zip {
    pub members: Vec<Member>,
    pub disk: u16,
    pub directory_disk: u16,
    pub count_here: Option<u16>,
    pub count: Option<u16>,
    pub directory_bytes: Option<u32>,
    pub directory_offset: Option<u32>,
    pub before: Vec<u8>,
    pub after_directory: Vec<u8>,
    pub comment_bytes: u16,
    pub comment: Vec<u8>,
    pub zip64: Option<Zip64>,
}

/// The records that ZIP64 puts before the end record.
#[derive(Clone)]
pub struct Zip64 {
    pub signature: [u8; 4],
    pub bytes: u64,
    pub count: u64,
    pub directory_bytes: Option<u64>,
    pub directory_offset: Option<u64>,
    pub locator: [u8; 4],
    pub locator_offset: Option<u64>,
    pub disks: u32,
}

impl Zip64 {
    /// One that fits so many members.
    pub fn of(count: usize) -> Self {
        let (signature, locator) = (*b"PK\x06\x06", *b"PK\x06\x07");
        Self {
            signature,
            bytes: 44,
            count: count as u64,
            directory_bytes: None,
            directory_offset: None,
            locator,
            locator_offset: None,
            disks: 1,
        }
    }
}

/// One member, stored.
#[derive(Clone)]
pub struct Member {
    pub name: Vec<u8>,
    pub stored: Vec<u8>,
    pub plain_bytes: u64,
    pub crc: u32,
    pub size: u32,
    pub local_crc: Option<u32>,
    pub local_size: Option<u32>,
    pub local_name: Option<Vec<u8>>,
    pub offset: Option<u32>,
    pub method: u16,
    pub flags: u16,
    pub version: u16,
    pub date: u16,
    pub attributes: u32,
    pub extra: Option<Vec<u8>>,
    pub comment: Vec<u8>,
    pub gap: Vec<u8>,
    pub name_bytes: Option<u16>,
    /// What follows the data, where sizes do.
    pub descriptor: Option<Vec<u8>>,
}

impl Member {
    pub fn new(name: &str, stored: &[u8], plain_bytes: usize) -> Self {
        Self {
            name: name.into(),
            stored: stored.to_vec(),
            plain_bytes: plain_bytes as u64,
            crc: crc32fast::hash(stored),
            size: stored.len() as u32,
            local_crc: None,
            local_size: None,
            local_name: None,
            offset: None,
            method: 0,
            flags: 1 << 11,
            version: 20,
            date: 0x21,
            attributes: 0,
            extra: None,
            comment: vec![],
            gap: vec![],
            name_bytes: None,
            descriptor: None,
        }
    }

    /// The same with other stored bytes, and a checksum that fits them.
    pub fn store(&mut self, stored: Vec<u8>) {
        (self.crc, self.size, self.stored) = (crc32fast::hash(&stored), stored.len() as u32, stored);
    }

    /// The same as a member that was written before its size was known.
    pub fn stream(&mut self) {
        let size = u64::from(self.size).to_le_bytes();
        (self.flags, self.version) = (1 << 11 | 1 << 3, 45);
        self.descriptor = Some([b"PK\x07\x08".as_slice(), &self.crc.to_le_bytes(), &size, &size].concat());
    }

    fn local(&self) -> Vec<u8> {
        let streamed = self.descriptor.is_some();
        let (name, size) = (self.local_name.as_ref().unwrap_or(&self.name), self.local_size.unwrap_or(self.size));
        let (crc, size) = (self.local_crc.unwrap_or(if streamed { 0 } else { self.crc }), if streamed { u32::MAX } else { size });
        let mut out = b"PK\x03\x04".to_vec();
        [self.version, self.flags, self.method, 0, self.date].iter().for_each(|field| out.extend(field.to_le_bytes()));
        [crc, size, size].iter().for_each(|field| out.extend(field.to_le_bytes()));
        [name.len() as u16, if streamed { 20 } else { 0 }].iter().for_each(|field| out.extend(field.to_le_bytes()));
        out.extend(name);
        if streamed {
            out.extend([1, 0, 16, 0].into_iter().chain([0; 16]));
        }
        out.extend(&self.stored);
        out.extend(self.descriptor.iter().flatten());
        out
    }

    fn central(&self, offset: u32) -> Vec<u8> {
        let plain = || [[0x52, 0x6b, 8, 0].as_slice(), &self.plain_bytes.to_le_bytes()].concat();
        let extra = self.extra.clone().unwrap_or_else(plain);
        let mut out = b"PK\x01\x02".to_vec();
        [self.version, self.version, self.flags, self.method, 0, self.date].iter().for_each(|field| out.extend(field.to_le_bytes()));
        [self.crc, self.size, self.size].iter().for_each(|field| out.extend(field.to_le_bytes()));
        let name_bytes = self.name_bytes.unwrap_or(self.name.len() as u16);
        let lengths = [name_bytes, extra.len() as u16, self.comment.len() as u16, 0, 0];
        lengths.iter().for_each(|field| out.extend(field.to_le_bytes()));
        [self.attributes, self.offset.unwrap_or(offset)].iter().for_each(|field| out.extend(field.to_le_bytes()));
        out.extend(&self.name);
        out.extend(extra);
        out.extend(&self.comment);
        out
    }
}

impl Zip {
    /// Members as Rookery writes them, over several chunks.
    pub fn good(seed: u64) -> Self {
        let mut rows = b"{\"table\":\"t\",\"columns\":[\"a\"],\"types\":[\"text\"]}\n".to_vec();
        for line in noise(seed, 30_000).chunks(30) {
            rows.extend(format!("[\"{}\"]\n", hex::encode(line)).into_bytes());
        }
        let frame = zstd::bulk::compress(&rows, 3).unwrap();
        let members = vec![
            Member::new("archive.json", br#"{"format":1}"#, 12),
            Member::new("data/t/000000.ndjson.zst", &frame, rows.len()),
            Member::new("summary.json", br#"{"tables":[]}"#, 13),
        ];
        Self { members, ..Self::default() }
    }

    /// What all members decompress to, as they tell.
    pub fn plain_bytes(&self) -> u64 {
        self.members.iter().fold(0, |sum, member| sum.saturating_add(member.plain_bytes))
    }

    pub fn bytes(&self) -> Vec<u8> {
        let (mut out, mut directory) = (self.before.clone(), vec![]);
        for member in &self.members {
            out.extend(&member.gap);
            directory.extend(member.central(out.len() as u32));
            out.extend(member.local());
        }
        let (offset, bytes, count) = (out.len() as u32, directory.len() as u32, self.members.len() as u16);
        out.extend(directory);
        out.extend(&self.after_directory);
        if let Some(zip64) = &self.zip64 {
            let begin = out.len() as u64;
            out.extend(zip64.signature);
            out.extend(zip64.bytes.to_le_bytes());
            out.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            let (bytes, offset) = (zip64.directory_bytes.unwrap_or(bytes.into()), zip64.directory_offset.unwrap_or(offset.into()));
            [zip64.count, zip64.count, bytes, offset].iter().for_each(|field| out.extend(field.to_le_bytes()));
            out.extend(zip64.locator);
            out.extend(0_u32.to_le_bytes());
            out.extend(zip64.locator_offset.unwrap_or(begin).to_le_bytes());
            out.extend(zip64.disks.to_le_bytes());
        }
        out.extend(b"PK\x05\x06");
        let count = self.count.unwrap_or(count);
        let fields = [self.disk, self.directory_disk, self.count_here.unwrap_or(count), count];
        fields.iter().for_each(|field| out.extend(field.to_le_bytes()));
        let fields = [self.directory_bytes.unwrap_or(bytes), self.directory_offset.unwrap_or(offset)];
        fields.iter().for_each(|field| out.extend(field.to_le_bytes()));
        out.extend(self.comment_bytes.to_le_bytes());
        out.extend(&self.comment);
        out
    }
}
