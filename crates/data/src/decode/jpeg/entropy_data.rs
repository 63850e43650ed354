//! A scan's coded data, ready to be read.

use super::huffman::Bits;

/// Coded bytes of an image, at most: room for them is kept by each thread.
const MAX_CODED: usize = 64 << 20;

/// The coded data of a scan without the zeros behind 0xff and without restart markers.
#[derive(Default)]
pub(super) struct Coded {
    bytes: Vec<u8>,
    /// Where each stretch between restart markers ends.
    ends: Vec<usize>,
}

impl Coded {
    /// Takes over a scan's data from the beginning of `file`; the rest of it, from the marker on that
    /// follows. `None` if there is none, restart markers are not in order, or there are too many
    /// data.
    pub fn read<'a>(&mut self, mut file: &'a [u8]) -> Option<&'a [u8]> {
        self.bytes.clear();
        self.bytes.reserve(file.len().min(MAX_CODED));
        self.ends.clear();
        loop {
            let plain = memchr::memchr(0xff, file)?;
            if self.bytes.len() + plain >= MAX_CODED {
                return None;
            }
            self.bytes.extend_from_slice(&file[..plain]);
            let marker = &file[plain..];
            match marker.get(1)? {
                0 => self.bytes.push(0xff),
                // A marker may be preceded by any number of these.
                0xff => {
                    file = &marker[1..];
                    continue;
                }
                &number @ 0xd0..=0xd7 if usize::from(number - 0xd0) == self.ends.len() % 8 => {
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

    pub fn stretches(&self) -> Stretches<'_> {
        Stretches { coded: self, next: 0 }
    }

    /// The bytes that it keeps room for.
    pub fn room(&self) -> usize {
        self.bytes.capacity() + size_of::<usize>() * self.ends.capacity()
    }
}

/// The coded data between restart markers.
pub(super) struct Stretches<'a> {
    coded: &'a Coded,
    next: usize,
}

impl<'a> Stretches<'a> {
    pub fn next(&mut self) -> Option<Bits<'a>> {
        let Coded { bytes, ends } = self.coded;
        let &end = ends.get(self.next)?;
        let start = self.next.checked_sub(1).map_or(0, |before| ends[before]);
        self.next += 1;
        Some(Bits::new(&bytes[start..end]))
    }
}
