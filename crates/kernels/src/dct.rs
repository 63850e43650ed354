//! The inverse cosine transform of JPEG's blocks of 8x8, to the bit as libjpeg does it by default
//! (its "accurate integer" method), so that pictures are those of Pillow and of torchvision.
//!
//! All of that method is one matrix of whole numbers, applied to columns and then to rows: between
//! them 2 fractional bits are kept, and the factors have 13. Its even and odd columns are apart,
//! since a pixel and its mirror image along the side differ by the sign of the odd ones.
//!
//! Four blocks that lie beside each other are done at once. Their coefficients are interlaced, a row
//! of each after another, in an order that brings together those that are multiplied together.

use crate::SimdLevel;

/// Coefficients of four blocks: [`place`] says where each is.
pub type FourBlocks = [i16; 256];

/// Fractional bits of the matrix.
const PRECISION: u32 = 13;
/// Fractional bits between the passes.
const BETWEEN: u32 = 2;
const FIRST_SHIFT: u32 = PRECISION - BETWEEN;
/// The transform is 8 times the matrices' product.
const SECOND_SHIFT: u32 = PRECISION + BETWEEN + 3;
const FIRST_HALF: i32 = 1 << (FIRST_SHIFT - 1);
/// A half, to round, and 128, for pixels are stored from 0.
const SECOND_HALF: i32 = (1 << (SECOND_SHIFT - 1)) + (128 << SECOND_SHIFT);

/// For each two coefficients (0 and 2, 4 and 6, 1 and 3, 5 and 7) and each of the first four pixels:
/// their factors. For the last four, backwards, the last two pairs count negatively.
static MATRIX: [[[i16; 2]; 4]; 4] = {
    // libjpeg's constants, rounded to 13 bits; what it does in steps is the sum of these.
    const A: i16 = 2446; // 0.298631336
    const B: i16 = 3196; // 0.390180644
    const C: i16 = 4433; // 0.541196100
    const D: i16 = 6270; // 0.765366865
    const E: i16 = 7373; // 0.899976223
    const F: i16 = 9633; // 1.175875602
    const G: i16 = 12299; // 1.501321110
    const H: i16 = 15137; // 1.847759065
    const I: i16 = 16069; // 1.961570560
    const J: i16 = 16819; // 2.053119869
    const K: i16 = 20995; // 2.562915447
    const L: i16 = 25172; // 3.072711026
    const ONE: i16 = 1 << PRECISION;
    [
        [[ONE, C + D], [ONE, C], [ONE, -C], [ONE, -C - D]],
        [[ONE, C], [-ONE, C - H], [-ONE, H - C], [ONE, -C]],
        [[G - E + F - B, F], [F, L - K - I + F], [F - B, F - K], [F - E, F - I]],
        [[F - B, F - E], [F - K, F - I], [J - K + F - B, F], [F, A - E + F - I]],
    ]
};

/// Columns in the order in which a row has them.
const COLUMNS: [usize; 8] = [0, 2, 4, 6, 1, 3, 5, 7];

/// Where a coefficient of the first block lies; those of the next blocks lie 8, 16 and 24 further.
pub const fn coefficient_index(row: usize, column: usize) -> usize {
    let mut at = 0;
    while COLUMNS[at] != column {
        at += 1;
    }
    32 * row + at
}

/// Which coefficients of four blocks may be other than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NonzeroRegion {
    /// The first of each: blocks of one value.
    DcOnly,
    /// Those of the first four rows and columns.
    Low4x4,
    All,
}

/// The transform of one component's blocks.
pub struct Idct {
    level: SimdLevel,
    /// As the coefficients lie.
    quantizers: FourBlocks,
}

impl Idct {
    /// `quantizers` in their natural order, the lower 16 bits of each product count.
    ///
    /// # Panics
    /// If the level is not one of this CPU.
    pub fn new(level: SimdLevel, quantizers: &[u16; 64]) -> Idct {
        assert!(level <= SimdLevel::best() || level == SimdLevel::Scalar || cfg!(test));
        let mut placed = [0; 256];
        for (i, &quantizer) in quantizers.iter().enumerate() {
            for block in 0..4 {
                placed[coefficient_index(i / 8, i % 8) + 8 * block] = quantizer as i16;
            }
        }
        Idct { level, quantizers: placed }
    }

    /// Writes the pixels of four blocks beside each other into `out`, whose 8 rows of 32 are
    /// `stride` apart. Coefficients are as they were coded, and none is beyond `extent`.
    ///
    /// # Panics
    /// If `out` is too short.
    #[inline]
    pub fn apply(&self, coded: &FourBlocks, extent: NonzeroRegion, out: &mut [u8], stride: usize) {
        assert!(stride >= 32 && out.len() >= 7 * stride + 32);
        if extent == NonzeroRegion::DcOnly {
            return self.flat(coded, out, stride);
        }
        #[cfg(target_arch = "x86_64")]
        if self.level >= SimdLevel::Avx2 {
            // SAFETY: the processor has the level's instructions, and `out` the room.
            unsafe {
                match (self.level, extent) {
                    (SimdLevel::Avx512, NonzeroRegion::All) => {
                        x86::avx512::<false>(self, coded, out, stride)
                    }
                    (SimdLevel::Avx512, _) => x86::avx512::<true>(self, coded, out, stride),
                    (_, NonzeroRegion::All) => x86::avx2::<false>(self, coded, out, stride),
                    _ => x86::avx2::<true>(self, coded, out, stride),
                }
            }
            return;
        }
        for block in 0..4 {
            self.plain(coded, block, out, stride);
        }
    }

    /// Writes the pixels of four blocks that are reduced to `side` by `side`, which is 4, 2 or 1: each is the
    /// mean of a square of the block's, computed as libjpeg does. Rows of 4 `side` are `stride` apart.
    ///
    /// # Panics
    /// If `out` is too short, or the side another.
    #[inline]
    pub fn apply_scaled(
        &self,
        coded: &FourBlocks,
        extent: NonzeroRegion,
        side: usize,
        out: &mut [u8],
        stride: usize,
    ) {
        if extent == NonzeroRegion::DcOnly || side == 1 {
            for block in 0..4 {
                let first = i32::from(coded[8 * block].wrapping_mul(self.quantizers[0]));
                let pixel = byte(((first + 4) >> 3) + 128);
                for row in 0..side {
                    out[row * stride + side * block..][..side].fill(pixel);
                }
            }
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if self.level >= SimdLevel::Avx2 {
            #[target_feature(enable = "avx2")]
            unsafe fn wide<const SIDE: usize>(
                of: (&FourBlocks, &FourBlocks, NonzeroRegion),
                out: &mut [u8],
                stride: usize,
            ) {
                reduced::<SIDE>(of, out, stride)
            }
            let of = (coded, &self.quantizers, extent);
            // SAFETY: the processor has the level's instructions.
            return unsafe {
                match side {
                    4 => wide::<4>(of, out, stride),
                    2 => wide::<2>(of, out, stride),
                    _ => panic!("no side of {side}"),
                }
            };
        }
        let of = (coded, &self.quantizers, extent);
        match side {
            4 => reduced::<4>(of, out, stride),
            2 => reduced::<2>(of, out, stride),
            _ => panic!("no side of {side}"),
        }
    }

    /// Blocks of which only the first coefficient is not 0.
    fn flat(&self, coded: &FourBlocks, out: &mut [u8], stride: usize) {
        let value = |block: usize| {
            let first = i32::from(coded[8 * block].wrapping_mul(self.quantizers[0]));
            let between = word((first * MATRIX_ONE + FIRST_HALF) >> FIRST_SHIFT);
            byte((i32::from(between) * MATRIX_ONE + SECOND_HALF) >> SECOND_SHIFT)
        };
        let mut row = [0; 32];
        for (block, pixels) in row.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *pixels = [value(block); 8];
        }
        for y in 0..8 {
            out[y * stride..][..32].copy_from_slice(&row);
        }
    }

    /// One of the four blocks: the reference.
    fn plain(&self, coded: &FourBlocks, block: usize, out: &mut [u8], stride: usize) {
        let mut between = [[0; 8]; 8];
        for (at, &column) in COLUMNS.iter().enumerate() {
            let coefficients = std::array::from_fn(|row| {
                let at = 32 * row + 8 * block + at;
                coded[at].wrapping_mul(self.quantizers[at])
            });
            for (y, sum) in transformed(coefficients, FIRST_HALF).into_iter().enumerate() {
                between[y][column] = word(sum >> FIRST_SHIFT);
            }
        }
        for (y, between) in between.into_iter().enumerate() {
            let pixels = transformed(between, SECOND_HALF).map(|sum| byte(sum >> SECOND_SHIFT));
            out[y * stride + 8 * block..][..8].copy_from_slice(&pixels);
        }
    }
}

/// From 8 values to half and to a quarter of them, twice and four times as large: libjpeg's constants,
/// rounded to 13 bits. The last ones have the odd factors' signs turned round, backwards.
const TO_FOUR: [[i32; 8]; 4] = {
    const ONE: i32 = 1 << (PRECISION + 1);
    [
        [ONE, 20995, 15137, 7373, 0, -4926, -6270, -4176],
        [ONE, 8697, -15137, -17799, 0, 11893, 6270, -1730],
        [ONE, -8697, -15137, 17799, 0, -11893, 6270, 1730],
        [ONE, -20995, 15137, -7373, 0, 4926, -6270, 4176],
    ]
};
const TO_TWO: [[i32; 8]; 2] = {
    const ONE: i32 = 1 << (PRECISION + 2);
    [[ONE, 29692, 0, -10426, 0, 6967, 0, -5906], [ONE, -29692, 0, 10426, 0, -6967, 0, 5906]]
};

/// Coefficients, their quantizers and extent to blocks of `SIDE` by `SIDE`: columns, then rows, each of all
/// four blocks at once. Sums that no encoder's values make overflow.
#[inline(always)]
fn reduced<const SIDE: usize>(
    (coded, quantizers, extent): (&FourBlocks, &FourBlocks, NonzeroRegion),
    out: &mut [u8],
    stride: usize,
) {
    let (factor, bits): (fn(usize, usize) -> i32, u32) = match SIDE {
        4 => (|to, from| TO_FOUR[to][from], 1),
        _ => (|to, from| TO_TWO[to][from], 2),
    };
    let many = if extent == NonzeroRegion::Low4x4 { 4 } else { 8 };
    let mut between = [[0i32; 32]; SIDE];
    let rows = coded.as_chunks::<32>().0.iter().zip(quantizers.as_chunks::<32>().0);
    for (from, (coded, quantizers)) in rows.enumerate().take(many) {
        let mut values = [0; 32];
        for (value, (coded, quantizer)) in values.iter_mut().zip(coded.iter().zip(quantizers)) {
            *value = i32::from(coded.wrapping_mul(*quantizer));
        }
        for (to, sums) in between.iter_mut().enumerate() {
            add_times(sums, factor(to, from), &values);
        }
    }
    // Those of a column side by side: of each row the four blocks'.
    let mut columns = [[0i32; 16]; 8];
    let shift = FIRST_SHIFT + bits;
    for (row, sums) in between.iter().enumerate() {
        for (block, sums) in sums.as_chunks::<8>().0.iter().enumerate() {
            for (at, sum) in sums.iter().enumerate() {
                let value = sum.wrapping_add(1 << (shift - 1)) >> shift;
                columns[COLUMNS[at]][4 * row + block] = value;
            }
        }
    }
    let shift = SECOND_SHIFT + bits;
    for x in 0..SIDE {
        let mut sums = [1 << (shift - 1); 16];
        for (from, values) in columns.iter().enumerate().take(many) {
            add_times(&mut sums, factor(x, from), values);
        }
        for (i, sum) in sums.into_iter().enumerate().take(4 * SIDE) {
            let (row, block) = (i / 4, i % 4);
            out[row * stride + SIDE * block + x] = byte((sum >> shift) + 128);
        }
    }
}

#[inline(always)]
fn add_times<const N: usize>(sums: &mut [i32; N], factor: i32, values: &[i32; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.wrapping_add(factor.wrapping_mul(*value));
    }
}

const MATRIX_ONE: i32 = MATRIX[0][0][0] as i32;

/// The matrix times 8 values, plus `more`. Sums that no encoder's values make overflow.
fn transformed(values: [i16; 8], more: i32) -> [i32; 8] {
    let product = |pair: usize, pixel: usize| -> i32 {
        let [a, b] = [0, 1]
            .map(|i| i32::from(MATRIX[pair][pixel][i]) * i32::from(values[COLUMNS[2 * pair + i]]));
        a.wrapping_add(b)
    };
    let mut sums = [0; 8];
    for pixel in 0..4 {
        let even = more.wrapping_add(product(0, pixel)).wrapping_add(product(1, pixel));
        let odd = product(2, pixel).wrapping_add(product(3, pixel));
        sums[pixel] = even.wrapping_add(odd);
        sums[7 - pixel] = even.wrapping_sub(odd);
    }
    sums
}

fn word(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

fn byte(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::*;

    /// A register of 16-bit values of some blocks; what is said of it is said of each 16 bytes.
    ///
    /// # Safety
    /// Every function needs a CPU that has the type's instructions, and pointers to as much as they
    /// say. None may be called in a closure, which is not compiled for them.
    trait Words: Copy {
        /// Blocks that it holds a row of.
        const BLOCKS: usize;

        unsafe fn zero() -> Self;
        /// All of it.
        unsafe fn load(from: *const i16) -> Self;
        /// The same 8 values for each block.
        unsafe fn all(of: &[[i16; 2]; 4]) -> Self;
        /// The same two values everywhere.
        unsafe fn pair(of: [i16; 2]) -> Self;
        unsafe fn double(of: i32) -> Self;
        unsafe fn times(self, other: Self) -> Self;
        unsafe fn zip_low(self, other: Self) -> Self;
        unsafe fn zip_high(self, other: Self) -> Self;
        /// Pair number `PAIR` four times, where it is told as `_mm_shuffle_epi32` wants it.
        unsafe fn spread<const PAIR: i32>(self) -> Self;
        /// Sums of two products each, of 32 bits, as all that follows.
        unsafe fn products(self, other: Self) -> Self;
        unsafe fn add(self, other: Self) -> Self;
        unsafe fn sub(self, other: Self) -> Self;
        unsafe fn shift<const BITS: u32>(self) -> Self;
        /// Both to 16 bits.
        unsafe fn narrow(self, other: Self) -> Self;
        /// Two rows of pixels, of which the last four are in reverse order, to two rows in memory.
        unsafe fn store(self, other: Self, first: *mut u8, second: *mut u8);
    }

    impl Words for __m256i {
        const BLOCKS: usize = 2;

        #[inline(always)]
        unsafe fn zero() -> Self {
            _mm256_setzero_si256()
        }

        #[inline(always)]
        unsafe fn load(from: *const i16) -> Self {
            _mm256_loadu_si256(from.cast())
        }

        #[inline(always)]
        unsafe fn all(of: &[[i16; 2]; 4]) -> Self {
            _mm256_broadcastsi128_si256(_mm_loadu_si128(of.as_ptr().cast()))
        }

        #[inline(always)]
        unsafe fn pair([a, b]: [i16; 2]) -> Self {
            _mm256_set1_epi32(i32::from(a as u16) | (i32::from(b) << 16))
        }

        #[inline(always)]
        unsafe fn double(of: i32) -> Self {
            _mm256_set1_epi32(of)
        }

        #[inline(always)]
        unsafe fn times(self, other: Self) -> Self {
            _mm256_mullo_epi16(self, other)
        }

        #[inline(always)]
        unsafe fn zip_low(self, other: Self) -> Self {
            _mm256_unpacklo_epi16(self, other)
        }

        #[inline(always)]
        unsafe fn zip_high(self, other: Self) -> Self {
            _mm256_unpackhi_epi16(self, other)
        }

        #[inline(always)]
        unsafe fn spread<const PAIR: i32>(self) -> Self {
            _mm256_shuffle_epi32::<PAIR>(self)
        }

        #[inline(always)]
        unsafe fn products(self, other: Self) -> Self {
            _mm256_madd_epi16(self, other)
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            _mm256_add_epi32(self, other)
        }

        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            _mm256_sub_epi32(self, other)
        }

        #[inline(always)]
        unsafe fn shift<const BITS: u32>(self) -> Self {
            _mm256_sra_epi32(self, _mm_cvtsi32_si128(BITS as i32))
        }

        #[inline(always)]
        unsafe fn narrow(self, other: Self) -> Self {
            _mm256_packs_epi32(self, other)
        }

        #[inline(always)]
        unsafe fn store(self, other: Self, first: *mut u8, second: *mut u8) {
            let bytes = _mm256_packus_epi16(self, other);
            let order = _mm256_broadcastsi128_si256(_mm_loadu_si128(FORWARDS.as_ptr().cast()));
            let rows = _mm256_shuffle_epi8(bytes, order);
            let rows = _mm256_permute4x64_epi64::<0b11_01_10_00>(rows);
            _mm_storeu_si128(first.cast(), _mm256_castsi256_si128(rows));
            _mm_storeu_si128(second.cast(), _mm256_extracti128_si256::<1>(rows));
        }
    }

    impl Words for __m512i {
        const BLOCKS: usize = 4;

        #[inline(always)]
        unsafe fn zero() -> Self {
            _mm512_setzero_si512()
        }

        #[inline(always)]
        unsafe fn load(from: *const i16) -> Self {
            _mm512_loadu_si512(from.cast())
        }

        #[inline(always)]
        unsafe fn all(of: &[[i16; 2]; 4]) -> Self {
            _mm512_broadcast_i32x4(_mm_loadu_si128(of.as_ptr().cast()))
        }

        #[inline(always)]
        unsafe fn pair([a, b]: [i16; 2]) -> Self {
            _mm512_set1_epi32(i32::from(a as u16) | (i32::from(b) << 16))
        }

        #[inline(always)]
        unsafe fn double(of: i32) -> Self {
            _mm512_set1_epi32(of)
        }

        #[inline(always)]
        unsafe fn times(self, other: Self) -> Self {
            _mm512_mullo_epi16(self, other)
        }

        #[inline(always)]
        unsafe fn zip_low(self, other: Self) -> Self {
            _mm512_unpacklo_epi16(self, other)
        }

        #[inline(always)]
        unsafe fn zip_high(self, other: Self) -> Self {
            _mm512_unpackhi_epi16(self, other)
        }

        #[inline(always)]
        unsafe fn spread<const PAIR: i32>(self) -> Self {
            _mm512_shuffle_epi32::<PAIR>(self)
        }

        #[inline(always)]
        unsafe fn products(self, other: Self) -> Self {
            _mm512_madd_epi16(self, other)
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            _mm512_add_epi32(self, other)
        }

        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            _mm512_sub_epi32(self, other)
        }

        #[inline(always)]
        unsafe fn shift<const BITS: u32>(self) -> Self {
            _mm512_srai_epi32::<BITS>(self)
        }

        #[inline(always)]
        unsafe fn narrow(self, other: Self) -> Self {
            _mm512_packs_epi32(self, other)
        }

        #[inline(always)]
        unsafe fn store(self, other: Self, first: *mut u8, second: *mut u8) {
            let bytes = _mm512_packus_epi16(self, other);
            let order = _mm512_broadcast_i32x4(_mm_loadu_si128(FORWARDS.as_ptr().cast()));
            let rows = _mm512_shuffle_epi8(bytes, order);
            let apart = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
            let rows = _mm512_permutexvar_epi64(apart, rows);
            _mm256_storeu_si256(first.cast(), _mm512_castsi512_si256(rows));
            _mm256_storeu_si256(second.cast(), _mm512_extracti64x4_epi64::<1>(rows));
        }
    }

    static FORWARDS: [u8; 16] = [0, 1, 2, 3, 7, 6, 5, 4, 8, 9, 10, 11, 15, 14, 13, 12];

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2<const LOW: bool>(
        idct: &Idct,
        coded: &FourBlocks,
        out: &mut [u8],
        stride: usize,
    ) {
        for part in 0..2 {
            let at = part * 8 * __m256i::BLOCKS;
            blocks::<__m256i, LOW>(idct, coded, at, out, stride);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn avx512<const LOW: bool>(
        idct: &Idct,
        coded: &FourBlocks,
        out: &mut [u8],
        stride: usize,
    ) {
        blocks::<__m512i, LOW>(idct, coded, 0, out, stride);
    }

    /// The blocks that a register holds, from column `at` on. `LOW` promises zeros behind the first
    /// four rows and columns.
    ///
    /// # Safety
    /// As of [`Words`]; `out` has 8 rows of as many pixels, `stride` apart.
    #[inline(always)]
    unsafe fn blocks<W: Words, const LOW: bool>(
        idct: &Idct,
        coded: &FourBlocks,
        at: usize,
        out: &mut [u8],
        stride: usize,
    ) {
        let pairs = [
            rows::<W>(idct, coded, at, 0, 2),
            if LOW { [W::zero(); 2] } else { rows(idct, coded, at, 4, 6) },
            rows(idct, coded, at, 1, 3),
            if LOW { [W::zero(); 2] } else { rows(idct, coded, at, 5, 7) },
        ];
        let mut between = [W::zero(); 8];
        for y in 0..4 {
            let factors = [
                W::pair(MATRIX[0][y]),
                W::pair(MATRIX[1][y]),
                W::pair(MATRIX[2][y]),
                W::pair(MATRIX[3][y]),
            ];
            let half = W::double(FIRST_HALF);
            let [[a, e], [b, f], [c, g], [d, h]] = pairs;
            let low = sums::<W, LOW>([a, b, c, d], factors, half);
            let high = sums::<W, LOW>([e, f, g, h], factors, half);
            between[y] = low[0].shift::<FIRST_SHIFT>().narrow(high[0].shift::<FIRST_SHIFT>());
            between[7 - y] = low[1].shift::<FIRST_SHIFT>().narrow(high[1].shift::<FIRST_SHIFT>());
        }
        let factors =
            [W::all(&MATRIX[0]), W::all(&MATRIX[1]), W::all(&MATRIX[2]), W::all(&MATRIX[3])];
        let out = out.as_mut_ptr().add(at);
        for y in [0, 2, 4, 6] {
            let (first, second) = (out.add(y * stride), out.add((y + 1) * stride));
            let upper = pixels::<W, LOW>(between[y], factors);
            upper.store(pixels::<W, LOW>(between[y + 1], factors), first, second);
        }
    }

    /// Two rows of coefficients, times their quantizers, those of a column side by side.
    #[inline(always)]
    unsafe fn rows<W: Words>(
        idct: &Idct,
        coded: &FourBlocks,
        at: usize,
        first: usize,
        second: usize,
    ) -> [W; 2] {
        let (first, second) = (32 * first + at, 32 * second + at);
        let (coded, quantizers) = (coded.as_ptr(), idct.quantizers.as_ptr());
        let first = W::load(coded.add(first)).times(W::load(quantizers.add(first)));
        let second = W::load(coded.add(second)).times(W::load(quantizers.add(second)));
        [first.zip_low(second), first.zip_high(second)]
    }

    /// Pixels of a row, still of 16 bits; the last four in reverse order.
    #[inline(always)]
    unsafe fn pixels<W: Words, const LOW: bool>(row: W, factors: [W; 4]) -> W {
        let pairs = [
            row.spread::<0b00_00_00_00>(),
            row.spread::<0b01_01_01_01>(),
            row.spread::<0b10_10_10_10>(),
            row.spread::<0b11_11_11_11>(),
        ];
        let [first, last] = sums::<W, LOW>(pairs, factors, W::double(SECOND_HALF));
        first.shift::<SECOND_SHIFT>().narrow(last.shift::<SECOND_SHIFT>())
    }

    /// The sums for one of the first four pixels, and for its mirror image.
    #[inline(always)]
    unsafe fn sums<W: Words, const LOW: bool>(pairs: [W; 4], factors: [W; 4], more: W) -> [W; 2] {
        let mut even = pairs[0].products(factors[0]).add(more);
        let mut odd = pairs[2].products(factors[2]);
        if !LOW {
            even = even.add(pairs[1].products(factors[1]));
            odd = odd.add(pairs[3].products(factors[3]));
        }
        [even.add(odd), even.sub(odd)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Coefficients as photographs have them: less and less towards the high frequencies.
    fn photographs(most: usize) -> impl Iterator<Item = FourBlocks> {
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as i64
        };
        (0..100).map(move |n| {
            let mut four = [0; 256];
            for block in 0..4 {
                for (row, column) in (0..most).flat_map(|y| (0..most).map(move |x| (y, x))) {
                    let size = match n % 7 {
                        0 => 200,
                        _ => 700 / (1 + row * column + row + column) as i64 + 1,
                    };
                    let value = (random() % (2 * size) - size) as i16;
                    four[coefficient_index(row, column) + 8 * block] = value;
                }
            }
            four
        })
    }

    fn quantizers() -> [u16; 64] {
        std::array::from_fn(|i| 1 + (i / 8 + i % 8) as u16 / 3)
    }

    #[test]
    fn a_pixel_of_a_reduced_block_is_the_mean_of_a_square() {
        for most in [1, 4, 8] {
            for four in photographs(most) {
                // Not so much that pixels are cut off at black or white.
                let four = four.map(|value| value / 8);
                let [idct, best] = [SimdLevel::Scalar, SimdLevel::best()]
                    .map(|level| Idct::new(level, &quantizers()));
                let extent = match most {
                    1 => NonzeroRegion::DcOnly,
                    4 => NonzeroRegion::Low4x4,
                    _ => NonzeroRegion::All,
                };
                let mut whole = [0; 256];
                idct.apply(&four, NonzeroRegion::All, &mut whole, 32);
                if whole.iter().any(|&pixel| pixel == 0 || pixel == 255) {
                    continue;
                }
                for side in [4, 2, 1] {
                    let mut reduced = vec![0; 4 * side * side];
                    idct.apply_scaled(&four, NonzeroRegion::All, side, &mut reduced, 4 * side);
                    let mut same = reduced.clone();
                    best.apply_scaled(&four, extent, side, &mut same, 4 * side);
                    assert_eq!(same, reduced);
                    let times = 8 / side;
                    for (i, &pixel) in reduced.iter().enumerate() {
                        let (x, y) = (i % (4 * side) * times, i / (4 * side) * times);
                        let square = (0..times * times)
                            .map(|at| f64::from(whole[(y + at / times) * 32 + x + at % times]));
                        let mean = square.sum::<f64>() / (times * times) as f64;
                        assert!((f64::from(pixel) - mean).abs() <= 1.5, "{side}: {pixel} {mean}");
                    }
                }
            }
        }
    }

    /// By the definition (ITU-T T.81, A.3.3), before rounding.
    fn exact(coefficients: [i32; 64]) -> [f64; 64] {
        let norm = |k: usize| if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let wave = |at: usize, k: usize| {
            ((2 * at + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0).cos()
        };
        std::array::from_fn(|i| {
            let (y, x) = (i / 8, i % 8);
            let sum: f64 = (0..64)
                .map(|i| {
                    let (v, u) = (i / 8, i % 8);
                    norm(u) * norm(v) * f64::from(coefficients[i]) * wave(x, u) * wave(y, v)
                })
                .sum();
            sum / 4.0 + 128.0
        })
    }

    #[test]
    fn pixels_are_the_definitions_rounded() {
        let quantizers = quantizers();
        let idct = Idct::new(SimdLevel::Scalar, &quantizers);
        let (mut values, mut squares) = (0.0, 0.0);
        for four in photographs(8) {
            let mut out = [0; 256];
            idct.apply(&four, NonzeroRegion::All, &mut out, 32);
            for block in 0..4 {
                let coefficient = |i| {
                    i32::from(four[coefficient_index(i / 8, i % 8) + 8 * block])
                        * i32::from(quantizers[i])
                };
                let wanted = exact(std::array::from_fn(coefficient));
                for (i, wanted) in wanted.into_iter().enumerate() {
                    let found = f64::from(out[i / 8 * 32 + 8 * block + i % 8]);
                    let error = found - wanted.clamp(0.0, 255.0);
                    assert!(error.abs() < 1.0, "{found} {wanted}");
                    squares += error * error;
                    values += 1.0;
                }
            }
        }
        // Rounding alone is 1/12.
        assert!(squares / values < 0.1, "{}", squares / values);
    }

    #[test]
    fn every_level_gives_the_plain_bytes_for_hostile_blocks_too() {
        let hostile: [FourBlocks; 3] =
            [[i16::MAX; 256], [i16::MIN; 256], std::array::from_fn(|i| [-32768, 32767][i % 2])];
        let only_first = photographs(1).chain([std::array::from_fn(|i| match i {
            0 | 8 | 16 | 24 => [i16::MIN, i16::MAX, 2047, -2048][i / 8],
            _ => 0,
        })]);
        for (extent, all) in [
            (NonzeroRegion::All, photographs(8).chain(hostile).collect::<Vec<_>>()),
            (NonzeroRegion::Low4x4, photographs(4).collect()),
            (NonzeroRegion::DcOnly, only_first.collect()),
        ] {
            for four in all {
                for quantizers in [quantizers(), [1; 64], [65535; 64]] {
                    let apply = |level, extent| {
                        let mut out = [7; 8 * 35];
                        Idct::new(level, &quantizers).apply(&four, extent, &mut out, 35);
                        out
                    };
                    let plain = apply(SimdLevel::Scalar, NonzeroRegion::All);
                    for level in SimdLevel::all() {
                        assert_eq!(apply(level, extent), plain, "{level:?} {extent:?}");
                    }
                }
            }
        }
    }
}
