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
    /// Code of the marker after each restart interval. Only the last is not one of RST0 to RST7.
    markers: Vec<u8>,
}

const RST0: u8 = 0xd0;
const RST7: u8 = 0xd7;

impl EntropyData {
    /// Copies the data of a scan, with which `file` starts. Returns the rest of the file, which
    /// starts with the next marker that is not a restart marker. Returns `None` if no marker
    /// follows, or if there is too much data.
    pub fn read<'a>(&mut self, mut file: &'a [u8]) -> Option<&'a [u8]> {
        self.bytes.clear();
        self.bytes.reserve(file.len().min(MAX_DATA_BYTES));
        self.ends.clear();
        self.markers.clear();
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
                &code => {
                    self.ends.push(self.bytes.len());
                    self.markers.push(code);
                    if !(RST0..=RST7).contains(&code) {
                        return Some(marker);
                    }
                }
            }
            file = &marker[2..];
        }
    }

    /// Returns the restart intervals in order.
    pub fn intervals(&self) -> RestartIntervals<'_> {
        RestartIntervals { data: self, current: 0 }
    }

    /// Returns the allocated memory in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + size_of::<usize>() * self.ends.capacity() + self.markers.capacity()
    }
}

/// A cursor over the restart intervals of a scan.
pub(super) struct RestartIntervals<'a> {
    data: &'a EntropyData,
    /// Index of the current interval.
    current: usize,
}

impl<'a> RestartIntervals<'a> {
    /// Returns a reader of the current interval.
    pub fn reader(&self) -> BitReader<'a> {
        let EntropyData { bytes, ends, .. } = self.data;
        let start = self.current.checked_sub(1).map_or(0, |previous| ends[previous]);
        BitReader::new(&bytes[start..ends[self.current]])
    }

    /// Advances to the next interval and returns its reader. Returns `None` if the current interval
    /// does not end with the restart marker of its number modulo 8.
    pub fn next(&mut self) -> Option<BitReader<'a>> {
        if self.data.markers[self.current] != RST0 + (self.current % 8) as u8 {
            return None;
        }
        self.current += 1;
        Some(self.reader())
    }

    /// Advances to the interval after the restart marker `number` (0 to 7) in data that may be
    /// damaged, by the rules of libjpeg's `jpeg_resync_to_restart`. Returns `None` if the interval
    /// is missing.
    pub fn resync(&mut self, number: u8) -> Option<BitReader<'a>> {
        loop {
            match self.data.markers[self.current] {
                marker @ RST0..=RST7 => match (marker - RST0).wrapping_sub(number) & 7 {
                    // One of the two markers after `number`: the interval is missing.
                    1 | 2 => return None,
                    // One of the two markers before `number`: skip the interval that follows it.
                    6 | 7 => self.current += 1,
                    // The marker `number`, or one that is too far away to be in order.
                    _ => {
                        self.current += 1;
                        return Some(self.reader());
                    }
                },
                _ => return None,
            }
        }
    }
}
