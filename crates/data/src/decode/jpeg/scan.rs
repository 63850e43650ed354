//! Entropy decoding of a scan (ITU-T T.81, annex F.2).
//!
//! Half of the decoding time of a photograph is spent here, in a chain of dependent loads: the
//! start of a code is known only when the previous code is decoded. So one loop runs over the
//! blocks of several MCUs without branches that depend on the data: it looks up the next bits,
//! stores one or two coefficients, and selects the table of the next block at an end of block. Only
//! rare cases branch.

use std::hint::select_unpredictable;

use super::coefficients::{COEFFICIENT_INDEX, Coefficients, MAX_MCU_BLOCKS, Quads};
use super::entropy_data::{EntropyData, RestartIntervals};
use super::huffman::{
    BitReader, END_OF_BLOCK, HuffmanTable, LOOKUP_BITS, LookupTable, fill_ac_lookup, fill_dc_lookup,
};
use super::segments::{Frame, Scan, Segments};

/// Lookup tables of a scan's Huffman tables, by class (0: DC, 1: AC) and number.
pub(super) struct ScanTables([[LookupTable; 4]; 2]);

impl Default for ScanTables {
    fn default() -> Self {
        ScanTables([[[Default::default(); 1 << LOOKUP_BITS]; 4]; 2])
    }
}

impl ScanTables {
    /// Returns `None` if the scan refers to missing Huffman tables.
    pub fn fill(&mut self, segments: &Segments, scan: &Scan) -> Option<()> {
        let [first, others] = &mut self.0;
        let tables = [
            (first, fill_dc_lookup as fn(&HuffmanTable, &mut LookupTable)),
            (others, fill_ac_lookup),
        ];
        for (class, (tables, fill)) in tables.into_iter().enumerate() {
            let mut filled = [false; 4];
            for (_, numbers) in &scan.components {
                let code = segments.huffman_tables[class].get(numbers[class])?.as_ref()?;
                if !std::mem::replace(&mut filled[numbers[class]], true) {
                    fill(code, &mut tables[numbers[class]]);
                }
            }
        }
        Some(())
    }
}

/// State of one block.
#[repr(align(128))]
struct Block<'a> {
    component: usize,
    /// Index of the block among those of four MCUs.
    number: usize,
    /// Offset of its coefficients.
    at: usize,
    first: &'a LookupTable,
    others: &'a LookupTable,
    codes: [&'a HuffmanTable; 2],
    /// Zigzag index of its last coefficient; may include [`END_OF_BLOCK`].
    last: u8,
}

/// Decodes the MCUs of a scan in order.
pub(super) struct ScanDecoder<'a> {
    /// Whether to use BMI instructions for variable shifts and bit extraction.
    fast: bool,
    intervals: RestartIntervals<'a>,
    bits: BitReader<'a>,
    /// MCUs until the next restart marker.
    left: usize,
    restart: usize,
    /// The blocks of four MCUs, and one more.
    blocks: Vec<Block<'a>>,
    /// Blocks of an MCU.
    mcu_blocks: usize,
    /// The last DC coefficient of each component.
    before: [i16; 3],
    /// MCUs in a row, and rows of MCUs.
    pub size: [usize; 2],
}

/// Whether this CPU has BMI1 and BMI2.
fn has_fast_shifts() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl<'a> ScanDecoder<'a> {
    /// For a scan of all coefficients of all components. `fast` allows BMI instructions.
    pub fn new(
        fast: bool,
        segments: &'a Segments,
        frame: &Frame,
        scan: &Scan,
        coded: &'a EntropyData,
        tables: &'a mut ScanTables,
    ) -> Option<ScanDecoder<'a>> {
        if scan.band != [0, 63] || scan.approximation != [0, 0] {
            return None;
        }
        tables.fill(segments, scan)?;
        let mut intervals = coded.intervals();
        let bits = intervals.next()?;
        let mcu_blocks: usize = frame.components.iter().map(|component| component.blocks()).sum();
        if mcu_blocks > MAX_MCU_BLOCKS {
            return None;
        }
        let mut blocks = Vec::with_capacity(4 * mcu_blocks + 1);
        for column in 0..4 {
            // Quads of the preceding components.
            let mut quads = 0;
            for &(component, numbers) in &scan.components {
                let codes =
                    [0, 1].map(|class| segments.huffman_tables[class][numbers[class]].as_ref());
                let component_spec = &frame.components[component];
                for row in 0..component_spec.down {
                    for across in 0..component_spec.across {
                        let column = column * component_spec.across + across;
                        let four = quads + row * component_spec.across + column / 4;
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
                quads += component_spec.blocks();
            }
        }
        blocks.push(Block { ..*blocks.first()? });
        Some(ScanDecoder {
            fast: fast && has_fast_shifts(),
            intervals,
            bits,
            left: segments.restart_interval,
            restart: segments.restart_interval,
            blocks,
            mcu_blocks,
            before: [0; 3],
            size: frame.mcus(),
        })
    }

    /// Decodes the next MCUs of a row, at most four, into zeroed coefficients.
    #[inline]
    pub fn decode_mcus(&mut self, count: usize, into: &mut Coefficients) -> Option<()> {
        let mut done = 0;
        while done < count {
            let mut until = count;
            if self.restart > 0 {
                if self.left == 0 {
                    check_interval_end(&self.bits)?;
                    self.bits = self.intervals.next()?;
                    self.before = [0; 3];
                    self.left = self.restart;
                }
                until = count.min(done + self.left);
                self.left -= until - done;
            }
            // Includes the block after the last.
            let blocks = &mut self.blocks[done * self.mcu_blocks..until * self.mcu_blocks + 1];
            read(self.fast, blocks, &mut self.bits, &mut into.quads)?;
            // Stop early in data that ran out of bits.
            if self.bits.left() < 0 {
                return None;
            }
            let coefficients = into.quads.as_flattened_mut();
            for block in &blocks[..blocks.len() - 1] {
                // DC coefficients are coded as differences.
                let before = &mut self.before[block.component];
                *before = before.wrapping_add(coefficients[block.at]);
                coefficients[block.at] = *before;
                into.last[block.number] = block.last;
            }
            done = until;
        }
        Some(())
    }

    /// Blocks of an MCU.
    pub fn blocks(&self) -> usize {
        self.mcu_blocks
    }

    /// Returns `None` unless the data end with the last block.
    pub fn finish(mut self) -> Option<()> {
        check_interval_end(&self.bits)?;
        self.intervals.next().is_none().then_some(())
    }
}

/// Returns `None` unless the interval was read to its end, up to the padding of the last byte.
fn check_interval_end(bits: &BitReader) -> Option<()> {
    (0..8).contains(&bits.left()).then_some(())
}

/// Decodes all blocks but the last, which is a sentinel. DC coefficients remain differences.
fn read(fast: bool, blocks: &mut [Block], bits: &mut BitReader, into: &mut Quads) -> Option<()> {
    #[cfg(target_arch = "x86_64")]
    if fast {
        #[target_feature(enable = "bmi1,bmi2")]
        fn read_fast(blocks: &mut [Block], bits: &mut BitReader, into: &mut Quads) -> Option<()> {
            read_blocks::<true>(blocks, bits, into)
        }
        // SAFETY: `ScanDecoder::new` detected BMI1 and BMI2.
        return unsafe { read_fast(blocks, bits, into) };
    }
    let _ = fast;
    read_blocks::<false>(blocks, bits, into)
}

#[inline(always)]
fn read_blocks<const FAST: bool>(
    blocks: &mut [Block],
    from: &mut BitReader,
    into: &mut Quads,
) -> Option<()> {
    assert!(blocks.iter().all(|block| block.at <= MAX_BLOCK_OFFSET));
    // A local copy stays in registers.
    let mut bits = *from;
    let places = &COEFFICIENT_INDEX;
    let into = into.as_flattened_mut().as_mut_ptr();
    let blocks = blocks.as_mut_ptr_range();
    // SAFETY: `block` advances by at most one and stops at the last block. A lookup index has
    // LOOKUP_BITS bits. Each block has room for indices up to the last of COEFFICIENT_INDEX.
    unsafe {
        let end = blocks.end.sub(1);
        let mut block = blocks.start;
        let mut steps = (*block).first;
        // Zigzag index of the previous coefficient.
        let mut number = 0;
        while block != end {
            bits.fill();
            for _ in 0..MAX_LOOKUPS {
                let step = steps.get_unchecked(bits.peek(LOOKUP_BITS) as usize);
                let last = number + usize::from(step.last);
                let at = into.add((*block).at);
                let place = |number: usize| usize::from(places[number & 0xff]);
                // The code is too long for the lookup, or the index is beyond the block.
                if last % END_OF_BLOCK >= 63 {
                    let is_first = std::ptr::eq(steps, (*block).first);
                    let (found, more) = bits.rare((*block).codes, is_first);
                    bits.resume_at(more);
                    let (advance, value) = found?;
                    number += advance;
                    *at.add(place(number)) = value;
                    (*block).last = number as u8;
                    (number, steps) = match number {
                        ..63 => (number, (*block).others),
                        63 | END_OF_BLOCK.. => {
                            block = block.add(1);
                            (0, (*block).first)
                        }
                        _ => return None,
                    };
                    break;
                }
                let value = step.first::<FAST>(&bits);
                // Without a second coefficient, this store is overwritten by the next.
                *at.add(place(last)) = step.second.into();
                *at.add(place(number + usize::from(step.advance))) = value;
                (*block).last = last as u8;
                bits.skip(step.bits.into());
                let ends = (step.last as i8) < 0;
                let [same, next] = [(*block).others, (*block.add(1)).first].map(opaque);
                steps = select_unpredictable(ends, next, same);
                number = select_unpredictable(ends, 0, last);
                block = block.byte_add(usize::from(step.last) & END_OF_BLOCK);
                if block == end {
                    break;
                }
            }
        }
    }
    *from = bits;
    Some(())
}

// The end-of-block bit of an advance is the size of a block, to step to the next one.
const _: () = assert!(size_of::<Block>() == END_OF_BLOCK);

/// The largest offset at which a block may begin.
const MAX_BLOCK_OFFSET: usize = size_of::<Quads>() / 2 - 1 - COEFFICIENT_INDEX[63] as usize;

/// Returns `steps`, hidden from the optimizer. Otherwise it would select one of two addresses and
/// then load from it, which delays the load, instead of loading from both and selecting a value.
#[inline(always)]
fn opaque(steps: &LookupTable) -> &LookupTable {
    #[cfg(target_arch = "x86_64")]
    {
        let mut from: *const LookupTable = steps;
        // SAFETY: the assembly is empty; the pointer is unchanged.
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

/// The number of lookups that 56 bits suffice for.
const MAX_LOOKUPS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SampleRng;
    use crate::decode::jpeg::synthetic::{SyntheticJpeg, encode_synthetic};

    #[test]
    fn coefficients_are_read_as_they_were_written() {
        let mut rng = SampleRng::new(3, 0, 0);
        for _ in 0..100 {
            let kind = SyntheticJpeg::any(&mut rng);
            let (file, written) = encode_synthetic(&kind, &mut rng);
            for fast in [false, true] {
                let mut segments = Segments::new(&file).unwrap();
                let scan = segments.next_scan().unwrap().unwrap();
                let (mut coded, mut tables) = (EntropyData::default(), ScanTables::default());
                coded.read(scan.entropy_coded).unwrap();
                let frame = segments.frame().unwrap();
                let mut decoder =
                    ScanDecoder::new(fast, &segments, &frame, &scan, &coded, &mut tables).unwrap();
                let mut read = Coefficients::default();
                let mut written = written.iter();
                let [across, down] = decoder.size;
                for _ in 0..down {
                    for column in 0..across.div_ceil(4) {
                        let groups = (across - 4 * column).min(4);
                        read.clear(decoder.blocks());
                        decoder.decode_mcus(groups, &mut read).unwrap();
                        for block in &decoder.blocks[..groups * decoder.blocks()] {
                            let written = written.next().unwrap();
                            let all = read.quads.as_flattened();
                            let at = |i: usize| all[block.at + usize::from(COEFFICIENT_INDEX[i])];
                            assert_eq!(std::array::from_fn(at), *written, "{kind:?}");
                            let last = written.iter().rposition(|&value| value != 0).unwrap_or(0);
                            // An encoder may code zeros before an end of block.
                            assert_eq!(read.last[block.number] & 127, last as u8);
                        }
                    }
                }
                decoder.finish().unwrap();
                assert_eq!(written.next(), None);
            }
        }
    }
}
