//! Marker segments of baseline and progressive JPEG files (ITU-T T.81, annex B) with 8-bit samples,
//! Huffman coding, and gray or YCbCr components.

use std::rc::Rc;

use super::huffman::HuffmanTable;

/// Natural index of each coefficient in zigzag order.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The frame header.
pub(super) struct Frame {
    pub width: usize,
    pub height: usize,
    pub progressive: bool,
    /// Gray, or Y, Cb and Cr.
    pub components: Vec<Component>,
}

pub(super) struct Component {
    id: u8,
    /// Sampling factors: blocks of an MCU, horizontally and vertically.
    pub across: usize,
    pub down: usize,
    pub quantization_table: usize,
    /// Samples that the image needs.
    pub width: usize,
    pub height: usize,
}

impl Component {
    /// Blocks of this component in an MCU.
    pub fn blocks(&self) -> usize {
        self.across * self.down
    }
}

impl Frame {
    /// The largest sampling factors: horizontal, vertical.
    pub fn max_sampling_factors(&self) -> [usize; 2] {
        let most = |count: fn(&Component) -> usize| self.components.iter().map(count).max();
        [most(|c| c.across), most(|c| c.down)].map(|most| most.unwrap_or(1))
    }

    /// MCUs in a row, and rows of MCUs.
    pub fn mcus(&self) -> [usize; 2] {
        let [across, down] = self.max_sampling_factors();
        [self.width.div_ceil(8 * across), self.height.div_ceil(8 * down)]
    }
}

/// The scan header and the entropy-coded data that follow it.
pub(super) struct Scan<'a> {
    /// Index of each component and the numbers of its DC and AC Huffman tables.
    pub components: Vec<(usize, [usize; 2])>,
    /// First and last coefficient in zigzag order (Ss, Se).
    pub band: [usize; 2],
    /// Successive approximation: high and low bit position (Ah, Al).
    pub approximation: [u32; 2],
    pub entropy_coded: &'a [u8],
}

/// Parses the segments of a file in order.
pub(super) struct Segments<'a> {
    rest: &'a [u8],
    frame: Option<Rc<Frame>>,
    /// By class (0: DC, 1: AC) and number.
    pub huffman_tables: [[Option<HuffmanTable>; 4]; 2],
    /// In natural order.
    pub quantization_tables: [Option<[u16; 64]>; 4],
    /// MCUs between restart markers; 0 for none.
    pub restart_interval: usize,
    jfif: bool,
    adobe: Option<u8>,
    /// Huffman tables parsed so far. Building one takes far longer than reading its bytes, so a
    /// hostile file could contain many.
    tables: usize,
}

/// Maximum number of Huffman tables; no encoder writes as many.
const MAX_TABLES: usize = 256;

impl<'a> Segments<'a> {
    /// Starts behind the SOI marker. This and all other functions return `None` for unsupported or
    /// damaged files.
    pub fn new(bytes: &'a [u8]) -> Option<Segments<'a>> {
        Some(Segments {
            rest: bytes.strip_prefix(&[0xff, 0xd8])?,
            frame: None,
            huffman_tables: Default::default(),
            quantization_tables: [None; 4],
            restart_interval: 0,
            jfif: false,
            adobe: None,
            tables: 0,
        })
    }

    /// The frame header, which precedes the first scan.
    pub fn frame(&self) -> Option<Rc<Frame>> {
        self.frame.clone()
    }

    /// Continues with the segments after the entropy-coded data of a scan.
    pub fn skip_to(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// Parses up to the next scan. The inner `None` is the end of the image.
    pub fn next_scan(&mut self) -> Option<Option<Scan<'a>>> {
        loop {
            self.rest = self.rest.strip_prefix(&[0xff])?;
            let [marker, after @ ..] = self.rest else { return None };
            match marker {
                0xff => continue, // fill bytes may precede a marker
                0xd9 => return Some(None),
                _ => {}
            }
            let length = u16::from_be_bytes(*after.first_chunk()?);
            let (segment, rest) = after.split_at_checked(length.into())?;
            let segment = segment.get(2..)?;
            self.rest = rest;
            match marker {
                0xc0..=0xc2 if self.frame.is_none() => {
                    self.frame = Some(Rc::new(parse_frame(segment, *marker == 0xc2)?));
                }
                0xc4 => self.read_huffman_tables(segment)?,
                0xdb => self.read_quantization_tables(segment)?,
                0xdd => self.restart_interval = u16::from_be_bytes(segment.try_into().ok()?).into(),
                0xda => return Some(Some(self.parse_scan(segment)?)),
                0xe0 => self.jfif |= segment.len() >= 14 && segment.starts_with(b"JFIF\0"),
                0xee if segment.starts_with(b"Adobe") => self.adobe = Some(*segment.get(11)?),
                0xe1..=0xef | 0xfe => {}
                _ => return None,
            }
        }
    }

    /// Whether the components are gray or YCbCr, by libjpeg's rules.
    pub fn has_known_color_space(&self) -> bool {
        let Some(frame) = &self.frame else { return false };
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        match (ids.as_slice(), self.adobe) {
            ([_], _) => true,
            _ if self.jfif => true,
            (_, Some(transform)) => transform == 1,
            (ids, None) => ids != b"RGB",
        }
    }

    fn read_huffman_tables(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [class, rest @ ..] = segment {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let symbols = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(symbols)?;
            let slot = self.huffman_tables.get_mut(usize::from(class >> 4))?;
            let slot = slot.get_mut(usize::from(class & 15))?;
            *slot = Some(HuffmanTable::new(counts, symbols)?);
            self.tables += 1;
            segment = rest;
        }
        (self.tables <= MAX_TABLES).then_some(())
    }

    fn read_quantization_tables(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [number, rest @ ..] = segment {
            let slot = self.quantization_tables.get_mut(usize::from(number & 15))?;
            let mut natural = [0; 64];
            let rest = match number >> 4 {
                0 => {
                    let (values, rest) = rest.split_first_chunk::<64>()?;
                    for (&value, slot) in values.iter().zip(ZIGZAG) {
                        natural[usize::from(slot)] = value.into();
                    }
                    rest
                }
                1 => {
                    let (values, rest) = rest.split_first_chunk::<128>()?;
                    for (&value, slot) in values.as_chunks::<2>().0.iter().zip(ZIGZAG) {
                        natural[usize::from(slot)] = u16::from_be_bytes(value);
                    }
                    rest
                }
                _ => return None,
            };
            *slot = Some(natural);
            segment = rest;
        }
        Some(())
    }

    fn parse_scan(&self, segment: &[u8]) -> Option<Scan<'a>> {
        let frame = self.frame.as_ref()?;
        let [count, rest @ ..] = segment else { return None };
        let (selected, &[first, last, approximation]) =
            rest.split_at_checked(2 * usize::from(*count))?
        else {
            return None;
        };
        let mut components: Vec<(usize, [usize; 2])> = Vec::new();
        for &[id, codes] in selected.as_chunks::<2>().0 {
            let number = frame.components.iter().position(|component| component.id == id)?;
            // Components must be in the order of the frame, without duplicates.
            if components.last().is_some_and(|&(before, _)| before >= number) {
                return None;
            }
            components.push((number, [usize::from(codes >> 4), usize::from(codes & 15)]));
        }
        let band = [first, last].map(usize::from);
        let approximation = [approximation >> 4, approximation & 15].map(u32::from);
        (!components.is_empty()).then_some(Scan {
            components,
            band,
            approximation,
            entropy_coded: self.rest,
        })
    }
}

fn parse_frame(segment: &[u8], progressive: bool) -> Option<Frame> {
    let [8, h1, h0, w1, w0, count, specs @ ..] = segment else { return None };
    let (height, width) = (u16::from_be_bytes([*h1, *h0]), u16::from_be_bytes([*w1, *w0]));
    let (specs, []) = specs.as_chunks::<3>() else { return None };
    if specs.len() != usize::from(*count) || !matches!(count, 1 | 3) || width == 0 || height == 0 {
        return None;
    }
    let mut frame = Frame {
        width: width.into(),
        height: height.into(),
        progressive,
        components: Vec::with_capacity(specs.len()),
    };
    for &[id, sampling, quantization_table] in specs {
        let (across, down) = match specs.len() {
            1 => (1, 1), // a single component is not interleaved
            _ => (usize::from(sampling >> 4), usize::from(sampling & 15)),
        };
        let is_duplicate = frame.components.iter().any(|component| component.id == id);
        if is_duplicate || !matches!(across, 1 | 2 | 4) || !matches!(down, 1 | 2 | 4) {
            return None;
        }
        let quantization_table = usize::from(quantization_table);
        frame.components.push(Component {
            id,
            across,
            down,
            quantization_table,
            width: 0,
            height: 0,
        });
    }
    let [across, down] = frame.max_sampling_factors();
    for component in &mut frame.components {
        component.width = (frame.width * component.across).div_ceil(across);
        component.height = (frame.height * component.down).div_ceil(down);
    }
    Some(frame)
}
