//! SIMD registers of f32 values, so that a kernel is written once for every instruction set.

use crate::scalar::{Bf16, Scalar};

/// Prefetches the cache line of an address into all cache levels. The address may be invalid.
#[inline(always)]
pub fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 CPU has the instruction, and a prefetch never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch never faults and changes no register.
    unsafe {
        std::arch::asm!(
            "prfm pldl1keep, [{0}]",
            in(reg) address,
            options(readonly, nostack, preserves_flags)
        );
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// A register of `LANES` f32 values.
///
/// Only unsafe functions create a register, so its existence proves that the CPU has the
/// instructions of its type. Arithmetic on registers is therefore safe.
pub trait Vector: Copy {
    const LANES: usize;

    /// Returns a register with `value` in every lane.
    ///
    /// # Safety
    /// The CPU must have the type's instructions.
    unsafe fn splat(value: f32) -> Self;

    /// Loads `LANES` values of any alignment.
    ///
    /// # Safety
    /// `LANES` values must be readable at `source`, and the CPU must have the type's instructions.
    unsafe fn load(source: *const f32) -> Self;

    /// Loads `LANES` values that are `stride` values apart.
    ///
    /// # Safety
    /// The values must be readable, and the CPU must have the type's instructions.
    unsafe fn gather(source: *const f32, stride: usize) -> Self;

    /// Stores the register at an address of any alignment.
    ///
    /// # Safety
    /// `LANES` values must be writable at `target`.
    unsafe fn store(self, target: *mut f32);

    /// Loads `LANES` bfloat16 values of any alignment as f32.
    ///
    /// # Safety
    /// `LANES` values must be readable at `source`, and the CPU must have the type's instructions.
    unsafe fn load_bf16(source: *const Bf16) -> Self;

    /// Stores the register as bfloat16, rounded to nearest even.
    ///
    /// # Safety
    /// `LANES` values must be writable at `target`.
    unsafe fn store_bf16(self, target: *mut Bf16);

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;

    /// Returns `self * factor + term`.
    fn mul_add(self, factor: Self, term: Self) -> Self;

    /// Returns `max(self, 0)`. NaN stays NaN, as in ATen.
    fn relu(self) -> Self;

    /// Returns `self` in the lanes where `mask` is greater than 0, and 0 in the others.
    fn where_positive(self, mask: Self) -> Self;
}

impl Vector for f32 {
    const LANES: usize = 1;

    #[inline(always)]
    unsafe fn splat(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    unsafe fn load(source: *const f32) -> f32 {
        // SAFETY: the caller guarantees that the value is readable.
        unsafe { source.read_unaligned() }
    }

    #[inline(always)]
    unsafe fn gather(source: *const f32, _stride: usize) -> f32 {
        // SAFETY: the caller guarantees that the value is readable.
        unsafe { source.read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut f32) {
        // SAFETY: the caller guarantees that the value is writable.
        unsafe { target.write_unaligned(self) };
    }

    #[inline(always)]
    unsafe fn load_bf16(source: *const Bf16) -> f32 {
        // SAFETY: the caller guarantees that the value is readable.
        unsafe { source.read_unaligned().to_f32() }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, target: *mut Bf16) {
        // SAFETY: the caller guarantees that the value is writable.
        unsafe { target.write_unaligned(Bf16::from_f32(self)) };
    }

    #[inline(always)]
    fn add(self, other: f32) -> f32 {
        self + other
    }

    #[inline(always)]
    fn sub(self, other: f32) -> f32 {
        self - other
    }

    #[inline(always)]
    fn mul_add(self, factor: f32, term: f32) -> f32 {
        self * factor + term
    }

    #[inline(always)]
    fn relu(self) -> f32 {
        if self < 0.0 { 0.0 } else { self }
    }

    #[inline(always)]
    fn where_positive(self, mask: f32) -> f32 {
        if mask > 0.0 { self } else { 0.0 }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use std::arch::x86_64::*;

    /// Defines a register type by its intrinsics.
    macro_rules! impl_vector {
        (
            $vector:ident($register:ty), lanes: $lanes:literal,
            splat: $splat:ident, load: $load:ident, store: $store:ident, zero: $zero:ident,
            add: $add:ident, sub: $sub:ident, mul_add: $mul_add:ident, max: $max:ident,
            gather: $gather:ident, load_bf16: $load_bf16:ident, store_bf16: $store_bf16:ident,
            where_positive: $where_positive:ident,
        ) => {
            #[derive(Clone, Copy)]
            pub struct $vector($register);

            impl Vector for $vector {
                const LANES: usize = $lanes;

                #[inline(always)]
                unsafe fn splat(value: f32) -> Self {
                    // SAFETY: the caller guarantees that the CPU has the instruction.
                    unsafe { Self($splat(value)) }
                }

                #[inline(always)]
                unsafe fn load(source: *const f32) -> Self {
                    // SAFETY: the caller guarantees readable values and the instruction.
                    unsafe { Self($load(source)) }
                }

                #[inline(always)]
                unsafe fn gather(source: *const f32, stride: usize) -> Self {
                    // SAFETY: the caller guarantees readable values and the instructions.
                    unsafe { Self($gather(source, stride)) }
                }

                #[inline(always)]
                unsafe fn store(self, target: *mut f32) {
                    // SAFETY: the caller guarantees writable values, `self` the instruction.
                    unsafe { $store(target, self.0) };
                }

                #[inline(always)]
                unsafe fn load_bf16(source: *const Bf16) -> Self {
                    // SAFETY: the caller guarantees readable values and the instructions.
                    unsafe { Self($load_bf16(source)) }
                }

                #[inline(always)]
                unsafe fn store_bf16(self, target: *mut Bf16) {
                    // SAFETY: the caller guarantees writable values, `self` the instructions.
                    unsafe { $store_bf16(self.0, target) };
                }

                #[inline(always)]
                fn add(self, other: Self) -> Self {
                    // SAFETY: `self` exists only where the CPU has the instruction.
                    unsafe { Self($add(self.0, other.0)) }
                }

                #[inline(always)]
                fn sub(self, other: Self) -> Self {
                    // SAFETY: `self` exists only where the CPU has the instruction.
                    unsafe { Self($sub(self.0, other.0)) }
                }

                #[inline(always)]
                fn mul_add(self, factor: Self, term: Self) -> Self {
                    // SAFETY: `self` exists only where the CPU has the instruction.
                    unsafe { Self($mul_add(self.0, factor.0, term.0)) }
                }

                #[inline(always)]
                fn relu(self) -> Self {
                    // If an operand is NaN, the instruction returns the second operand.
                    // SAFETY: `self` exists only where the CPU has the instructions.
                    unsafe { Self($max($zero(), self.0)) }
                }

                #[inline(always)]
                fn where_positive(self, mask: Self) -> Self {
                    // SAFETY: `self` exists only where the CPU has the instructions.
                    unsafe { Self($where_positive(self.0, mask.0)) }
                }
            }
        };
    }

    impl_vector! {
        Avx2(__m256), lanes: 8,
        splat: _mm256_set1_ps, load: _mm256_loadu_ps, store: _mm256_storeu_ps,
        zero: _mm256_setzero_ps,
        add: _mm256_add_ps, sub: _mm256_sub_ps, mul_add: _mm256_fmadd_ps, max: _mm256_max_ps,
        gather: gather_avx2, load_bf16: load_bf16_avx2, store_bf16: store_bf16_avx2,
        where_positive: where_positive_avx2,
    }

    impl_vector! {
        Avx512(__m512), lanes: 16,
        splat: _mm512_set1_ps, load: _mm512_loadu_ps, store: _mm512_storeu_ps,
        zero: _mm512_setzero_ps,
        add: _mm512_add_ps, sub: _mm512_sub_ps, mul_add: _mm512_fmadd_ps, max: _mm512_max_ps,
        gather: gather_avx512, load_bf16: load_bf16_avx512, store_bf16: store_bf16_avx512,
        where_positive: where_positive_avx512,
    }

    // Operations that need several intrinsics.

    /// # Safety
    /// As for [`Vector::gather`].
    #[inline(always)]
    unsafe fn gather_avx2(source: *const f32, stride: usize) -> __m256 {
        // SAFETY: the caller guarantees readable values and AVX2.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let offsets = _mm256_mullo_epi32(lanes, _mm256_set1_epi32(stride as i32));
            _mm256_i32gather_ps::<4>(source, offsets)
        }
    }

    /// # Safety
    /// As for [`Vector::gather`].
    #[inline(always)]
    unsafe fn gather_avx512(source: *const f32, stride: usize) -> __m512 {
        // SAFETY: the caller guarantees readable values and AVX-512.
        unsafe {
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let offsets = _mm512_mullo_epi32(lanes, _mm512_set1_epi32(stride as i32));
            _mm512_i32gather_ps::<4>(offsets, source)
        }
    }

    /// # Safety
    /// As for [`Vector::load_bf16`].
    #[inline(always)]
    unsafe fn load_bf16_avx2(source: *const Bf16) -> __m256 {
        // SAFETY: the caller guarantees readable values and AVX2.
        unsafe {
            let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(source.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits))
        }
    }

    /// # Safety
    /// As for [`Vector::load_bf16`].
    #[inline(always)]
    unsafe fn load_bf16_avx512(source: *const Bf16) -> __m512 {
        // SAFETY: the caller guarantees readable values and AVX-512.
        unsafe {
            let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(source.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits))
        }
    }

    /// # Safety
    /// As for [`Vector::store_bf16`], and the CPU must have AVX2.
    #[inline(always)]
    unsafe fn store_bf16_avx2(value: __m256, target: *mut Bf16) {
        // SAFETY: the caller guarantees writable values and AVX2.
        unsafe {
            let bits = _mm256_castps_si256(value);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let bias = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let rounded = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, bias));
            let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(value, value));
            let halves = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc0), nan);
            // Packing works within 128-bit lanes. The permutation joins the lower halves of both
            // lanes.
            let packed = _mm256_packus_epi32(halves, halves);
            let joined = _mm256_permute4x64_epi64::<0b1000>(packed);
            _mm_storeu_si128(target.cast(), _mm256_castsi256_si128(joined));
        }
    }

    /// # Safety
    /// As for [`Vector::store_bf16`], and the CPU must have AVX-512.
    #[inline(always)]
    unsafe fn store_bf16_avx512(value: __m512, target: *mut Bf16) {
        // As fast as the conversion instruction of AVX512_BF16, which some CPUs with AVX-512 lack.
        // SAFETY: the caller guarantees writable values and AVX-512.
        unsafe {
            let bits = _mm512_castps_si512(value);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let bias = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
            let rounded = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, bias));
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(value, value);
            let halves = _mm512_mask_set1_epi32(rounded, nan, 0x7fc0);
            _mm256_storeu_si256(target.cast(), _mm512_cvtepi32_epi16(halves));
        }
    }

    /// # Safety
    /// The CPU must have AVX2.
    #[inline(always)]
    unsafe fn where_positive_avx2(value: __m256, mask: __m256) -> __m256 {
        // SAFETY: the caller guarantees AVX2.
        unsafe {
            let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(mask, _mm256_setzero_ps());
            _mm256_and_ps(value, positive)
        }
    }

    /// # Safety
    /// The CPU must have AVX-512.
    #[inline(always)]
    unsafe fn where_positive_avx512(value: __m512, mask: __m512) -> __m512 {
        // SAFETY: the caller guarantees AVX-512.
        unsafe {
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(mask, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(positive, value)
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::*;
    use std::arch::aarch64::*;

    /// Two NEON registers. The 32 registers of 128 bits then hold as much as the 16 registers of
    /// AVX2, so that blocks of AVX2's size fit.
    #[derive(Clone, Copy)]
    pub struct Neon(float32x4_t, float32x4_t);

    impl Vector for Neon {
        const LANES: usize = 8;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: every 64-bit Arm CPU has the instruction.
            let register = unsafe { vdupq_n_f32(value) };
            Self(register, register)
        }

        #[inline(always)]
        unsafe fn load(source: *const f32) -> Self {
            // SAFETY: the caller guarantees readable values.
            unsafe { Self(vld1q_f32(source), vld1q_f32(source.add(4))) }
        }

        #[inline(always)]
        unsafe fn gather(source: *const f32, stride: usize) -> Self {
            let mut values = [0.0; Self::LANES];
            // SAFETY: the caller guarantees readable values.
            unsafe {
                for (lane, value) in values.iter_mut().enumerate() {
                    *value = source.add(lane * stride).read_unaligned();
                }
                Self::load(values.as_ptr())
            }
        }

        #[inline(always)]
        unsafe fn store(self, target: *mut f32) {
            // SAFETY: the caller guarantees writable values.
            unsafe {
                vst1q_f32(target, self.0);
                vst1q_f32(target.add(4), self.1);
            }
        }

        #[inline(always)]
        unsafe fn load_bf16(source: *const Bf16) -> Self {
            // SAFETY: the caller guarantees readable values.
            unsafe {
                let halves = vld1q_u16(source.cast());
                let low = vshlq_n_u32::<16>(vmovl_u16(vget_low_u16(halves)));
                let high = vshlq_n_u32::<16>(vmovl_high_u16(halves));
                Self(vreinterpretq_f32_u32(low), vreinterpretq_f32_u32(high))
            }
        }

        #[inline(always)]
        unsafe fn store_bf16(self, target: *mut Bf16) {
            // SAFETY: the caller guarantees writable values.
            unsafe {
                let halves = vcombine_u16(round_to_bf16(self.0), round_to_bf16(self.1));
                vst1q_u16(target.cast(), halves);
            }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: every 64-bit Arm CPU has the instruction.
            unsafe { Self(vaddq_f32(self.0, other.0), vaddq_f32(self.1, other.1)) }
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            // SAFETY: every 64-bit Arm CPU has the instruction.
            unsafe { Self(vsubq_f32(self.0, other.0), vsubq_f32(self.1, other.1)) }
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, term: Self) -> Self {
            // SAFETY: every 64-bit Arm CPU has the instruction.
            unsafe {
                Self(vfmaq_f32(term.0, self.0, factor.0), vfmaq_f32(term.1, self.1, factor.1))
            }
        }

        #[inline(always)]
        fn relu(self) -> Self {
            // If an operand is NaN, the result is NaN.
            // SAFETY: every 64-bit Arm CPU has the instructions.
            unsafe {
                let zero = vdupq_n_f32(0.0);
                Self(vmaxq_f32(self.0, zero), vmaxq_f32(self.1, zero))
            }
        }

        #[inline(always)]
        fn where_positive(self, mask: Self) -> Self {
            // SAFETY: every 64-bit Arm CPU has the instructions.
            unsafe { Self(where_positive(self.0, mask.0), where_positive(self.1, mask.1)) }
        }
    }

    // Operations on one register that need several intrinsics.

    /// Returns the values as bfloat16, rounded to nearest even.
    #[inline]
    #[target_feature(enable = "neon")]
    fn round_to_bf16(value: float32x4_t) -> uint16x4_t {
        let bits = vreinterpretq_u32_f32(value);
        let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
        let bias = vaddq_u32(odd, vdupq_n_u32(0x7fff));
        let rounded = vshrn_n_u32::<16>(vaddq_u32(bits, bias));
        let is_number = vmovn_u32(vceqq_f32(value, value));
        vbsl_u16(is_number, rounded, vdup_n_u16(0x7fc0))
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn where_positive(value: float32x4_t, mask: float32x4_t) -> float32x4_t {
        let positive = vcgtzq_f32(mask);
        vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(value), positive))
    }
}

#[cfg(target_arch = "aarch64")]
pub use arm::Neon;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimdLevel;
    use crate::random_values::random_values;
    use crate::simd_level::dispatch;

    /// Stores values as bfloat16 and loads them again, one register at a time.
    ///
    /// # Safety
    /// The CPU must have `V`'s instructions. The lengths must be equal, a multiple of the lanes.
    #[inline(always)]
    unsafe fn round_trip<V: Vector>(values: &[f32], halves: &mut [Bf16], loaded: &mut [f32]) {
        for i in (0..values.len()).step_by(V::LANES) {
            // SAFETY: a register from `i` is inside of the slices.
            unsafe {
                V::load(values.as_ptr().add(i)).store_bf16(halves.as_mut_ptr().add(i));
                V::load_bf16(halves.as_ptr().add(i)).store(loaded.as_mut_ptr().add(i));
            }
        }
    }

    #[test]
    fn every_level_rounds_to_the_bits_of_the_scalar_conversion() {
        let ties = [0x3f80_7fff, 0x3f80_8000, 0x3f80_8001, 0x3f81_8000, 0xbf81_8000, 0x8000_8000];
        let special = [f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-40];
        let nans = [0x7f80_0001, 0x7fff_ffff, 0xffff_ffff].map(f32::from_bits);
        let mut values = random_values::<f32>(1024, 1);
        let edges = ties.map(f32::from_bits).into_iter().chain(special).chain(nans);
        for (i, edge) in edges.enumerate() {
            values[i * 17] = edge;
        }
        let values = values.as_slice();
        for level in SimdLevel::available() {
            let (mut halves, mut loaded) = (vec![Bf16(0); values.len()], vec![0.0; values.len()]);
            let (bits, floats) = (halves.as_mut_slice(), loaded.as_mut_slice());
            dispatch!(level, round_trip(values: &[f32], bits: &mut [Bf16], floats: &mut [f32]));
            for (i, &value) in values.iter().enumerate() {
                let expected = Bf16::from_f32(value);
                assert_eq!(halves[i], expected, "{level:?} {value}");
                assert_eq!(loaded[i].to_bits(), expected.to_f32().to_bits(), "{level:?} {value}");
            }
        }
    }
}
