//! The entropy-coded data of a scan.

use super::huffman::BitReader;

/// The maximum number of entropy-coded bytes of an image.
const MAX_DATA_BYTES: usize = 64 << 20;

/// Entropy-coded data without byte stuffing and restart markers.
#[derive(Default)]
pub(super) struct EntropyData {
    bytes: Vec<u8>,
    /// End offset of each restart interval.
    ends: Vec<usize>,
}

impl EntropyData {
    /// Copies the data of a scan, with which `file` starts. Returns the rest of the file, which
    /// starts with the next marker. Returns `None` if no marker follows, if restart markers are out
    /// of order, or if there is too much data.
    pub fn read<'a>(&mut self, mut file: &'a [u8]) -> Option<&'a [u8]> {
        self.bytes.clear();
        self.bytes.reserve(file.len().min(MAX_DATA_BYTES));
        self.ends.clear();
        loop {
            let length = memchr::memchr(0xff, file)?;
            if self.bytes.len() + length >= MAX_DATA_BYTES {
                return None;
            }
            self.bytes.extend_from_slice(&file[..length]);
            let marker = &file[length..];
            match marker.get(1)? {
                0 => self.bytes.push(0xff),
                // Any number of fill bytes may precede a marker.
                0xff => {
                    file = &marker[1..];
                    continue;
                }
                &code @ 0xd0..=0xd7 if usize::from(code - 0xd0) == self.ends.len() % 8 => {
                    self.ends.push(self.bytes.len());
                }
                0xd0..=0xd7 => return None,
                _ => {
                    self.ends.push(self.bytes.len());
                    return Some(marker);
                }
            }
            file = &marker[2..];
        }
    }

    /// Returns the restart intervals in order.
    pub fn intervals(&self) -> RestartIntervals<'_> {
        RestartIntervals { data: self, next: 0 }
    }

    /// Returns the allocated memory in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + size_of::<usize>() * self.ends.capacity()
    }
}

/// Iterates over the data between restart markers.
pub(super) struct RestartIntervals<'a> {
    data: &'a EntropyData,
    next: usize,
}

impl<'a> RestartIntervals<'a> {
    /// Returns a reader of the next interval.
    pub fn next(&mut self) -> Option<BitReader<'a>> {
        let EntropyData { bytes, ends } = self.data;
        let &end = ends.get(self.next)?;
        let start = self.next.checked_sub(1).map_or(0, |previous| ends[previous]);
        self.next += 1;
        Some(BitReader::new(&bytes[start..end]))
    }
}
