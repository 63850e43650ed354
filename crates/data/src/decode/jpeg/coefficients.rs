//! The coefficients of four groups of an image's blocks, as the transform takes them: four blocks that
//! lie beside each other together.

use residual_kernels::{FourBlocks, NonzeroRegion, coefficient_index};

use super::segments::ZIGZAG;

/// Blocks of a group, at most; libjpeg allows no more.
pub(super) const MAX_BLOCKS: usize = 10;

/// Where the coefficients of a block lie among those of four, in the order in which they are coded.
/// From the last one on they lie in its place: it is 0 where a block ends before, and an end of block
/// can be written down like a coefficient.
pub(super) static PLACES: [u8; 256] = {
    let mut places = [coefficient_index(7, 7) as u8; 256];
    let mut i = 0;
    while i < 64 {
        places[i] = coefficient_index(ZIGZAG[i] as usize / 8, ZIGZAG[i] as usize % 8) as u8;
        i += 1;
    }
    places
};

/// The last of the first ones in the order in which they are coded that have four rows and columns.
const LAST_LOW: u8 = 9;

/// Those of four groups, as many fours as a group has blocks: of each component its rows, one after
/// another.
pub(super) type Fours = [FourBlocks; MAX_BLOCKS];

pub(super) struct Coefficients {
    pub fours: Fours,
    /// The last coefficient that is not 0 of each block; 128 more count nothing.
    pub last: [u8; 4 * MAX_BLOCKS],
}

impl Default for Coefficients {
    fn default() -> Self {
        Coefficients { fours: [[0; 256]; MAX_BLOCKS], last: [0; 4 * MAX_BLOCKS] }
    }
}

impl Coefficients {
    /// Makes those of so many blocks of a group 0.
    pub fn clear(&mut self, blocks: usize) {
        self.fours[..blocks].fill([0; 256]);
        self.last[..4 * blocks].fill(0);
    }

    /// A four, and which of its coefficients may be other than 0.
    #[inline]
    pub fn four(&self, number: usize) -> (&FourBlocks, NonzeroRegion) {
        let last = self.last[4 * number..4 * number + 4].iter().map(|last| last & 127).max();
        let extent = match last {
            Some(1..=LAST_LOW) => NonzeroRegion::Low4x4,
            None | Some(0) => NonzeroRegion::DcOnly,
            _ => NonzeroRegion::All,
        };
        (&self.fours[number], extent)
    }
}
