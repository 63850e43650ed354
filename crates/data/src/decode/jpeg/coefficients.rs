//! DCT coefficients of four MCUs, in the layout of the inverse transform: four neighboring blocks
//! together (a quad).

use residual_kernels::{FourBlocks, NonzeroRegion, coefficient_index};

use super::segments::ZIGZAG;

/// The maximum number of blocks in an MCU (libjpeg's limit).
pub(super) const MAX_MCU_BLOCKS: usize = 10;

/// Index of each coefficient of a block within a quad, in zigzag order. Indices beyond the last
/// coefficient repeat the last one: it is 0 if the block ends earlier, so an end of block can be
/// stored like a coefficient.
pub(super) static COEFFICIENT_INDEX: [u8; 256] = {
    let mut places = [coefficient_index(7, 7) as u8; 256];
    let mut i = 0;
    while i < 64 {
        places[i] = coefficient_index(ZIGZAG[i] as usize / 8, ZIGZAG[i] as usize % 8) as u8;
        i += 1;
    }
    places
};

/// The last zigzag index within the upper left 4x4 coefficients.
const LAST_LOW_INDEX: u8 = 9;

/// The coefficients of four MCUs: for each component its rows of quads.
pub(super) type Quads = [FourBlocks; MAX_MCU_BLOCKS];

pub(super) struct Coefficients {
    pub quads: Quads,
    /// Zigzag index of the last nonzero coefficient of each block; bit 7 is ignored.
    pub last: [u8; 4 * MAX_MCU_BLOCKS],
}

impl Default for Coefficients {
    fn default() -> Self {
        Coefficients { quads: [[0; 256]; MAX_MCU_BLOCKS], last: [0; 4 * MAX_MCU_BLOCKS] }
    }
}

impl Coefficients {
    /// Zeroes the first `blocks` quads.
    pub fn clear(&mut self, blocks: usize) {
        self.quads[..blocks].fill([0; 256]);
        self.last[..4 * blocks].fill(0);
    }

    /// Returns a quad and an upper bound of its nonzero coefficients.
    #[inline]
    pub fn quad(&self, number: usize) -> (&FourBlocks, NonzeroRegion) {
        let last = self.last[4 * number..4 * number + 4].iter().map(|last| last & 127).max();
        let extent = match last {
            Some(1..=LAST_LOW_INDEX) => NonzeroRegion::Low4x4,
            None | Some(0) => NonzeroRegion::DcOnly,
            _ => NonzeroRegion::All,
        };
        (&self.quads[number], extent)
    }
}
