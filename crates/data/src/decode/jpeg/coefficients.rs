//! DCT coefficients of four MCUs, in the layout of the inverse transform, which processes four
//! horizontally neighboring blocks (a quad) together.

use residual_kernels::{FourBlocks, NonzeroRegion, coefficient_index};

use super::segments::ZIGZAG;

/// The maximum number of blocks of all components in an MCU of the frame: four components with
/// sampling factors of 4.
const MAX_FRAME_MCU_BLOCKS: usize = 64;

/// Index within a quad of each coefficient of a block, by zigzag index. Zigzag indices above 63 map
/// to the last coefficient: it is 0 in a block that ends early, so that the value 0 of an end of
/// block can be stored like a coefficient.
pub(super) static COEFFICIENT_INDEX: [u8; 256] = {
    let mut indices = [coefficient_index(7, 7) as u8; 256];
    let mut i = 0;
    while i < 64 {
        indices[i] = coefficient_index(ZIGZAG[i] as usize / 8, ZIGZAG[i] as usize % 8) as u8;
        i += 1;
    }
    indices
};

/// The largest zigzag index up to which all coefficients are in the upper left 4x4.
const LAST_LOW_INDEX: u8 = 9;

/// The coefficients of four MCUs: the quads of each component in turn, row by row.
pub(super) type Quads = [FourBlocks; MAX_FRAME_MCU_BLOCKS];

/// The coefficients of four MCUs, and the extent of each block.
pub(super) struct Coefficients {
    pub quads: Quads,
    /// Zigzag index of the last nonzero coefficient of each block; bit 7, which marks an end of
    /// block, is ignored.
    pub last_indices: [u8; 4 * MAX_FRAME_MCU_BLOCKS],
}

impl Default for Coefficients {
    fn default() -> Self {
        Coefficients {
            quads: [[0; 256]; MAX_FRAME_MCU_BLOCKS],
            last_indices: [0; 4 * MAX_FRAME_MCU_BLOCKS],
        }
    }
}

impl Coefficients {
    /// Zeroes the first `count` quads.
    pub fn clear(&mut self, count: usize) {
        self.quads[..count].fill([0; 256]);
        self.last_indices[..4 * count].fill(0);
    }

    /// Returns a quad and the region that contains its nonzero coefficients.
    #[inline]
    pub fn quad(&self, index: usize) -> (&FourBlocks, NonzeroRegion) {
        let last_indices = &self.last_indices[4 * index..4 * index + 4];
        let region = match last_indices.iter().map(|last_index| last_index & 127).max() {
            Some(1..=LAST_LOW_INDEX) => NonzeroRegion::Low4x4,
            None | Some(0) => NonzeroRegion::DcOnly,
            _ => NonzeroRegion::All,
        };
        (&self.quads[index], region)
    }
}
