//! Conversion of YCbCr, the color space of JPEGs (JFIF 1.02), to RGB, bit-exact with libjpeg.

use crate::SimdLevel;

/// Converts three planes to interleaved RGB pixels.
///
/// # Panics
/// If the planes differ in length, or `rgb` is not three times as long.
pub fn ycc_to_rgb(level: SimdLevel, [y, cb, cr]: [&[u8]; 3], rgb: &mut [u8]) {
    assert!(y.len() == cb.len() && y.len() == cr.len() && rgb.len() == 3 * y.len());
    level.assert_available();
    let mut converted = 0;
    #[cfg(target_arch = "x86_64")]
    if level >= SimdLevel::Avx2 {
        // SAFETY: the CPU has AVX2.
        converted = unsafe { x86::ycc_to_rgb([y, cb, cr], rgb) };
    }
    #[cfg(target_arch = "aarch64")]
    if level == SimdLevel::Neon {
        // SAFETY: the CPU has NEON.
        converted = unsafe { neon::ycc_to_rgb([y, cb, cr], rgb) };
    }
    for (i, pixel) in rgb.as_chunks_mut::<3>().0.iter_mut().enumerate().skip(converted) {
        *pixel = ycc_pixel_to_rgb(y[i], cb[i], cr[i]);
    }
}

/// Scalar reference.
fn ycc_pixel_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let [y, cb, cr] = [i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128];
    let half = 1 << 15;
    // 1.402, -0.344136, -0.714136 and 1.772 in units of 1/65536.
    let r = y + ((91881 * cr + half) >> 16);
    let g = y + ((-22554 * cb - 46802 * cr + half) >> 16);
    let b = y + ((116130 * cb + half) >> 16);
    [r, g, b].map(|value| value.clamp(0, 255) as u8)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// Pixels per iteration.
    const STEP: usize = 32;

    /// Converts all pixels if there are at least [`STEP`]. Returns the number of converted pixels.
    #[target_feature(enable = "avx2")]
    pub(super) fn ycc_to_rgb([y, cb, cr]: [&[u8]; 3], rgb: &mut [u8]) -> usize {
        let length = y.len();
        if length < STEP {
            return 0;
        }
        let mut start = 0;
        while start < length {
            // The last iteration overlaps the previous one.
            start = start.min(length - STEP);
            let (y, cb, cr) = (load(&y[start..]), load(&cb[start..]), load(&cr[start..]));
            let low = convert(y[0], cb[0], cr[0]);
            let high = convert(y[1], cb[1], cr[1]);
            let r = _mm256_packus_epi16(low[0], high[0]);
            let g = _mm256_packus_epi16(low[1], high[1]);
            let b = _mm256_packus_epi16(low[2], high[2]);
            store_interleaved([r, g, b], &mut rgb[3 * start..]);
            start += STEP;
        }
        length
    }

    /// Loads the values of one iteration as 16-bit integers: the lower and the upper 8 values of
    /// each 128-bit lane.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(source: &[u8]) -> [__m256i; 2] {
        let zero = _mm256_setzero_si256();
        // SAFETY: the slice has 32 bytes.
        let bytes = unsafe { _mm256_loadu_si256(source[..STEP].as_ptr().cast()) };
        [_mm256_unpacklo_epi8(bytes, zero), _mm256_unpackhi_epi8(bytes, zero)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn convert(y: __m256i, cb: __m256i, cr: __m256i) -> [__m256i; 3] {
        let middle = _mm256_set1_epi16(128);
        let (cb, cr) = (_mm256_sub_epi16(cb, middle), _mm256_sub_epi16(cr, middle));
        // The factors 1.402 and 1.772 do not fit into 16 bits with 16 fractional bits. They are
        // split into an integer and a remainder with 15 fractional bits: 1 + 13172.5 / 32768 for
        // red and 2 - 7471 / 32768 for blue. `mulhrs` rounds the product like the reference. That
        // the remainder for red is rounded does not change a value, as a test verifies.
        let r = _mm256_mulhrs_epi16(cr, _mm256_set1_epi16(13173));
        let r = _mm256_add_epi16(_mm256_add_epi16(y, cr), r);
        let b = _mm256_mulhrs_epi16(cb, _mm256_set1_epi16(-7471));
        let b = _mm256_add_epi16(_mm256_add_epi16(y, _mm256_add_epi16(cb, cb)), b);
        // The sum of the two products of green is rounded once, so it is computed in 32 bits.
        let factors = _mm256_set1_epi32((-22554 & 0xffff) | ((65536 - 46802) << 16));
        let half = _mm256_set1_epi32(1 << 15);
        let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(cb, cr), factors);
        let low = _mm256_srai_epi32::<16>(_mm256_add_epi32(low, half));
        let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(cb, cr), factors);
        let high = _mm256_srai_epi32::<16>(_mm256_add_epi32(high, half));
        let g = _mm256_add_epi16(_mm256_sub_epi16(y, cr), _mm256_packs_epi32(low, high));
        [r, g, b]
    }

    /// Interleaves three planes to RGB pixels and stores them.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store_interleaved(planes: [__m256i; 3], out: &mut [u8]) {
        let (low, high) = out[..3 * STEP].split_at_mut(3 * STEP / 2);
        let (low, high) = (low.as_chunks_mut::<16>().0, high.as_chunks_mut::<16>().0);
        for (part, (low, high)) in low.iter_mut().zip(high).enumerate() {
            let mut interleaved = _mm256_setzero_si256();
            for (plane, values) in planes.into_iter().enumerate() {
                // SAFETY: the shuffle has 16 bytes.
                let shuffle = unsafe { _mm_loadu_si128(SHUFFLES[part][plane].as_ptr().cast()) };
                let shuffle = _mm256_broadcastsi128_si256(shuffle);
                interleaved = _mm256_or_si256(interleaved, _mm256_shuffle_epi8(values, shuffle));
            }
            let upper = _mm256_extracti128_si256::<1>(interleaved);
            // SAFETY: both targets have 16 bytes.
            unsafe {
                _mm_storeu_si128(low.as_mut_ptr().cast(), _mm256_castsi256_si128(interleaved));
                _mm_storeu_si128(high.as_mut_ptr().cast(), upper);
            }
        }
    }

    /// Shuffle masks for each 16 bytes of the result and each plane: the index of the pixel whose
    /// value is written, or -1, which writes zero, for the bytes of the other planes.
    static SHUFFLES: [[[i8; 16]; 3]; 3] = {
        let mut shuffles = [[[-1; 16]; 3]; 3];
        let mut byte = 0;
        while byte < 48 {
            shuffles[byte / 16][byte % 3][byte % 16] = (byte / 3) as i8;
            byte += 1;
        }
        shuffles
    };
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;

    /// Pixels per iteration.
    const STEP: usize = 16;

    /// Converts all pixels if there are at least [`STEP`]. Returns the number of converted pixels.
    #[target_feature(enable = "neon")]
    pub(super) fn ycc_to_rgb([y, cb, cr]: [&[u8]; 3], rgb: &mut [u8]) -> usize {
        let length = y.len();
        if length < STEP {
            return 0;
        }
        let mut start = 0;
        while start < length {
            // The last iteration overlaps the previous one.
            start = start.min(length - STEP);
            let (y, cb, cr) = (load(&y[start..]), load(&cb[start..]), load(&cr[start..]));
            let low = convert(vget_low_u8(y), vget_low_u8(cb), vget_low_u8(cr));
            let high = convert(vget_high_u8(y), vget_high_u8(cb), vget_high_u8(cr));
            let pixels = uint8x16x3_t(
                vcombine_u8(low[0], high[0]),
                vcombine_u8(low[1], high[1]),
                vcombine_u8(low[2], high[2]),
            );
            let target = rgb[3 * start..][..3 * STEP].as_mut_ptr();
            // SAFETY: the target has three values per pixel.
            unsafe { vst3q_u8(target, pixels) };
            start += STEP;
        }
        length
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn load(source: &[u8]) -> uint8x16_t {
        // SAFETY: the slice has 16 bytes.
        unsafe { vld1q_u8(source[..STEP].as_ptr()) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn convert(y: uint8x8_t, cb: uint8x8_t, cr: uint8x8_t) -> [uint8x8_t; 3] {
        let y = vreinterpretq_s16_u16(vmovl_u8(y));
        let [cb, cr] = [centered(cb), centered(cr)];
        // The factors of red and blue are split as for AVX2.
        let r = vaddq_s16(vaddq_s16(y, cr), vqrdmulhq_n_s16(cr, 13173));
        let b = vaddq_s16(vaddq_s16(y, vaddq_s16(cb, cb)), vqrdmulhq_n_s16(cb, -7471));
        let low = green_chroma(vget_low_s16(cb), vget_low_s16(cr));
        let high = green_chroma(vget_high_s16(cb), vget_high_s16(cr));
        let g = vaddq_s16(vsubq_s16(y, cr), vcombine_s16(low, high));
        [vqmovun_s16(r), vqmovun_s16(g), vqmovun_s16(b)]
    }

    /// Returns the values minus 128.
    #[inline]
    #[target_feature(enable = "neon")]
    fn centered(chroma: uint8x8_t) -> int16x8_t {
        vreinterpretq_s16_u16(vsubl_u8(chroma, vdup_n_u8(128)))
    }

    /// Returns what chroma adds to green, plus `cr`. The sum of the two products is rounded once.
    #[inline]
    #[target_feature(enable = "neon")]
    fn green_chroma(cb: int16x4_t, cr: int16x4_t) -> int16x4_t {
        let product = vmull_n_s16(cb, -22554);
        vrshrn_n_s32::<16>(vmlal_n_s16(product, cr, (65536 - 46802) as i16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_primary_colors() {
        for (ycc, rgb) in [
            ([0, 128, 128], [0, 0, 0]),
            ([255, 128, 128], [255, 255, 255]),
            ([76, 85, 255], [254, 0, 0]),
            ([150, 44, 21], [0, 255, 1]),
            ([29, 255, 107], [0, 0, 254]),
        ] {
            assert_eq!(ycc_pixel_to_rgb(ycc[0], ycc[1], ycc[2]), rgb);
        }
    }

    #[test]
    fn every_level_matches_the_scalar_reference_for_every_color() {
        let count = 65536 + 37;
        let cb: Vec<u8> = (0..count).map(|i| i as u8).collect();
        let cr: Vec<u8> = (0..count).map(|i| (i >> 8) as u8).collect();
        for level in SimdLevel::available() {
            for value in (0..=255).step_by(15) {
                let y = vec![value; count];
                let (mut actual, mut expected) = (vec![0; 3 * count], vec![1; 3 * count]);
                ycc_to_rgb(level, [&y, &cb, &cr], &mut actual);
                ycc_to_rgb(SimdLevel::Scalar, [&y, &cb, &cr], &mut expected);
                assert!(actual == expected, "{level:?} {value}");
            }
        }
    }
}
