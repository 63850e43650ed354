//! Entropy decoding of a scan (ITU-T T.81, annex F.2).
//!
//! Half of the decoding time of a photograph is spent here, in a chain of dependent loads: the
//! position of a code is known only after the previous code is decoded. One loop therefore decodes
//! the blocks of several MCUs without branches that depend on the data: it looks up the next bits,
//! stores one or two coefficients, and selects the table of the next block at an end of block. Only
//! rare cases branch.

use std::hint::select_unpredictable;

use super::coefficients::{COEFFICIENT_INDEX, Coefficients, Quads};
use super::entropy_data::{EntropyData, RestartIntervals};
use super::huffman::{
    BitReader, END_OF_BLOCK, HuffmanTable, LOOKUP_BITS, LookupTable, fill_ac_lookup, fill_dc_lookup,
};
use super::segments::{Component, Frame, MAX_MCU_BLOCKS, Scan, Segments};

/// Lookup tables of a scan's Huffman tables, by class (0: DC, 1: AC) and table id.
pub(super) struct ScanTables([[LookupTable; 4]; 2]);

impl Default for ScanTables {
    fn default() -> Self {
        ScanTables([[[Default::default(); 1 << LOOKUP_BITS]; 4]; 2])
    }
}

impl ScanTables {
    /// Builds the lookup tables of the scan. Returns `None` if a Huffman table is missing.
    pub fn fill(&mut self, segments: &Segments, scan: &Scan) -> Option<()> {
        let [dc_lookups, ac_lookups] = &mut self.0;
        let classes = [
            (dc_lookups, fill_dc_lookup as fn(&HuffmanTable, &mut LookupTable)),
            (ac_lookups, fill_ac_lookup),
        ];
        for (class, (lookups, fill)) in classes.into_iter().enumerate() {
            let mut is_filled = [false; 4];
            for (_, table_ids) in &scan.components {
                let table_id = table_ids[class];
                let table = segments.huffman_tables[class].get(table_id)?.as_ref()?;
                if !std::mem::replace(&mut is_filled[table_id], true) {
                    fill(table, &mut lookups[table_id]);
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
    /// Index among the blocks of four MCUs, in the order of [`Quads`]: a quad is four horizontally
    /// neighboring blocks of a component.
    index: usize,
    /// Offset of the block's coefficients in [`Quads`].
    offset: usize,
    dc_lookup: &'a LookupTable,
    ac_lookup: &'a LookupTable,
    /// DC and AC table.
    tables: [&'a HuffmanTable; 2],
    /// Zigzag index of the last coefficient, plus [`END_OF_BLOCK`] if the block ended with that
    /// code.
    last_index: u8,
}

/// Decodes the MCUs of a scan in order.
pub(super) struct ScanDecoder<'a> {
    /// Whether to use BMI instructions for variable shifts and bit extraction.
    use_bmi: bool,
    intervals: RestartIntervals<'a>,
    bits: BitReader<'a>,
    /// MCUs until the next restart marker.
    mcus_to_restart: usize,
    restart_interval: usize,
    /// The blocks of four MCUs, followed by a sentinel.
    blocks: Vec<Block<'a>>,
    blocks_per_mcu: usize,
    /// The previous DC coefficient of each component.
    previous_dc: [i16; 3],
    pub mcus_per_row: usize,
    pub mcu_rows: usize,
}

/// Returns whether this CPU has BMI1 and BMI2.
fn has_bmi() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl<'a> ScanDecoder<'a> {
    /// Creates a decoder for a scan with all coefficients of all components, in the order of the
    /// frame. `use_bmi` allows BMI instructions, which are used if the CPU has them. Returns `None`
    /// if a Huffman table is missing or an MCU has too many blocks.
    pub fn new(
        use_bmi: bool,
        segments: &'a Segments,
        frame: &Frame,
        scan: &Scan,
        data: &'a EntropyData,
        tables: &'a mut ScanTables,
    ) -> Option<ScanDecoder<'a>> {
        tables.fill(segments, scan)?;
        let intervals = data.intervals();
        let bits = intervals.reader();
        let blocks_per_mcu: usize = frame.components.iter().map(Component::blocks_per_mcu).sum();
        if blocks_per_mcu > MAX_MCU_BLOCKS {
            return None;
        }
        let mut blocks = Vec::with_capacity(4 * blocks_per_mcu + 1);
        for mcu in 0..4 {
            let mut first_quad = 0;
            for &(index, table_ids) in &scan.components {
                let huffman_tables =
                    [0, 1].map(|class| segments.huffman_tables[class][table_ids[class]].as_ref());
                let component = &frame.components[index];
                for row in 0..component.v {
                    for column in 0..component.h {
                        let column = mcu * component.h + column;
                        let quad = first_quad + row * component.h + column / 4;
                        blocks.push(Block {
                            component: index,
                            index: 4 * quad + column % 4,
                            offset: 256 * quad + 8 * (column % 4),
                            dc_lookup: &tables.0[0][table_ids[0]],
                            ac_lookup: &tables.0[1][table_ids[1]],
                            tables: [huffman_tables[0]?, huffman_tables[1]?],
                            last_index: 0,
                        });
                    }
                }
                first_quad += component.blocks_per_mcu();
            }
        }
        blocks.push(Block { ..*blocks.first()? });
        let [mcus_per_row, mcu_rows] = frame.mcus();
        Some(ScanDecoder {
            use_bmi: use_bmi && has_bmi(),
            intervals,
            bits,
            mcus_to_restart: segments.restart_interval,
            restart_interval: segments.restart_interval,
            blocks,
            blocks_per_mcu,
            previous_dc: [0; 3],
            mcus_per_row,
            mcu_rows,
        })
    }

    /// Decodes the next `count` MCUs of a row, at most four, into zeroed coefficients.
    #[inline]
    pub fn decode_mcus(&mut self, count: usize, out: &mut Coefficients) -> Option<()> {
        let mut start = 0;
        while start < count {
            let mut end = count;
            if self.restart_interval > 0 {
                if self.mcus_to_restart == 0 {
                    // Like libjpeg, ignore bytes between the last block and the marker.
                    self.bits = self.intervals.next()?;
                    self.previous_dc = [0; 3];
                    self.mcus_to_restart = self.restart_interval;
                }
                end = count.min(start + self.mcus_to_restart);
                self.mcus_to_restart -= end - start;
            }
            // One more block is the sentinel.
            let range = start * self.blocks_per_mcu..end * self.blocks_per_mcu + 1;
            let blocks = &mut self.blocks[range];
            decode_blocks(self.use_bmi, blocks, &mut self.bits, &mut out.quads)?;
            // More bits were consumed than the interval has: the data are damaged.
            if self.bits.bits_left() < 0 {
                return None;
            }
            let coefficients = out.quads.as_flattened_mut();
            for block in &blocks[..blocks.len() - 1] {
                // DC coefficients are coded as differences.
                let previous_dc = &mut self.previous_dc[block.component];
                *previous_dc = previous_dc.wrapping_add(coefficients[block.offset]);
                coefficients[block.offset] = *previous_dc;
                out.last_indices[block.index] = block.last_index;
            }
            start = end;
        }
        Some(())
    }

    pub fn blocks_per_mcu(&self) -> usize {
        self.blocks_per_mcu
    }
}

/// Decodes all blocks but the last, which is a sentinel. DC coefficients remain differences.
fn decode_blocks(
    use_bmi: bool,
    blocks: &mut [Block],
    bits: &mut BitReader,
    out: &mut Quads,
) -> Option<()> {
    #[cfg(target_arch = "x86_64")]
    if use_bmi {
        #[target_feature(enable = "bmi1,bmi2")]
        fn decode_bmi(blocks: &mut [Block], bits: &mut BitReader, out: &mut Quads) -> Option<()> {
            decode_blocks_generic::<true>(blocks, bits, out)
        }
        // SAFETY: `ScanDecoder::new` detected BMI1 and BMI2.
        return unsafe { decode_bmi(blocks, bits, out) };
    }
    let _ = use_bmi;
    decode_blocks_generic::<false>(blocks, bits, out)
}

#[inline(always)]
fn decode_blocks_generic<const BMI: bool>(
    blocks: &mut [Block],
    reader: &mut BitReader,
    out: &mut Quads,
) -> Option<()> {
    assert!(blocks.iter().all(|block| block.offset <= MAX_BLOCK_OFFSET));
    // A local copy stays in registers.
    let mut bits = *reader;
    let out = out.as_flattened_mut().as_mut_ptr();
    let blocks = blocks.as_mut_ptr_range();
    // SAFETY: `block` advances by at most one and stops at the last block. A lookup index has
    // LOOKUP_BITS bits. Each block has room for the largest index of COEFFICIENT_INDEX.
    unsafe {
        let end = blocks.end.sub(1);
        let mut block = blocks.start;
        let mut lookup = (*block).dc_lookup;
        // Zigzag index of the previous coefficient.
        let mut zigzag = 0;
        while block != end {
            bits.fill();
            for _ in 0..MAX_LOOKUPS {
                let entry = lookup.get_unchecked(bits.peek(LOOKUP_BITS) as usize);
                let last_index = zigzag + usize::from(entry.last);
                let coefficients = out.add((*block).offset);
                let index = |zigzag: usize| usize::from(COEFFICIENT_INDEX[zigzag & 0xff]);
                // Decode without the lookup if the code is longer than the lookup (`entry.last` is
                // 64), or if the coefficients reach index 63, after which no end of block is coded.
                if last_index % END_OF_BLOCK >= 63 {
                    let is_dc = std::ptr::eq(lookup, (*block).dc_lookup);
                    let (coefficient, state) = bits.decode_without_lookup((*block).tables, is_dc);
                    bits.set_state(state);
                    let (advance, value) = coefficient?;
                    zigzag += advance;
                    *coefficients.add(index(zigzag)) = value;
                    (*block).last_index = zigzag as u8;
                    (zigzag, lookup) = match zigzag {
                        ..63 => (zigzag, (*block).ac_lookup),
                        63 | END_OF_BLOCK.. => {
                            block = block.add(1);
                            (0, (*block).dc_lookup)
                        }
                        _ => return None,
                    };
                    break;
                }
                let value = entry.first_value::<BMI>(&bits);
                // No branch for an entry without a second coefficient: its value 0 is overwritten by
                // the next store or, at an end of block, stored as coefficient 63, which is 0.
                *coefficients.add(index(last_index)) = entry.second.into();
                *coefficients.add(index(zigzag + usize::from(entry.advance))) = value;
                (*block).last_index = last_index as u8;
                bits.skip(entry.bits.into());
                let is_end_of_block = (entry.last as i8) < 0;
                let [same_block, next_block] =
                    [(*block).ac_lookup, (*block.add(1)).dc_lookup].map(opaque);
                lookup = select_unpredictable(is_end_of_block, next_block, same_block);
                zigzag = select_unpredictable(is_end_of_block, 0, last_index);
                block = block.byte_add(usize::from(entry.last) & END_OF_BLOCK);
                if block == end {
                    break;
                }
            }
        }
    }
    *reader = bits;
    Some(())
}

// `decode_blocks_generic` adds `entry.last & END_OF_BLOCK`, which is 0 or `END_OF_BLOCK`, to the
// address of a block. At an end of block the sum must be the address of the next block.
const _: () = assert!(size_of::<Block>() == END_OF_BLOCK);

/// Maximum of [`Block::offset`].
const MAX_BLOCK_OFFSET: usize = size_of::<Quads>() / 2 - 1 - COEFFICIENT_INDEX[63] as usize;

/// Returns `lookup`, but hides from the optimizer where the reference was loaded from. The
/// optimizer would otherwise select between two addresses before loading, which delays the load,
/// instead of loading from both addresses and selecting a value.
#[inline(always)]
fn opaque(lookup: &LookupTable) -> &LookupTable {
    #[cfg(target_arch = "x86_64")]
    {
        let mut pointer: *const LookupTable = lookup;
        // SAFETY: the assembly is empty; the pointer is unchanged.
        #[allow(clippy::pointers_in_nomem_asm_block)]
        unsafe {
            std::arch::asm!(
                "/* {0} */",
                inout(reg) pointer,
                options(pure, nomem, nostack, preserves_flags)
            );
            &*pointer
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    lookup
}

/// Maximum number of lookups after [`BitReader::fill`], which provides at least 56 bits. A lookup
/// consumes at most 20: a code of 9 bits and a DC difference of 11.
const MAX_LOOKUPS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SampleRng;
    use crate::decode::jpeg::synthetic::{SyntheticJpeg, encode_synthetic};

    #[test]
    fn decodes_the_encoded_coefficients() {
        let mut rng = SampleRng::new(3, 0, 0);
        for _ in 0..100 {
            let params = SyntheticJpeg::random(&mut rng);
            let (file, encoded_blocks) = encode_synthetic(&params, &mut rng);
            for use_bmi in [false, true] {
                let mut segments = Segments::new(&file).unwrap();
                let scan = segments.next_scan().unwrap().unwrap();
                let (mut data, mut tables) = (EntropyData::default(), ScanTables::default());
                data.read(scan.entropy_coded).unwrap();
                let frame = segments.frame().unwrap();
                let mut decoder =
                    ScanDecoder::new(use_bmi, &segments, &frame, &scan, &data, &mut tables)
                        .unwrap();
                let mut decoded = Coefficients::default();
                let mut encoded_blocks = encoded_blocks.iter();
                let (mcus_per_row, mcu_rows) = (decoder.mcus_per_row, decoder.mcu_rows);
                for _ in 0..mcu_rows {
                    for group in 0..mcus_per_row.div_ceil(4) {
                        let count = (mcus_per_row - 4 * group).min(4);
                        decoded.clear(decoder.blocks_per_mcu());
                        decoder.decode_mcus(count, &mut decoded).unwrap();
                        for block in &decoder.blocks[..count * decoder.blocks_per_mcu()] {
                            let encoded = encoded_blocks.next().unwrap();
                            let quads = &decoded.quads.as_flattened()[block.offset..];
                            let coefficient = |i: usize| quads[usize::from(COEFFICIENT_INDEX[i])];
                            assert_eq!(std::array::from_fn(coefficient), *encoded, "{params:?}");
                            let last_index =
                                encoded.iter().rposition(|&value| value != 0).unwrap_or(0);
                            // Bit 7 (`END_OF_BLOCK`) is set if the block ended with that code.
                            let decoded_index = decoded.last_indices[block.index];
                            assert_eq!(decoded_index & 127, last_index as u8);
                        }
                    }
                }
                assert_eq!(encoded_blocks.next(), None);
            }
        }
    }
}
