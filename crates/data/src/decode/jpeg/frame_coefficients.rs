//! The coefficients of all blocks of an image, collected from the scans of a file.

use residual_kernels::FourBlocks;

use super::coefficients::{COEFFICIENT_INDEX, Coefficients};
use super::segments::{Frame, Scan, Segments};

/// Maximum number of scans of a block, averaged over the blocks of an image. Encoders write up to
/// about 10 scans. Without a limit, a small file could take a lot of time.
const MAX_SCANS_PER_BLOCK: usize = 32;
/// Lower bound of the limit on the blocks of all scans, so that small images may have any number of
/// scans.
const MIN_BLOCK_LIMIT: usize = 1 << 20;

/// Zigzag index of the last coefficient that must be complete. libjpeg smooths the blocks of a
/// progressive image if one of these coefficients is incomplete; this decoder does not.
const LAST_REQUIRED_INDEX: usize = 9;

/// The coefficients of a component in the layout of the inverse transform.
struct ComponentCoefficients {
    /// Quads of four horizontally neighboring blocks, row by row.
    quads: Vec<FourBlocks>,
    /// Zigzag index of the last nonzero coefficient of each block.
    last_indices: Vec<u8>,
    quads_per_row: usize,
    /// Number of low bits that are not known yet, by the zigzag index of the coefficient. `None`
    /// before the first scan of the coefficient.
    unknown_bits: [Option<u32>; 64],
    /// The quantization table at the first scan of the component.
    quantization_table: Option<[u16; 64]>,
}

/// The coefficients of all components.
pub(super) struct FrameCoefficients {
    components: Vec<ComponentCoefficients>,
    /// Number of blocks that further scans may have in total.
    remaining_blocks: usize,
}

/// A block of 64 coefficients within a quad.
pub(super) struct Block<'a> {
    /// The quad from the first coefficient of this block on.
    coefficients: &'a mut [i16],
    last_index: &'a mut u8,
}

impl Block<'_> {
    pub fn get(&self, zigzag: usize) -> i16 {
        self.coefficients[usize::from(COEFFICIENT_INDEX[zigzag])]
    }

    pub fn set(&mut self, zigzag: usize, value: i16) {
        self.coefficients[usize::from(COEFFICIENT_INDEX[zigzag])] = value;
        *self.last_index = (*self.last_index).max(zigzag as u8);
    }

    /// Returns the zigzag index up to which coefficients may be nonzero.
    pub fn last_index(&self) -> usize {
        usize::from(*self.last_index)
    }
}

impl FrameCoefficients {
    /// Allocates the coefficients of all blocks, with the value 0.
    pub fn new(frame: &Frame) -> FrameCoefficients {
        let [mcus_per_row, mcu_rows] = frame.mcus();
        let components = frame.components.iter().map(|component| {
            let quads_per_row = mcus_per_row.div_ceil(4) * component.h;
            let count = quads_per_row * mcu_rows * component.v;
            ComponentCoefficients {
                quads: vec![[0; 256]; count],
                last_indices: vec![0; 4 * count],
                quads_per_row,
                unknown_bits: [None; 64],
                quantization_table: None,
            }
        });
        let limit = (frame.num_blocks() * MAX_SCANS_PER_BLOCK).max(MIN_BLOCK_LIMIT);
        FrameCoefficients { components: components.collect(), remaining_blocks: limit }
    }

    /// Returns the block of a component by its row and column of blocks.
    pub fn block(&mut self, component: usize, row: usize, column: usize) -> Block<'_> {
        let component = &mut self.components[component];
        let quad = row * component.quads_per_row + column / 4;
        Block {
            coefficients: &mut component.quads[quad][8 * (column % 4)..],
            last_index: &mut component.last_indices[4 * quad + column % 4],
        }
    }

    /// Registers a scan of `num_blocks` blocks, before its coefficients are set. Returns `None` if
    /// a coefficient has another number of unknown bits than the scan expects (ITU-T T.81,
    /// G.1.1.1), if a quantization table is missing, or if there are too many scans.
    pub fn begin_scan(
        &mut self,
        segments: &Segments,
        frame: &Frame,
        scan: &Scan,
        num_blocks: usize,
    ) -> Option<()> {
        self.remaining_blocks = self.remaining_blocks.checked_sub(num_blocks)?;
        let [first, last] = scan.spectral_selection;
        let [high, low] = scan.successive_approximation;
        for &(index, _) in &scan.components {
            let component = &mut self.components[index];
            if component.quantization_table.is_none() {
                let table_id = frame.components[index].quantization_table;
                component.quantization_table = *segments.quantization_tables.get(table_id)?;
                component.quantization_table?;
            }
            let expected = if high == 0 { None } else { Some(high) };
            for unknown_bits in &mut component.unknown_bits[first..=last] {
                if unknown_bits.replace(low) != expected {
                    return None;
                }
            }
        }
        Some(())
    }

    /// Returns the quantization table of each component. Call after the last scan. Returns `None`
    /// if required coefficients are incomplete.
    pub fn finish(&self) -> Option<Vec<[u16; 64]>> {
        let is_complete = |component: &ComponentCoefficients| {
            component.unknown_bits[..=LAST_REQUIRED_INDEX].iter().all(|bits| *bits == Some(0))
        };
        let tables = self.components.iter().map(|component| {
            is_complete(component).then_some(component.quantization_table).flatten()
        });
        tables.collect()
    }

    /// Copies the coefficients of group `group` of four MCUs in row `row` of MCUs to `out`.
    pub fn copy_mcus(&self, frame: &Frame, [row, group]: [usize; 2], out: &mut Coefficients) {
        let mut quad = 0;
        for (component, coefficients) in frame.components.iter().zip(&self.components) {
            for block_row in 0..component.v {
                let row = row * component.v + block_row;
                let start = row * coefficients.quads_per_row + group * component.h;
                for source in start..start + component.h {
                    out.quads[quad] = coefficients.quads[source];
                    out.last_indices[4 * quad..4 * quad + 4]
                        .copy_from_slice(&coefficients.last_indices[4 * source..4 * source + 4]);
                    quad += 1;
                }
            }
        }
    }
}
