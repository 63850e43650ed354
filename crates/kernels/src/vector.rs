//! Several f32 at once, so that a kernel is written once for every instruction set.

use crate::scalar::{Bf16, Scalar};

/// Brings a cache line near that will be read soon. The address need not be one.
#[inline(always)]
pub fn prefetch(from: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, on every x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(from.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = from;
}

/// A register of `LANES` numbers.
///
/// # Safety
/// Every function needs a CPU that has the type's instructions; `load` and `store` need `LANES`
/// elements at the pointer, of any alignment, and `gather` so many at distances of `stride`.
pub trait Vector: Copy {
    const LANES: usize;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn gather(from: *const f32, stride: usize) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn load_bf16(from: *const Bf16) -> Self;
    unsafe fn store_bf16(self, to: *mut Bf16);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// `self * factor + term`
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// The greater of self and 0; NaN stays NaN, as in ATen.
    unsafe fn relu(self) -> Self;
    /// Self where `by` is greater than 0, else 0.
    unsafe fn where_positive(self, by: Self) -> Self;
}

impl Vector for f32 {
    const LANES: usize = 1;

    #[inline(always)]
    unsafe fn splat(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> f32 {
        from.read_unaligned()
    }

    #[inline(always)]
    unsafe fn gather(from: *const f32, _stride: usize) -> f32 {
        from.read_unaligned()
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        to.write_unaligned(self);
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const Bf16) -> f32 {
        from.read_unaligned().to_f32()
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut Bf16) {
        to.write_unaligned(Bf16::from_f32(self));
    }

    #[inline(always)]
    unsafe fn add(self, other: f32) -> f32 {
        self + other
    }

    #[inline(always)]
    unsafe fn sub(self, other: f32) -> f32 {
        self - other
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: f32, term: f32) -> f32 {
        self * factor + term
    }

    #[inline(always)]
    unsafe fn relu(self) -> f32 {
        if self < 0.0 { 0.0 } else { self }
    }

    #[inline(always)]
    unsafe fn where_positive(self, by: f32) -> f32 {
        if by > 0.0 { self } else { 0.0 }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub struct Avx2(__m256);

    impl Vector for Avx2 {
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Avx2(_mm256_set1_ps(value))
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Avx2(_mm256_loadu_ps(from))
        }

        #[inline(always)]
        unsafe fn gather(from: *const f32, stride: usize) -> Self {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let places = _mm256_mullo_epi32(lanes, _mm256_set1_epi32(stride as i32));
            Avx2(_mm256_i32gather_ps::<4>(from, places))
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            _mm256_storeu_ps(to, self.0);
        }

        #[inline(always)]
        unsafe fn load_bf16(from: *const Bf16) -> Self {
            let halves = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            Avx2(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(halves)))
        }

        #[inline(always)]
        unsafe fn store_bf16(self, to: *mut Bf16) {
            let bits = _mm256_castps_si256(self.0);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let bias = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let rounded = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, bias));
            let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0));
            let halves = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc0), nan);
            // Packing works within each half of the register; the permutation joins the two.
            let packed = _mm256_packus_epi32(halves, halves);
            let joined = _mm256_permute4x64_epi64::<0b1000>(packed);
            _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(joined));
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            Avx2(_mm256_add_ps(self.0, other.0))
        }

        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            Avx2(_mm256_sub_ps(self.0, other.0))
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
            Avx2(_mm256_fmadd_ps(self.0, factor.0, term.0))
        }

        #[inline(always)]
        unsafe fn relu(self) -> Self {
            // With a NaN, the second operand is what comes out.
            Avx2(_mm256_max_ps(_mm256_setzero_ps(), self.0))
        }

        #[inline(always)]
        unsafe fn where_positive(self, by: Self) -> Self {
            let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(by.0, _mm256_setzero_ps());
            Avx2(_mm256_and_ps(self.0, positive))
        }
    }

    #[derive(Clone, Copy)]
    pub struct Avx512(__m512);

    impl Vector for Avx512 {
        const LANES: usize = 16;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Avx512(_mm512_set1_ps(value))
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Avx512(_mm512_loadu_ps(from))
        }

        #[inline(always)]
        unsafe fn gather(from: *const f32, stride: usize) -> Self {
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let places = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(stride as i32));
            Avx512(_mm512_i32gather_ps::<4>(places, from))
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            _mm512_storeu_ps(to, self.0);
        }

        #[inline(always)]
        unsafe fn load_bf16(from: *const Bf16) -> Self {
            let halves = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            Avx512(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(halves)))
        }

        #[inline(always)]
        unsafe fn store_bf16(self, to: *mut Bf16) {
            // As fast as AVX512_BF16's own conversion here, and on every CPU with AVX-512.
            let bits = _mm512_castps_si512(self.0);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let bias = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
            let rounded = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, bias));
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0);
            let halves = _mm512_mask_set1_epi32(rounded, nan, 0x7fc0);
            _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(halves));
        }

        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            Avx512(_mm512_add_ps(self.0, other.0))
        }

        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            Avx512(_mm512_sub_ps(self.0, other.0))
        }

        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
            Avx512(_mm512_fmadd_ps(self.0, factor.0, term.0))
        }

        #[inline(always)]
        unsafe fn relu(self) -> Self {
            Avx512(_mm512_max_ps(_mm512_setzero_ps(), self.0))
        }

        #[inline(always)]
        unsafe fn where_positive(self, by: Self) -> Self {
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(by.0, _mm512_setzero_ps());
            Avx512(_mm512_maskz_mov_ps(positive, self.0))
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};
