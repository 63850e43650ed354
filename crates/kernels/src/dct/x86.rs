//! The inverse DCT for AVX2 and AVX-512, generic over a [`Register`].

use std::arch::x86_64::*;

use super::{FIRST_BIAS, FIRST_SHIFT, FourBlocks, Idct, MATRIX, SECOND_BIAS, SECOND_SHIFT};

/// A register of 16-bit values of several blocks. Each 128-bit lane contains one row of one block,
/// and operations work within lanes.
///
/// Only unsafe functions create a register, so its existence proves that the CPU has the
/// instructions of its type. The functions must not be called in a closure, which is not compiled
/// for the instruction set of the caller.
trait Register: Copy {
    /// Blocks of which a register contains a row.
    const BLOCKS: usize;

    /// # Safety
    /// The CPU must have the type's instructions.
    unsafe fn zero() -> Self;

    /// # Safety
    /// `8 * BLOCKS` values must be readable, and the CPU must have the type's instructions.
    unsafe fn load(source: *const i16) -> Self;

    /// Repeats 8 values in each lane.
    ///
    /// # Safety
    /// The CPU must have the type's instructions.
    unsafe fn broadcast_lane(values: &[[i16; 2]; 4]) -> Self;

    /// Repeats two 16-bit values.
    ///
    /// # Safety
    /// The CPU must have the type's instructions.
    unsafe fn broadcast_pair(values: [i16; 2]) -> Self;

    /// Repeats a 32-bit value.
    ///
    /// # Safety
    /// The CPU must have the type's instructions.
    unsafe fn broadcast_i32(value: i32) -> Self;

    /// Stores two rows of pixels. In the registers, the last four pixels are in reverse order.
    ///
    /// # Safety
    /// `8 * BLOCKS` bytes must be writable at both addresses.
    unsafe fn store_rows(self, other: Self, first: *mut u8, second: *mut u8);

    fn multiply_i16(self, other: Self) -> Self;
    fn unpack_low(self, other: Self) -> Self;
    fn unpack_high(self, other: Self) -> Self;

    /// Permutes 32-bit pairs, as `_mm_shuffle_epi32`.
    fn shuffle_pairs<const ORDER: i32>(self) -> Self;

    /// Adds the 32-bit products of adjacent values.
    fn multiply_add_pairs(self, other: Self) -> Self;

    fn add_i32(self, other: Self) -> Self;
    fn sub_i32(self, other: Self) -> Self;
    fn shift_right_i32<const BITS: u32>(self) -> Self;

    /// Converts the 32-bit values of two registers to 16 bits with saturation.
    fn pack_i32(self, other: Self) -> Self;
}

/// Defines a register type by its intrinsics.
macro_rules! impl_register {
    (
        $register:ident($raw:ty), blocks: $blocks:literal,
        zero: $zero:ident, load: $load:ident, broadcast_lane: $broadcast:ident,
        set1: $set1:ident, mullo: $mullo:ident, unpacklo: $unpacklo:ident,
        unpackhi: $unpackhi:ident, shuffle: $shuffle:ident, madd: $madd:ident, add: $add:ident,
        sub: $sub:ident, sra: $sra:ident, packs: $packs:ident, store_rows: $store_rows:ident,
    ) => {
        #[derive(Clone, Copy)]
        struct $register($raw);

        impl Register for $register {
            const BLOCKS: usize = $blocks;

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller guarantees the instruction.
                unsafe { Self($zero()) }
            }

            #[inline(always)]
            unsafe fn load(source: *const i16) -> Self {
                // SAFETY: the caller guarantees readable values and the instruction.
                unsafe { Self($load(source.cast())) }
            }

            #[inline(always)]
            unsafe fn broadcast_lane(values: &[[i16; 2]; 4]) -> Self {
                // SAFETY: there are 16 bytes, and the caller guarantees the instructions.
                unsafe { Self($broadcast(_mm_loadu_si128(values.as_ptr().cast()))) }
            }

            #[inline(always)]
            unsafe fn broadcast_pair([a, b]: [i16; 2]) -> Self {
                // SAFETY: the caller guarantees the instruction.
                unsafe { Self($set1(i32::from(a as u16) | (i32::from(b) << 16))) }
            }

            #[inline(always)]
            unsafe fn broadcast_i32(value: i32) -> Self {
                // SAFETY: the caller guarantees the instruction.
                unsafe { Self($set1(value)) }
            }

            #[inline(always)]
            unsafe fn store_rows(self, other: Self, first: *mut u8, second: *mut u8) {
                // SAFETY: the caller guarantees writable rows, `self` the instructions.
                unsafe { $store_rows(self.0, other.0, first, second) };
            }

            #[inline(always)]
            fn multiply_i16(self, other: Self) -> Self {
                // SAFETY: `self` exists only where the CPU has the instruction.
                unsafe { Self($mullo(self.0, other.0)) }
            }

            #[inline(always)]
            fn unpack_low(self, other: Self) -> Self {
                // SAFETY: `self` exists only where the CPU has the instruction.
                unsafe { Self($unpacklo(self.0, other.0)) }
            }

            #[inline(always)]
            fn unpack_high(self, other: Self) -> Self {
                // SAFETY: `self` exists only where the CPU has the instruction.
                unsafe { Self($unpackhi(self.0, other.0)) }
            }

            #[inline(always)]
            fn shuffle_pairs<const ORDER: i32>(self) -> Self {
                // SAFETY: `self` exists only where the CPU has the instruction.
                unsafe { Self($shuffle::<ORDER>(self.0)) }
            }

            #[inline(always)]
            fn multiply_add_pairs(self, other: Self) -> Self {
                // SAFETY: `self` exists only where the CPU has the instruction.
                unsafe { Self($madd(self.0, other.0)) }
            }

            #[inline(always)]
            fn add_i32(self, other: Self) -> Self {
                // SAFETY: `self` exists only where the CPU has the instruction.
                unsafe { Self($add(self.0, other.0)) }
            }

            #[inline(always)]
            fn sub_i32(self, other: Self) -> Self {
                // SAFETY: `self` exists only where the CPU has the instruction.
                unsafe { Self($sub(self.0, other.0)) }
            }

            #[inline(always)]
            fn shift_right_i32<const BITS: u32>(self) -> Self {
                // SAFETY: `self` exists only where the CPU has the instruction.
                unsafe { Self($sra(self.0, _mm_cvtsi32_si128(BITS as i32))) }
            }

            #[inline(always)]
            fn pack_i32(self, other: Self) -> Self {
                // SAFETY: `self` exists only where the CPU has the instruction.
                unsafe { Self($packs(self.0, other.0)) }
            }
        }
    };
}

impl_register! {
    Avx2(__m256i), blocks: 2,
    zero: _mm256_setzero_si256, load: _mm256_loadu_si256,
    broadcast_lane: _mm256_broadcastsi128_si256, set1: _mm256_set1_epi32,
    mullo: _mm256_mullo_epi16, unpacklo: _mm256_unpacklo_epi16, unpackhi: _mm256_unpackhi_epi16,
    shuffle: _mm256_shuffle_epi32, madd: _mm256_madd_epi16, add: _mm256_add_epi32,
    sub: _mm256_sub_epi32, sra: _mm256_sra_epi32, packs: _mm256_packs_epi32,
    store_rows: store_rows_avx2,
}

impl_register! {
    Avx512(__m512i), blocks: 4,
    zero: _mm512_setzero_si512, load: _mm512_loadu_si512,
    broadcast_lane: _mm512_broadcast_i32x4, set1: _mm512_set1_epi32,
    mullo: _mm512_mullo_epi16, unpacklo: _mm512_unpacklo_epi16, unpackhi: _mm512_unpackhi_epi16,
    shuffle: _mm512_shuffle_epi32, madd: _mm512_madd_epi16, add: _mm512_add_epi32,
    sub: _mm512_sub_epi32, sra: _mm512_sra_epi32, packs: _mm512_packs_epi32,
    store_rows: store_rows_avx512,
}

/// Shuffle mask for two rows of one block that reverses the last four bytes of each row.
static REVERSE_LAST_FOUR: [u8; 16] = [0, 1, 2, 3, 7, 6, 5, 4, 8, 9, 10, 11, 15, 14, 13, 12];

/// # Safety
/// 16 bytes must be writable at both addresses, and the CPU must have AVX2.
#[inline(always)]
unsafe fn store_rows_avx2(upper: __m256i, lower: __m256i, first: *mut u8, second: *mut u8) {
    // SAFETY: the caller guarantees writable rows and AVX2.
    unsafe {
        let bytes = _mm256_packus_epi16(upper, lower);
        let order = _mm_loadu_si128(REVERSE_LAST_FOUR.as_ptr().cast());
        let rows = _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(order));
        let rows = _mm256_permute4x64_epi64::<0b11_01_10_00>(rows);
        _mm_storeu_si128(first.cast(), _mm256_castsi256_si128(rows));
        _mm_storeu_si128(second.cast(), _mm256_extracti128_si256::<1>(rows));
    }
}

/// # Safety
/// 32 bytes must be writable at both addresses, and the CPU must have AVX-512 F and BW.
#[inline(always)]
unsafe fn store_rows_avx512(upper: __m512i, lower: __m512i, first: *mut u8, second: *mut u8) {
    // SAFETY: the caller guarantees writable rows and AVX-512.
    unsafe {
        let bytes = _mm512_packus_epi16(upper, lower);
        let order = _mm_loadu_si128(REVERSE_LAST_FOUR.as_ptr().cast());
        let rows = _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(order));
        let deinterleave = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
        let rows = _mm512_permutexvar_epi64(deinterleave, rows);
        _mm256_storeu_si256(first.cast(), _mm512_castsi512_si256(rows));
        _mm256_storeu_si256(second.cast(), _mm512_extracti64x4_epi64::<1>(rows));
    }
}

/// Transforms four blocks, two at a time.
///
/// # Safety
/// `out` must have 8 rows of 32 pixels, `stride` apart.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn avx2<const LOW: bool>(
    idct: &Idct,
    coded: &FourBlocks,
    out: &mut [u8],
    stride: usize,
) {
    for half in 0..2 {
        let column = half * 8 * Avx2::BLOCKS;
        // SAFETY: the function is compiled for AVX2, and the caller guarantees the rows.
        unsafe { transform_blocks::<Avx2, LOW>(idct, coded, column, out, stride) };
    }
}

/// Transforms four blocks.
///
/// # Safety
/// `out` must have 8 rows of 32 pixels, `stride` apart.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn avx512<const LOW: bool>(
    idct: &Idct,
    coded: &FourBlocks,
    out: &mut [u8],
    stride: usize,
) {
    // SAFETY: the function is compiled for AVX-512, and the caller guarantees the rows.
    unsafe { transform_blocks::<Avx512, LOW>(idct, coded, 0, out, stride) };
}

/// Transforms the blocks of one register from `column`. With `LOW`, coefficients outside of the
/// first four rows and columns are not read and must be 0.
///
/// # Safety
/// The CPU must have `R`'s instructions, and `out` must have 8 rows of `8 * R::BLOCKS` pixels from
/// `column`, `stride` apart.
#[inline(always)]
unsafe fn transform_blocks<R: Register, const LOW: bool>(
    idct: &Idct,
    coded: &FourBlocks,
    column: usize,
    out: &mut [u8],
    stride: usize,
) {
    // SAFETY: the caller guarantees `R`'s instructions and the rows of `out`.
    unsafe {
        let pairs = [
            load_rows::<R>(idct, coded, column, 0, 2),
            if LOW { [R::zero(); 2] } else { load_rows(idct, coded, column, 4, 6) },
            load_rows::<R>(idct, coded, column, 1, 3),
            if LOW { [R::zero(); 2] } else { load_rows(idct, coded, column, 5, 7) },
        ];
        let [[a, e], [b, f], [c, g], [d, h]] = pairs;
        let bias = R::broadcast_i32(FIRST_BIAS);
        let mut intermediate = [R::zero(); 8];
        for y in 0..4 {
            let factors = [
                R::broadcast_pair(MATRIX[0][y]),
                R::broadcast_pair(MATRIX[1][y]),
                R::broadcast_pair(MATRIX[2][y]),
                R::broadcast_pair(MATRIX[3][y]),
            ];
            let low = mirrored_sums::<R, LOW>([a, b, c, d], factors, bias);
            let high = mirrored_sums::<R, LOW>([e, f, g, h], factors, bias);
            intermediate[y] = shift_and_pack::<R, FIRST_SHIFT>(low[0], high[0]);
            intermediate[7 - y] = shift_and_pack::<R, FIRST_SHIFT>(low[1], high[1]);
        }
        let factors = [
            R::broadcast_lane(&MATRIX[0]),
            R::broadcast_lane(&MATRIX[1]),
            R::broadcast_lane(&MATRIX[2]),
            R::broadcast_lane(&MATRIX[3]),
        ];
        let bias = R::broadcast_i32(SECOND_BIAS);
        let out = out.as_mut_ptr().add(column);
        for y in [0, 2, 4, 6] {
            let (first, second) = (out.add(y * stride), out.add((y + 1) * stride));
            let upper = row_pixels::<R, LOW>(intermediate[y], factors, bias);
            let lower = row_pixels::<R, LOW>(intermediate[y + 1], factors, bias);
            upper.store_rows(lower, first, second);
        }
    }
}

/// Loads two rows of coefficients, dequantizes them and interleaves the values of each column.
///
/// # Safety
/// The CPU must have `R`'s instructions, and both rows must contain `R::BLOCKS` blocks from
/// `column`.
#[inline(always)]
unsafe fn load_rows<R: Register>(
    idct: &Idct,
    coded: &FourBlocks,
    column: usize,
    first: usize,
    second: usize,
) -> [R; 2] {
    let (first, second) = (32 * first + column, 32 * second + column);
    let (coded, quantizers) = (coded.as_ptr(), idct.quantizers.as_ptr());
    // SAFETY: the caller guarantees the rows and `R`'s instructions.
    unsafe {
        let first = R::load(coded.add(first)).multiply_i16(R::load(quantizers.add(first)));
        let second = R::load(coded.add(second)).multiply_i16(R::load(quantizers.add(second)));
        [first.unpack_low(second), first.unpack_high(second)]
    }
}

/// Returns the pixels of a row as 16-bit values, the last four in reverse order.
#[inline(always)]
fn row_pixels<R: Register, const LOW: bool>(row: R, factors: [R; 4], bias: R) -> R {
    let pairs = [
        row.shuffle_pairs::<0b00_00_00_00>(),
        row.shuffle_pairs::<0b01_01_01_01>(),
        row.shuffle_pairs::<0b10_10_10_10>(),
        row.shuffle_pairs::<0b11_11_11_11>(),
    ];
    let [first, last] = mirrored_sums::<R, LOW>(pairs, factors, bias);
    shift_and_pack::<R, SECOND_SHIFT>(first, last)
}

#[inline(always)]
fn shift_and_pack<R: Register, const BITS: u32>(low: R, high: R) -> R {
    low.shift_right_i32::<BITS>().pack_i32(high.shift_right_i32::<BITS>())
}

/// Returns the sums for pixels of the first half and for their mirror images.
#[inline(always)]
fn mirrored_sums<R: Register, const LOW: bool>(pairs: [R; 4], factors: [R; 4], bias: R) -> [R; 2] {
    let mut even = pairs[0].multiply_add_pairs(factors[0]).add_i32(bias);
    let mut odd = pairs[2].multiply_add_pairs(factors[2]);
    if !LOW {
        even = even.add_i32(pairs[1].multiply_add_pairs(factors[1]));
        odd = odd.add_i32(pairs[3].multiply_add_pairs(factors[3]));
    }
    [even.add_i32(odd), even.sub_i32(odd)]
}
