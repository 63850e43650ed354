//! The coefficients of four groups of an image's blocks, as the transform takes them: four blocks that
//! lie beside each other together.

use residual_kernels::{place, Extent, FourBlocks};

use super::segments::ZIGZAG;

/// Where the coefficients of a block lie among those of four, in the order in which they are coded.
/// From the last one on they lie in its place: it is 0 where a block ends before, and an end of block
/// can be written down like a coefficient.
pub(super) static PLACES: [u8; 256] = {
    let mut places = [place(7, 7) as u8; 256];
    let mut i = 0;
    while i < 64 {
        places[i] = place(ZIGZAG[i] as usize / 8, ZIGZAG[i] as usize % 8) as u8;
        i += 1;
    }
    places
};

/// The last of the first ones in the order in which they are coded that have four rows and columns.
const LAST_LOW: u8 = 9;

/// Those of one component.
#[derive(Default)]
pub(super) struct Plane {
    fours: Vec<FourBlocks>,
    /// The last coefficient that is not 0 of each four blocks.
    last: Vec<u8>,
    /// Fours in a row.
    across: usize,
}

impl Plane {
    /// Makes room for so many rows of blocks, each of so many times four of them, all of them 0.
    pub fn clear(&mut self, across: usize, rows: usize) {
        self.across = across;
        self.fours.clear();
        self.fours.resize(across * rows, [0; 256]);
        self.last.clear();
        self.last.resize(across * rows, 0);
    }

    #[inline(always)]
    pub fn block(&mut self, row: usize, column: usize) -> Block<'_> {
        let four = row * self.across + column / 4;
        let coefficients = &mut self.fours[four][column % 4 * 8..];
        let coefficients = coefficients.first_chunk_mut().expect("a block's");
        Block { coefficients, last: &mut self.last[four] }
    }

    /// A row of fours.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (&FourBlocks, Extent)> {
        let row = row * self.across..(row + 1) * self.across;
        let extent = |&last: &u8| match last {
            0 => Extent::First,
            1..=LAST_LOW => Extent::Low,
            _ => Extent::All,
        };
        self.fours[row.clone()].iter().zip(self.last[row].iter().map(extent))
    }

    /// The bytes that it keeps room for.
    pub fn room(&self) -> usize {
        size_of::<FourBlocks>() * self.fours.capacity() + self.last.capacity()
    }
}

pub(super) struct Block<'a> {
    pub coefficients: &'a mut Coefficients,
    last: &'a mut u8,
}

impl Block<'_> {
    /// Says that those up to this number may be other than 0.
    #[inline(always)]
    pub fn reaches(&mut self, number: usize) {
        *self.last = (*self.last).max(number as u8);
    }
}

/// A block's coefficients, and some of its neighbours'.
pub(super) type Coefficients = [i16; 232];

/// A coefficient by its number in the order in which they are coded.
#[inline(always)]
pub(super) fn numbered<'a>(
    coefficients: &'a mut Coefficients,
    places: &[u8; 256],
    number: usize,
) -> &'a mut i16 {
    &mut coefficients[usize::from(places[usize::from(number as u8)])]
}
