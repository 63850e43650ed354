//! What a scan codes: the coefficients of all blocks of an image (ITU-T T.81, annex F.2).
//!
//! Half of the time of a photograph goes by here, waiting for where the next code begins. So one
//! loop goes through the blocks of several groups and does the same whatever comes: a step is looked
//! up, its one or two coefficients are written, and where a block ends is where the next step's
//! table is the next block's. Only what is rare is a branch, for where blocks end cannot be guessed.

use std::hint::select_unpredictable;

use super::coefficients::{Coefficients, Fours, MAX_BLOCKS, PLACES};
use super::entropy_data::{Coded, Stretches};
use super::huffman::{Bits, Code, END, LOOK, Steps, first_steps, other_steps};
use super::segments::{Frame, Scan, Segments};

/// The steps of each code of a scan, by class (0: first coefficients, 1: the others) and number.
pub(super) struct Tables([[Steps; 4]; 2]);

impl Default for Tables {
    fn default() -> Self {
        Tables([[[Default::default(); 1 << LOOK]; 4]; 2])
    }
}

impl Tables {
    /// `None` if the scan names codes that are not there.
    pub fn fill(&mut self, segments: &Segments, scan: &Scan) -> Option<()> {
        let [first, others] = &mut self.0;
        let tables = [(first, first_steps as fn(&Code, &mut Steps)), (others, other_steps)];
        for (class, (tables, fill)) in tables.into_iter().enumerate() {
            let mut filled = [false; 4];
            for (_, numbers) in &scan.components {
                let code = segments.codes[class].get(numbers[class])?.as_ref()?;
                if !std::mem::replace(&mut filled[numbers[class]], true) {
                    fill(code, &mut tables[numbers[class]]);
                }
            }
        }
        Some(())
    }
}

/// What has to be known of a block before it is read, and what is after.
#[repr(align(128))]
struct Block<'a> {
    component: usize,
    /// Where it lies among those of four groups.
    number: usize,
    /// Where its coefficients begin.
    at: usize,
    first: &'a Steps,
    others: &'a Steps,
    codes: [&'a Code; 2],
    /// The number of its last coefficient; maybe [`END`] more.
    last: u8,
}

/// A scan on its way through the groups of blocks.
pub(super) struct Walk<'a> {
    /// Shifts by any number of bits are one step and not three, and taking bits out is another.
    fast: bool,
    stretches: Stretches<'a>,
    bits: Bits<'a>,
    /// Groups until the next restart marker.
    left: usize,
    restart: usize,
    /// The blocks of four groups, and another one.
    blocks: Vec<Block<'a>>,
    /// Blocks of a group.
    group: usize,
    /// The last first coefficient of each component.
    before: [i16; 3],
    /// Groups in a row, and rows of them.
    pub size: [usize; 2],
}

/// Whether this CPU has BMI1 and BMI2.
fn has_fast_shifts() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl<'a> Walk<'a> {
    /// For a scan of all coefficients of all components. `fast`, if this CPU can be.
    pub fn new(
        fast: bool,
        segments: &'a Segments,
        frame: &Frame,
        scan: &Scan,
        coded: &'a Coded,
        tables: &'a mut Tables,
    ) -> Option<Walk<'a>> {
        if scan.band != [0, 63] || scan.approximation != [0, 0] {
            return None;
        }
        tables.fill(segments, scan)?;
        let mut stretches = coded.stretches();
        let bits = stretches.next()?;
        let group: usize = frame.components.iter().map(|component| component.blocks()).sum();
        if group > MAX_BLOCKS {
            return None;
        }
        let mut blocks = Vec::with_capacity(4 * group + 1);
        for column in 0..4 {
            // The fours of the components that come before.
            let mut fours = 0;
            for &(component, numbers) in &scan.components {
                let codes = [0, 1].map(|class| segments.codes[class][numbers[class]].as_ref());
                let told = &frame.components[component];
                for row in 0..told.down {
                    for across in 0..told.across {
                        let column = column * told.across + across;
                        let four = fours + row * told.across + column / 4;
                        blocks.push(Block {
                            component,
                            number: 4 * four + column % 4,
                            at: 256 * four + 8 * (column % 4),
                            first: &tables.0[0][numbers[0]],
                            others: &tables.0[1][numbers[1]],
                            codes: [codes[0]?, codes[1]?],
                            last: 0,
                        });
                    }
                }
                fours += told.blocks();
            }
        }
        blocks.push(Block { ..*blocks.first()? });
        Some(Walk {
            fast: fast && has_fast_shifts(),
            stretches,
            bits,
            left: segments.restart,
            restart: segments.restart,
            blocks,
            group,
            before: [0; 3],
            size: frame.groups(),
        })
    }

    /// Reads the next groups of a row, four at most, into what was made 0. (Else what is there
    /// afterwards is of no use.)
    #[inline]
    pub fn groups(&mut self, count: usize, into: &mut Coefficients) -> Option<()> {
        let mut done = 0;
        while done < count {
            let mut until = count;
            if self.restart > 0 {
                if self.left == 0 {
                    finished(&self.bits)?;
                    self.bits = self.stretches.next()?;
                    self.before = [0; 3];
                    self.left = self.restart;
                }
                until = count.min(done + self.left);
                self.left -= until - done;
            }
            // And the one that follows.
            let blocks = &mut self.blocks[done * self.group..until * self.group + 1];
            read(self.fast, blocks, &mut self.bits, &mut into.fours)?;
            // What never ends need not be read to its end.
            if self.bits.left() < 0 {
                return None;
            }
            let coefficients = into.fours.as_flattened_mut();
            for block in &blocks[..blocks.len() - 1] {
                // First ones are coded as differences to those before.
                let before = &mut self.before[block.component];
                *before = before.wrapping_add(coefficients[block.at]);
                coefficients[block.at] = *before;
                into.last[block.number] = block.last;
            }
            done = until;
        }
        Some(())
    }

    /// Blocks of a group.
    pub fn blocks(&self) -> usize {
        self.group
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

/// Reads all blocks but the last, which follows; first coefficients as differences.
fn read(fast: bool, blocks: &mut [Block], bits: &mut Bits, into: &mut Fours) -> Option<()> {
    #[cfg(target_arch = "x86_64")]
    if fast {
        #[target_feature(enable = "bmi1,bmi2")]
        unsafe fn read_fast(blocks: &mut [Block], bits: &mut Bits, into: &mut Fours) -> Option<()> {
            read_blocks::<true>(blocks, bits, into)
        }
        // SAFETY: the processor has them, as `Walk::new` has made sure.
        return unsafe { read_fast(blocks, bits, into) };
    }
    let _ = fast;
    read_blocks::<false>(blocks, bits, into)
}

#[inline(always)]
fn read_blocks<const FAST: bool>(
    blocks: &mut [Block],
    from: &mut Bits,
    into: &mut Fours,
) -> Option<()> {
    assert!(blocks.iter().all(|block| block.at <= MAX_AT));
    // Where nobody else can look at them, they stay in registers.
    let mut bits = *from;
    let places = &PLACES;
    let into = into.as_flattened_mut().as_mut_ptr();
    let blocks = blocks.as_mut_ptr_range();
    // SAFETY: `block` goes on by one at a time, and ends at the last one. Steps are looked up by as
    // many bits as there are steps for; and where a block begins there is room for one, up to the last
    // of PLACES.
    unsafe {
        let end = blocks.end.sub(1);
        let mut block = blocks.start;
        let mut steps = (*block).first;
        // The number of the coefficient before.
        let mut number = 0;
        while block != end {
            bits.fill();
            for _ in 0..MAX_STEPS {
                let step = steps.get_unchecked(bits.peek(LOOK) as usize);
                let last = number + usize::from(step.last);
                let at = into.add((*block).at);
                let place = |number: usize| usize::from(places[number & 0xff]);
                // What is beyond the last coefficient belongs to another block.
                if last % END >= 63 {
                    let is_first = std::ptr::eq(steps, (*block).first);
                    let (found, more) = bits.rare((*block).codes, is_first);
                    bits.go_on_at(more);
                    let (further, value) = found?;
                    number += further;
                    *at.add(place(number)) = value;
                    (*block).last = number as u8;
                    (number, steps) = match number {
                        ..63 => (number, (*block).others),
                        63 | END.. => {
                            block = block.add(1);
                            (0, (*block).first)
                        }
                        _ => return None,
                    };
                    break;
                }
                let value = step.first::<FAST>(&bits);
                // Where there is no second one, it is the first one's place.
                *at.add(place(last)) = step.second.into();
                *at.add(place(number + usize::from(step.further))) = value;
                (*block).last = last as u8;
                bits.skip(step.bits.into());
                let ends = (step.last as i8) < 0;
                let [same, next] = [(*block).others, (*block.add(1)).first].map(read_before);
                steps = select_unpredictable(ends, next, same);
                number = select_unpredictable(ends, 0, last);
                block = block.byte_add(usize::from(step.last) & END);
                if block == end {
                    break;
                }
            }
        }
    }
    *from = bits;
    Some(())
}

// A step that ends the block counts as many bytes.
const _: () = assert!(size_of::<Block>() == END);

/// The last place in memory where a block may begin.
const MAX_AT: usize = size_of::<Fours>() / 2 - 1 - PLACES[63] as usize;

/// The same, while the compiler knows no more where it comes from. Else it would choose between two
/// places and read from the chosen one, which is waited for, instead of between what it has read.
#[inline(always)]
fn read_before(steps: &Steps) -> &Steps {
    #[cfg(target_arch = "x86_64")]
    {
        let mut from: *const Steps = steps;
        // SAFETY: nothing is done, so nothing is read by the pointer.
        #[allow(clippy::pointers_in_nomem_asm_block)]
        unsafe {
            std::arch::asm!(
                "/* {0} */",
                inout(reg) from,
                options(pure, nomem, nostack, preserves_flags)
            );
            &*from
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    steps
}

/// Steps that 56 bits are enough for.
const MAX_STEPS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SampleRng;
    use crate::decode::jpeg::synthetic::{Kind, made_up};

    #[test]
    fn coefficients_are_read_as_they_were_written() {
        let mut rng = SampleRng::new(3, 0, 0);
        for _ in 0..100 {
            let kind = Kind::any(&mut rng);
            let (file, written) = made_up(&kind, &mut rng);
            for fast in [false, true] {
                let mut segments = Segments::new(&file).unwrap();
                let scan = segments.next_scan().unwrap().unwrap();
                let (mut coded, mut tables) = (Coded::default(), Tables::default());
                coded.read(scan.coded).unwrap();
                let frame = segments.frame().unwrap();
                let mut walk =
                    Walk::new(fast, &segments, &frame, &scan, &coded, &mut tables).unwrap();
                let mut read = Coefficients::default();
                let mut written = written.iter();
                let [across, down] = walk.size;
                for _ in 0..down {
                    for column in 0..across.div_ceil(4) {
                        let groups = (across - 4 * column).min(4);
                        read.clear(walk.blocks());
                        walk.groups(groups, &mut read).unwrap();
                        for block in &walk.blocks[..groups * walk.blocks()] {
                            let written = written.next().unwrap();
                            let all = read.fours.as_flattened();
                            let at = |i: usize| all[block.at + usize::from(PLACES[i])];
                            assert_eq!(std::array::from_fn(at), *written, "{kind:?}");
                            let last = written.iter().rposition(|&value| value != 0).unwrap_or(0);
                            // Zeros may be written down before an end.
                            assert_eq!(read.last[block.number] & 127, last as u8);
                        }
                    }
                }
                walk.finish().unwrap();
                assert_eq!(written.next(), None);
            }
        }
    }
}
