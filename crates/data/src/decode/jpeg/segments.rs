//! Marker segments of baseline and progressive JPEG files (ITU-T T.81, annex B) with 8-bit samples
//! and Huffman coding.

use std::rc::Rc;

use super::color_space::ColorSpace;
use super::huffman::HuffmanTable;
use super::standard_tables::standard_table;

/// Natural index of each coefficient in zigzag order.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The maximum number of blocks in an MCU of several components (B.2.3).
pub(super) const MAX_MCU_BLOCKS: usize = 10;

/// The frame header.
pub(super) struct Frame {
    pub width: usize,
    pub height: usize,
    pub progressive: bool,
    /// The color components: one, three or four.
    pub components: Vec<Component>,
}

/// A component of the frame header.
pub(super) struct Component {
    id: u8,
    /// Horizontal sampling factor: blocks in a row of an MCU.
    pub h: usize,
    /// Vertical sampling factor: rows of blocks in an MCU.
    pub v: usize,
    pub quantization_table: usize,
}

impl Component {
    /// Returns the number of blocks of this component in an MCU.
    pub fn blocks_per_mcu(&self) -> usize {
        self.h * self.v
    }
}

impl Frame {
    /// Returns the maximum horizontal and vertical sampling factors.
    pub fn max_sampling_factors(&self) -> [usize; 2] {
        let max = |factor: fn(&Component) -> usize| self.components.iter().map(factor).max();
        [max(|component| component.h), max(|component| component.v)].map(|max| max.unwrap_or(1))
    }

    /// Returns the number of blocks in a row of a component, and the number of rows of blocks,
    /// without the blocks that only complete an MCU.
    pub fn blocks(&self, component: &Component) -> [usize; 2] {
        let [h_max, v_max] = self.max_sampling_factors();
        [
            (self.width * component.h).div_ceil(8 * h_max),
            (self.height * component.v).div_ceil(8 * v_max),
        ]
    }

    /// Returns the number of blocks of all components.
    pub fn num_blocks(&self) -> usize {
        let num_blocks = |component| self.blocks(component).iter().product::<usize>();
        self.components.iter().map(num_blocks).sum()
    }

    /// Returns the number of MCUs in a row, and the number of rows of MCUs.
    pub fn mcus(&self) -> [usize; 2] {
        let [h_max, v_max] = self.max_sampling_factors();
        [self.width.div_ceil(8 * h_max), self.height.div_ceil(8 * v_max)]
    }
}

/// The scan header and the entropy-coded data that follow.
pub(super) struct Scan<'a> {
    pub progressive: bool,
    /// Index of each component in the frame, and the numbers of its DC and AC Huffman tables.
    pub components: Vec<(usize, [usize; 2])>,
    /// First and last coefficient in zigzag order (Ss, Se).
    pub spectral_selection: [usize; 2],
    /// High and low bit position (Ah, Al). Ah is 0 in the first scan of a coefficient.
    pub successive_approximation: [u32; 2],
    /// The file from the entropy-coded data on.
    pub entropy_coded: &'a [u8],
}

/// Parses the segments of a file in order.
pub(super) struct Segments<'a> {
    rest: &'a [u8],
    frame: Option<Rc<Frame>>,
    /// Huffman tables by class (0: DC, 1: AC) and number.
    pub huffman_tables: [[Option<HuffmanTable>; 4]; 2],
    /// Quantization tables by number, with values in natural order.
    pub quantization_tables: [Option<[u16; 64]>; 4],
    /// MCUs between restart markers; 0 for none.
    pub restart_interval: usize,
    /// Whether the file has a JFIF segment.
    has_jfif: bool,
    /// Color transform of the Adobe segment: 0 (RGB or CMYK), 1 (YCbCr) or 2 (YCCK).
    adobe_transform: Option<u8>,
    /// Number of Huffman tables parsed.
    huffman_table_count: usize,
}

/// Maximum number of Huffman tables in a file, far more than any encoder writes. Building a table
/// takes far longer than reading its bytes, which a hostile file could exploit.
const MAX_HUFFMAN_TABLES: usize = 256;

impl<'a> Segments<'a> {
    /// Starts after the SOI marker. Parsing functions return `None` for an unsupported or damaged
    /// file.
    pub fn new(bytes: &'a [u8]) -> Option<Segments<'a>> {
        Some(Segments {
            rest: bytes.strip_prefix(&[0xff, 0xd8])?,
            frame: None,
            huffman_tables: Default::default(),
            quantization_tables: [None; 4],
            restart_interval: 0,
            has_jfif: false,
            adobe_transform: None,
            huffman_table_count: 0,
        })
    }

    /// Returns the frame header if it was parsed; it precedes the first scan.
    pub fn frame(&self) -> Option<Rc<Frame>> {
        self.frame.clone()
    }

    /// Continues with the segments after the entropy-coded data of a scan.
    pub fn skip_to(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// Parses up to the next scan. Returns `Some(None)` at the end of the image.
    pub fn next_scan(&mut self) -> Option<Option<Scan<'a>>> {
        loop {
            let marker = self.next_marker()?;
            match marker {
                0xd9 => return Some(None),
                // TEM and RST0-7 have no parameters.
                0x01 | 0xd0..=0xd7 => continue,
                _ => {}
            }
            let length = u16::from_be_bytes(*self.rest.first_chunk()?);
            let (segment, rest) = self.rest.split_at_checked(length.into())?;
            let segment = segment.get(2..)?;
            self.rest = rest;
            match marker {
                0xc0..=0xc2 if self.frame.is_none() => {
                    self.frame = Some(Rc::new(parse_frame(segment, marker == 0xc2)?));
                }
                0xc4 => self.read_huffman_tables(segment)?,
                0xdb => self.read_quantization_tables(segment)?,
                0xdd => self.restart_interval = u16::from_be_bytes(segment.try_into().ok()?).into(),
                0xda => {
                    let scan = self.parse_scan(segment)?;
                    self.add_standard_tables(&scan);
                    return Some(Some(scan));
                }
                0xe0 => self.has_jfif |= segment.len() >= 14 && segment.starts_with(b"JFIF\0"),
                0xee if segment.len() >= 12 && segment.starts_with(b"Adobe") => {
                    self.adobe_transform = Some(segment[11]);
                }
                // Other application segments, comments, and DNL. Like libjpeg, ignore the height in
                // a DNL segment; the height in the frame header is never 0.
                0xe1..=0xef | 0xfe | 0xdc => {}
                _ => return None,
            }
        }
    }

    /// Skips to the next marker and returns its code. Like libjpeg, skips other bytes between
    /// segments, and any number of fill bytes (0xff) before the code.
    fn next_marker(&mut self) -> Option<u8> {
        loop {
            let start = memchr::memchr(0xff, self.rest)?;
            self.rest = &self.rest[start..];
            let fill_bytes = self.rest.iter().position(|&byte| byte != 0xff)?;
            let marker = self.rest[fill_bytes];
            self.rest = &self.rest[fill_bytes + 1..];
            if marker != 0 {
                return Some(marker);
            }
        }
    }

    /// Returns the color space of the components by libjpeg's rules. Returns `None` before the
    /// frame header.
    pub fn color_space(&self) -> Option<ColorSpace> {
        let frame = self.frame.as_ref()?;
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        ColorSpace::detect(&ids, self.has_jfif, self.adobe_transform)
    }

    /// Returns the current quantization table of each component. Returns `None` if a table or the
    /// frame header is missing.
    pub fn component_quantization_tables(&self) -> Option<Vec<[u16; 64]>> {
        let frame = self.frame.as_ref()?;
        let tables = frame
            .components
            .iter()
            .map(|component| *self.quantization_tables.get(component.quantization_table)?);
        tables.collect()
    }

    fn read_huffman_tables(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [class_and_number, rest @ ..] = segment {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let symbols = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(symbols)?;
            let slot = self.huffman_tables.get_mut(usize::from(class_and_number >> 4))?;
            let slot = slot.get_mut(usize::from(class_and_number & 15))?;
            *slot = Some(HuffmanTable::new(counts, symbols)?);
            self.huffman_table_count += 1;
            segment = rest;
        }
        (self.huffman_table_count <= MAX_HUFFMAN_TABLES).then_some(())
    }

    /// Adds the standard Huffman tables that a sequential scan refers to and the file does not
    /// define, as libjpeg-turbo does. The frames of Motion JPEG have no tables.
    fn add_standard_tables(&mut self, scan: &Scan) {
        if scan.progressive {
            return;
        }
        for &(_, tables) in &scan.components {
            for (class, number) in tables.into_iter().enumerate() {
                let slot = self.huffman_tables[class].get_mut(number);
                if let Some(slot @ None) = slot {
                    *slot = standard_table(class, number);
                }
            }
        }
    }

    fn read_quantization_tables(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [precision_and_number, rest @ ..] = segment {
            let slot = self.quantization_tables.get_mut(usize::from(precision_and_number & 15))?;
            let mut table = [0; 64];
            let rest = match precision_and_number >> 4 {
                0 => {
                    let (values, rest) = rest.split_first_chunk::<64>()?;
                    for (&value, index) in values.iter().zip(ZIGZAG) {
                        table[usize::from(index)] = value.into();
                    }
                    rest
                }
                1 => {
                    let (values, rest) = rest.split_first_chunk::<128>()?;
                    for (&value, index) in values.as_chunks::<2>().0.iter().zip(ZIGZAG) {
                        table[usize::from(index)] = u16::from_be_bytes(value);
                    }
                    rest
                }
                _ => return None,
            };
            *slot = Some(table);
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
        for &[id, tables] in selected.as_chunks::<2>().0 {
            let index = frame.components.iter().position(|component| component.id == id)?;
            if components.iter().any(|&(other, _)| other == index) {
                return None;
            }
            components.push((index, [usize::from(tables >> 4), usize::from(tables & 15)]));
        }
        if components.is_empty() {
            return None;
        }
        let mut scan = Scan {
            progressive: frame.progressive,
            components,
            spectral_selection: [first, last].map(usize::from),
            successive_approximation: [approximation >> 4, approximation & 15].map(u32::from),
            entropy_coded: self.rest,
        };
        if !frame.progressive {
            // Like libjpeg, ignore these fields in a sequential file.
            scan.spectral_selection = [0, 63];
            scan.successive_approximation = [0, 0];
        }
        scan.is_valid().then_some(scan)
    }
}

impl Scan<'_> {
    /// Returns whether the band and the bit positions of the scan are valid (ITU-T T.81, G.1.1.1).
    fn is_valid(&self) -> bool {
        let ([first, last], [high, low]) = (self.spectral_selection, self.successive_approximation);
        let is_valid_band = match first {
            _ if !self.progressive => true,
            0 => last == 0,
            _ => first <= last && last < 64 && self.components.len() == 1,
        };
        is_valid_band && low <= 13 && (high == 0 || high == low + 1)
    }
}

fn parse_frame(segment: &[u8], progressive: bool) -> Option<Frame> {
    let [8, h1, h0, w1, w0, count, specs @ ..] = segment else { return None };
    let (height, width) = (u16::from_be_bytes([*h1, *h0]), u16::from_be_bytes([*w1, *w0]));
    let (specs, []) = specs.as_chunks::<3>() else { return None };
    if specs.len() != usize::from(*count)
        || !matches!(count, 1 | 3 | 4)
        || width == 0
        || height == 0
    {
        return None;
    }
    let mut frame = Frame {
        width: width.into(),
        height: height.into(),
        progressive,
        components: Vec::with_capacity(specs.len()),
    };
    for &[id, sampling, quantization_table] in specs {
        let (h, v) = match specs.len() {
            1 => (1, 1), // an MCU of a single component is one block
            _ => (usize::from(sampling >> 4), usize::from(sampling & 15)),
        };
        let is_duplicate = frame.components.iter().any(|component| component.id == id);
        if is_duplicate || !(1..=4).contains(&h) || !(1..=4).contains(&v) {
            return None;
        }
        let quantization_table = usize::from(quantization_table);
        frame.components.push(Component { id, h, v, quantization_table });
    }
    // libjpeg upsamples by integers only.
    let [h_max, v_max] = frame.max_sampling_factors();
    let has_integer_upsampling = |component: &Component| {
        h_max.is_multiple_of(component.h) && v_max.is_multiple_of(component.v)
    };
    frame.components.iter().all(has_integer_upsampling).then_some(frame)
}
