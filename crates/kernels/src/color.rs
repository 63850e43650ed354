//! JPEG's colors (luma and two differences, JFIF 1.02) to red, green and blue, to the bit as
//! libjpeg does it.

use crate::SimdLevel;

/// Writes as many RGB pixels as there are values in each plane.
///
/// # Panics
/// If the planes are not of one length, or `rgb` is not three times as long.
pub fn ycc_to_rgb(level: SimdLevel, [y, cb, cr]: [&[u8]; 3], rgb: &mut [u8]) {
    assert!(y.len() == cb.len() && y.len() == cr.len() && rgb.len() == 3 * y.len());
    assert!(level <= SimdLevel::best() || level == SimdLevel::Scalar || cfg!(test));
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if level >= SimdLevel::Avx2 {
        // SAFETY: the processor has AVX2.
        done = unsafe { x86::most([y, cb, cr], rgb) };
    }
    let _ = level;
    for (i, pixel) in rgb.as_chunks_mut::<3>().0.iter_mut().enumerate().skip(done) {
        *pixel = plain(y[i], cb[i], cr[i]);
    }
}

fn plain(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let [y, cb, cr] = [i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128];
    let half = 1 << 15;
    // 1.402, -0.344136, -0.714136 and 1.772 in steps of 1/65536.
    let r = y + ((91881 * cr + half) >> 16);
    let g = y + ((-22554 * cb - 46802 * cr + half) >> 16);
    let b = y + ((116130 * cb + half) >> 16);
    [r, g, b].map(|value| value.clamp(0, 255) as u8)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// Pixels of a step.
    const STEP: usize = 32;

    /// All pixels, where they are no fewer than a step has; how many it were.
    #[target_feature(enable = "avx2")]
    pub(super) fn most([y, cb, cr]: [&[u8]; 3], rgb: &mut [u8]) -> usize {
        let length = y.len();
        if length < STEP {
            return 0;
        }
        let mut at = 0;
        while at < length {
            // The last step takes again some of what the one before took.
            at = at.min(length - STEP);
            let (y, cb, cr) = (load(&y[at..]), load(&cb[at..]), load(&cr[at..]));
            let first = colors(y[0], cb[0], cr[0]);
            let last = colors(y[1], cb[1], cr[1]);
            let r = _mm256_packus_epi16(first[0], last[0]);
            let g = _mm256_packus_epi16(first[1], last[1]);
            let b = _mm256_packus_epi16(first[2], last[2]);
            store([r, g, b], &mut rgb[3 * at..]);
            at += STEP;
        }
        length
    }

    /// The pixels of a step, within each half of a register the first and the last 8.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(from: &[u8]) -> [__m256i; 2] {
        let zero = _mm256_setzero_si256();
        // SAFETY: there are as many bytes.
        let bytes = unsafe { _mm256_loadu_si256(from[..STEP].as_ptr().cast()) };
        [_mm256_unpacklo_epi8(bytes, zero), _mm256_unpackhi_epi8(bytes, zero)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn colors(y: __m256i, cb: __m256i, cr: __m256i) -> [__m256i; 3] {
        let middle = _mm256_set1_epi16(128);
        let (cb, cr) = (_mm256_sub_epi16(cb, middle), _mm256_sub_epi16(cr, middle));
        // Factors are of 16 bits: what they lack, or have too much, is a multiple of the value.
        // Halved, they come with 15 fractional bits and are rounded as the reference rounds; for
        // red's, which is odd, the test below goes through all values.
        let r = _mm256_mulhrs_epi16(cr, _mm256_set1_epi16(13173));
        let r = _mm256_add_epi16(_mm256_add_epi16(y, cr), r);
        let b = _mm256_mulhrs_epi16(cb, _mm256_set1_epi16(-7471));
        let b = _mm256_add_epi16(_mm256_add_epi16(y, _mm256_add_epi16(cb, cb)), b);
        // Green has two products, rounded together.
        let factors = _mm256_set1_epi32((-22554 & 0xffff) | ((65536 - 46802) << 16));
        let half = _mm256_set1_epi32(1 << 15);
        let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(cb, cr), factors);
        let low = _mm256_srai_epi32::<16>(_mm256_add_epi32(low, half));
        let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(cb, cr), factors);
        let high = _mm256_srai_epi32::<16>(_mm256_add_epi32(high, half));
        let g = _mm256_add_epi16(_mm256_sub_epi16(y, cr), _mm256_packs_epi32(low, high));
        [r, g, b]
    }

    /// Puts the three colors of each pixel beside each other.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn store(colors: [__m256i; 3], out: &mut [u8]) {
        let (first, last) = out[..3 * STEP].split_at_mut(3 * STEP / 2);
        let (first, last) = (first.as_chunks_mut::<16>().0, last.as_chunks_mut::<16>().0);
        for (part, (first, last)) in first.iter_mut().zip(last).enumerate() {
            let mut joined = _mm256_setzero_si256();
            for (color, values) in colors.into_iter().enumerate() {
                // SAFETY: there are 16 bytes.
                let places = unsafe { _mm_loadu_si128(PLACES[part][color].as_ptr().cast()) };
                let places = _mm256_broadcastsi128_si256(places);
                joined = _mm256_or_si256(joined, _mm256_shuffle_epi8(values, places));
            }
            // SAFETY: there is room for 16 bytes each.
            unsafe {
                _mm_storeu_si128(first.as_mut_ptr().cast(), _mm256_castsi256_si128(joined));
                _mm_storeu_si128(last.as_mut_ptr().cast(), _mm256_extracti128_si256::<1>(joined));
            }
        }
    }

    /// For each 16 bytes of the result and each color: which pixel's value goes where; -1 where
    /// another color goes.
    static PLACES: [[[i8; 16]; 3]; 3] = {
        let mut places = [[[-1; 16]; 3]; 3];
        let mut byte = 0;
        while byte < 48 {
            places[byte / 16][byte % 3][byte % 16] = (byte / 3) as i8;
            byte += 1;
        }
        places
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primary_colours_come_out() {
        for (ycc, rgb) in [
            ([0, 128, 128], [0, 0, 0]),
            ([255, 128, 128], [255, 255, 255]),
            ([76, 85, 255], [254, 0, 0]),
            ([150, 44, 21], [0, 255, 1]),
            ([29, 255, 107], [0, 0, 254]),
        ] {
            assert_eq!(plain(ycc[0], ycc[1], ycc[2]), rgb);
        }
    }

    #[test]
    fn every_level_gives_the_plain_bytes_of_every_colour() {
        let count = 65536 + 37;
        let cb: Vec<u8> = (0..count).map(|i| i as u8).collect();
        let cr: Vec<u8> = (0..count).map(|i| (i >> 8) as u8).collect();
        for level in SimdLevel::all() {
            for value in (0..=255).step_by(15) {
                let y = vec![value; count];
                let (mut found, mut wanted) = (vec![0; 3 * count], vec![1; 3 * count]);
                ycc_to_rgb(level, [&y, &cb, &cr], &mut found);
                ycc_to_rgb(SimdLevel::Scalar, [&y, &cb, &cr], &mut wanted);
                assert!(found == wanted, "{level:?} {value}");
            }
        }
    }
}
