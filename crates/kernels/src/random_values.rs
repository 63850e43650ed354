//! Pseudo-random test data.

use crate::Scalar;

/// Returns `count` values from -1 to 1, which depend only on the seed.
pub fn random_values<T: Scalar>(count: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| T::from_f32(next())).collect()
}
