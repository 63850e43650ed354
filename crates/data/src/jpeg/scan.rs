//! What a scan codes: the coefficients of all blocks of an image (ITU-T T.81, annex F.2).

use std::rc::Rc;

use super::coded::{Coded, Stretches};
use super::coefficients::{numbered, Block, Coefficients, Plane, PLACES};
use super::huffman::{Bits, Code, Pairs, END, LOOK};
use super::segments::{Frame, Scan, Segments};

/// Blocks of a group, at most; libjpeg allows no more.
const MOST_BLOCKS: usize = 10;

/// A scan on its way through the groups of blocks.
pub(super) struct Walk<'a, const FAST: bool> {
    reader: Sequential<'a, FAST>,
    stretches: Stretches<'a>,
    bits: Bits<'a>,
    /// Groups until the next restart marker.
    left: usize,
    restart: usize,
    /// Of each block of a group: its component, row and column.
    group: Vec<(usize, usize, usize)>,
    /// How many columns of blocks the next group is away, in each component.
    step: Vec<usize>,
    /// Groups in a row, and rows of them.
    pub size: [usize; 2],
}

impl<'a, const FAST: bool> Walk<'a, FAST> {
    pub fn new(
        frame: &Frame,
        scan: &Scan,
        coded: &'a Coded,
        restart: usize,
        reader: Sequential<'a, FAST>,
    ) -> Option<Walk<'a, FAST>> {
        let mut stretches = coded.stretches();
        let bits = stretches.next()?;
        let mut step = vec![0; frame.components.len()];
        let mut group = Vec::new();
        let groups = match scan.components.as_slice() {
            // Alone, a component's blocks are not grouped, and there are none beyond the edges.
            &[(number, _)] => {
                step[number] = 1;
                group.push((number, 0, 0));
                let component = &frame.components[number];
                [component.width.div_ceil(8), component.height.div_ceil(8)]
            }
            several => {
                for &(number, _) in several {
                    let component = &frame.components[number];
                    step[number] = component.across;
                    for row in 0..component.down {
                        group.extend((0..component.across).map(|column| (number, row, column)));
                    }
                }
                frame.groups()
            }
        };
        (group.len() <= MOST_BLOCKS).then_some(Walk {
            reader,
            stretches,
            bits,
            left: restart,
            restart,
            group,
            step,
            size: groups,
        })
    }

    /// Reads the next groups of a row into the planes.
    #[inline]
    pub fn groups(&mut self, count: usize, planes: &mut [Plane; 3]) -> Option<()> {
        for column in 0..count {
            if self.restart > 0 {
                if self.left == 0 {
                    finished(&self.bits)?;
                    self.bits = self.stretches.next()?;
                    self.reader.restart();
                    self.left = self.restart;
                }
                self.left -= 1;
            }
            for &(component, down, across) in &self.group {
                let wide = self.step[component];
                let block = planes[component].block(down, column * wide + across);
                self.reader.read(&mut self.bits, component, block)?;
            }
        }
        // What never ends need not be read to its end.
        (self.bits.left() >= 0).then_some(())
    }

    /// Makes sure that the data end where the blocks do.
    pub fn finish(mut self) -> Option<()> {
        finished(&self.bits)?;
        self.stretches.next().is_none().then_some(())
    }
}

/// A stretch was read to its end, where a byte is filled up.
fn finished(bits: &Bits) -> Option<()> {
    (0..8).contains(&bits.left()).then_some(())
}

/// The codes of each component of a scan.
fn codes<'a>(segments: &'a Segments, scan: &Scan, class: usize) -> Option<[Option<&'a Code>; 3]> {
    let mut codes = [None; 3];
    for &(component, numbers) in &scan.components {
        codes[component] = Some(segments.codes[class].get(numbers[class])?.as_ref()?);
    }
    Some(codes)
}

/// Reads all coefficients of each block. Where shifts by any number of bits are one step and not
/// three (`FAST`), that is the way.
pub(super) struct Sequential<'a, const FAST: bool> {
    first: [Option<&'a Code>; 3],
    others: [Option<&'a Code>; 3],
    pairs: [Option<Rc<Pairs>>; 3],
    before: [i32; 3],
}

/// Whether this CPU has BMI1 and BMI2.
pub(super) fn has_fast_shifts() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl<'a, const FAST: bool> Sequential<'a, FAST> {
    /// # Panics
    /// If it is the fast way, and this CPU has none.
    pub fn new(segments: &'a Segments, scan: &Scan) -> Option<Self> {
        assert!(!FAST || has_fast_shifts());
        if scan.band != [0, 63] || scan.approximation != [0, 0] {
            return None;
        }
        let [first, others] = [codes(segments, scan, 0)?, codes(segments, scan, 1)?];
        let mut pairs = [const { None }; 3];
        for (i, code) in others.iter().enumerate() {
            let Some(code) = code else { continue };
            let same =
                |other: &Option<&Code>| other.is_some_and(|other| std::ptr::eq(other, *code));
            pairs[i] = match others[..i].iter().position(same) {
                Some(before) => Option::<Rc<Pairs>>::clone(&pairs[before]),
                None => Some(Rc::new(Pairs::of(code))),
            };
        }
        Some(Sequential { first, others, pairs, before: [0; 3] })
    }
}

impl<const FAST: bool> Sequential<'_, FAST> {
    /// Reads the next block, of a component.
    #[inline]
    fn read(&mut self, bits: &mut Bits, component: usize, mut block: Block) -> Option<()> {
        let first = self.first[component]?;
        let (code, pairs) = (self.others[component]?, self.pairs[component].as_ref()?);
        bits.fill();
        let before = &mut self.before[component];
        *before = before.wrapping_add(first.difference(bits)?);
        *numbered(block.coefficients, &PLACES, 0) = *before as i16;
        #[cfg(target_arch = "x86_64")]
        if FAST {
            // SAFETY: the processor has them, as `new` has made sure.
            let last = unsafe { others_fast(code, pairs, bits, block.coefficients) };
            block.reaches(last?);
            return Some(());
        }
        let last = others(code, pairs, bits, block.coefficients);
        block.reaches(last?);
        Some(())
    }

    /// Forgets what came before a restart marker.
    fn restart(&mut self) {
        self.before = [0; 3];
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi1,bmi2")]
unsafe fn others_fast(
    code: &Code,
    pairs: &Pairs,
    bits: &mut Bits,
    into: &mut Coefficients,
) -> Option<usize> {
    others(code, pairs, bits, into)
}

/// Reads the coefficients of a block but for the first: the number of the last that is not 0.
#[inline(always)]
fn others(code: &Code, pairs: &Pairs, from: &mut Bits, into: &mut Coefficients) -> Option<usize> {
    // Where nobody else can look at them, they stay in registers.
    let mut bits = *from;
    let pairs = &*pairs.by_bits;
    let places = &PLACES;
    let mut number = 0;
    let mut left = 0;
    let last = loop {
        if left == 0 {
            bits.fill();
            left = 56 / LOOK;
        }
        left -= 1;
        let pair = pairs[bits.peek(LOOK) as usize];
        if pair.is_none() {
            let before = number;
            let (further, value) = code.coefficient(&mut bits)?;
            left = 56 / LOOK;
            number += further;
            *numbered(into, places, number) = value;
            match number {
                ..63 => continue,
                63 => break 63,
                END.. => break before,
                _ => return None,
            }
        }
        bits.skip(pair.bits());
        let (further, second) = pair.further();
        let first = number + further;
        number = first + second;
        let (value, second_value) = pair.values();
        // Where there is no second one, it is the first one's place.
        *numbered(into, places, number) = second_value;
        *numbered(into, places, first) = value;
        if number >= 63 {
            if first == 63 {
                // What follows the last coefficient belongs to another block.
                if second > 0 {
                    bits.put_back(pair.second_bits());
                }
                break 63;
            }
            // An end of block is the first of the two, or the second; which one cannot be guessed.
            let ended = first - if first >= END { further } else { 0 };
            match number {
                63 => break 63,
                END.. => break ended,
                _ => return None,
            }
        }
    };
    bits.go_on_in(from);
    Some(last)
}
