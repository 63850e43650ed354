//! A JPEG file's segments (ITU-T T.81, annex B), of the kinds that are decoded here: 8-bit values,
//! Huffman-coded, grey or luma and two differences of colour.

use std::rc::Rc;

use super::huffman::Code;

/// The natural places of coefficients in the order in which they are coded.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// What the frame header says.
pub(super) struct Frame {
    pub width: usize,
    pub height: usize,
    pub progressive: bool,
    /// One, or luma and two differences of colour.
    pub components: Vec<Component>,
}

pub(super) struct Component {
    id: u8,
    /// Blocks side by side and one above the other, in each group of blocks.
    pub across: usize,
    pub down: usize,
    pub quantiser: usize,
    /// Values that the image needs of it.
    pub width: usize,
    pub height: usize,
}

impl Component {
    /// Blocks in each group.
    pub fn blocks(&self) -> usize {
        self.across * self.down
    }
}

impl Frame {
    /// Blocks of a group along each side: across, down.
    pub fn group(&self) -> [usize; 2] {
        let most = |count: fn(&Component) -> usize| self.components.iter().map(count).max();
        [most(|c| c.across), most(|c| c.down)].map(|most| most.unwrap_or(1))
    }

    /// Groups of blocks: in a row, in a column.
    pub fn groups(&self) -> [usize; 2] {
        let [across, down] = self.group();
        [self.width.div_ceil(8 * across), self.height.div_ceil(8 * down)]
    }
}

/// What a scan's header says, and where its coded data begin.
pub(super) struct Scan<'a> {
    /// Which components, and the numbers of their codes.
    pub components: Vec<(usize, [usize; 2])>,
    /// The first and the last coefficient.
    pub band: [usize; 2],
    /// Bits of the coefficients that were left out before, and that are left out now.
    pub approximation: [u32; 2],
    pub coded: &'a [u8],
}

/// A file on the way through its segments.
pub(super) struct Segments<'a> {
    rest: &'a [u8],
    frame: Option<Rc<Frame>>,
    /// By class (0: first coefficients, 1: the others) and number.
    pub codes: [[Option<Code>; 4]; 2],
    /// In their natural order.
    pub quantisers: [Option<[u16; 64]>; 4],
    /// Groups of blocks between two restart markers; 0: there are none.
    pub restart: usize,
    jfif: bool,
    adobe: Option<u8>,
    /// Tables that were read: they cost far more than their bytes in the file do.
    tables: usize,
}

/// More than any encoder writes.
const MAX_TABLES: usize = 256;

impl<'a> Segments<'a> {
    /// `None` for another kind of file; likewise everywhere here, and for one that is damaged.
    pub fn new(bytes: &'a [u8]) -> Option<Segments<'a>> {
        Some(Segments {
            rest: bytes.strip_prefix(&[0xff, 0xd8])?,
            frame: None,
            codes: Default::default(),
            quantisers: [None; 4],
            restart: 0,
            jfif: false,
            adobe: None,
            tables: 0,
        })
    }

    /// The frame, which stands before the first scan.
    pub fn frame(&self) -> Option<Rc<Frame>> {
        self.frame.clone()
    }

    /// Goes on behind a scan's coded data.
    pub fn skip_to(&mut self, rest: &'a [u8]) {
        self.rest = rest;
    }

    /// Reads up to the next scan. Its inner `None` is the end of the image.
    pub fn next_scan(&mut self) -> Option<Option<Scan<'a>>> {
        loop {
            self.rest = self.rest.strip_prefix(&[0xff])?;
            let [marker, after @ ..] = self.rest else { return None };
            match marker {
                0xff => continue, // markers may be preceded by any number of these
                0xd9 => return Some(None),
                _ => {}
            }
            let length = u16::from_be_bytes(*after.first_chunk()?);
            let (segment, rest) = after.split_at_checked(length.into())?;
            let segment = segment.get(2..)?;
            self.rest = rest;
            match marker {
                0xc0..=0xc2 if self.frame.is_none() => {
                    self.frame = Some(Rc::new(frame(segment, *marker == 0xc2)?));
                }
                0xc4 => self.read_codes(segment)?,
                0xdb => self.read_quantisers(segment)?,
                0xdd => self.restart = u16::from_be_bytes(segment.try_into().ok()?).into(),
                0xda => return Some(Some(self.scan(segment)?)),
                0xe0 => self.jfif |= segment.len() >= 14 && segment.starts_with(b"JFIF\0"),
                0xee if segment.starts_with(b"Adobe") => self.adobe = Some(*segment.get(11)?),
                0xe1..=0xef | 0xfe => {}
                _ => return None,
            }
        }
    }

    /// Whether the components are what JFIF says, as libjpeg finds it out.
    pub fn colours_are_known(&self) -> bool {
        let Some(frame) = &self.frame else { return false };
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        match (ids.as_slice(), self.adobe) {
            ([_], _) => true,
            _ if self.jfif => true,
            (_, Some(transform)) => transform == 1,
            (ids, None) => ids != b"RGB",
        }
    }

    fn read_codes(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [class, rest @ ..] = segment {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let symbols = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(symbols)?;
            let place = self.codes.get_mut(usize::from(class >> 4))?;
            let place = place.get_mut(usize::from(class & 15))?;
            *place = Some(Code::new(counts, symbols)?);
            self.tables += 1;
            segment = rest;
        }
        (self.tables <= MAX_TABLES).then_some(())
    }

    fn read_quantisers(&mut self, mut segment: &[u8]) -> Option<()> {
        while let [number, rest @ ..] = segment {
            let place = self.quantisers.get_mut(usize::from(number & 15))?;
            let mut natural = [0; 64];
            let rest = match number >> 4 {
                0 => {
                    let (values, rest) = rest.split_first_chunk::<64>()?;
                    for (&value, place) in values.iter().zip(ZIGZAG) {
                        natural[usize::from(place)] = value.into();
                    }
                    rest
                }
                1 => {
                    let (values, rest) = rest.split_first_chunk::<128>()?;
                    for (&value, place) in values.as_chunks::<2>().0.iter().zip(ZIGZAG) {
                        natural[usize::from(place)] = u16::from_be_bytes(value);
                    }
                    rest
                }
                _ => return None,
            };
            *place = Some(natural);
            segment = rest;
        }
        Some(())
    }

    fn scan(&self, segment: &[u8]) -> Option<Scan<'a>> {
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
            // In the frame's order, and none twice.
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
            coded: self.rest,
        })
    }
}

fn frame(segment: &[u8], progressive: bool) -> Option<Frame> {
    let [8, h1, h0, w1, w0, count, told @ ..] = segment else { return None };
    let (height, width) = (u16::from_be_bytes([*h1, *h0]), u16::from_be_bytes([*w1, *w0]));
    let (told, []) = told.as_chunks::<3>() else { return None };
    if told.len() != usize::from(*count) || !matches!(count, 1 | 3) || width == 0 || height == 0 {
        return None;
    }
    let mut frame = Frame {
        width: width.into(),
        height: height.into(),
        progressive,
        components: Vec::with_capacity(told.len()),
    };
    for &[id, sampling, quantiser] in told {
        let (across, down) = match told.len() {
            1 => (1, 1), // alone, it is not grouped
            _ => (usize::from(sampling >> 4), usize::from(sampling & 15)),
        };
        let twice = frame.components.iter().any(|component| component.id == id);
        if twice || !matches!(across, 1 | 2 | 4) || !matches!(down, 1 | 2 | 4) {
            return None;
        }
        let quantiser = usize::from(quantiser);
        frame.components.push(Component { id, across, down, quantiser, width: 0, height: 0 });
    }
    let [across, down] = frame.group();
    for component in &mut frame.components {
        component.width = (frame.width * component.across).div_ceil(across);
        component.height = (frame.height * component.down).div_ceil(down);
    }
    Some(frame)
}
