//! The numbers that images are made of.

use crate::vector::Vector;

/// A number as it lies in memory; all arithmetic is in f32.
pub trait Scalar: Copy + Send + Sync + 'static {
    fn to_f32(self) -> f32;
    /// Rounded to the nearest, ties to even.
    fn from_f32(value: f32) -> Self;

    /// # Safety
    /// `V::LANES` elements must be readable at `from`, and the CPU must have `V`'s instructions.
    #[doc(hidden)]
    unsafe fn load<V: Vector>(from: *const Self) -> V;

    /// # Safety
    /// `V::LANES` elements must be writable at `to`, and the CPU must have `V`'s instructions.
    #[doc(hidden)]
    unsafe fn store<V: Vector>(value: V, to: *mut Self);

    /// What is read again after [`store`](Self::store).
    ///
    /// # Safety
    /// The CPU must have `V`'s instructions.
    #[doc(hidden)]
    unsafe fn rounded<V: Vector>(value: V) -> V;
}

impl Scalar for f32 {
    fn to_f32(self) -> f32 {
        self
    }

    fn from_f32(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const f32) -> V {
        V::load(from)
    }

    #[inline(always)]
    unsafe fn store<V: Vector>(value: V, to: *mut f32) {
        value.store(to);
    }

    #[inline(always)]
    unsafe fn rounded<V: Vector>(value: V) -> V {
        value
    }
}

/// bfloat16: the upper half of an f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(pub u16);

impl Scalar for Bf16 {
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    fn from_f32(value: f32) -> Bf16 {
        if value.is_nan() {
            return Bf16(0x7fc0);
        }
        let bits = value.to_bits();
        Bf16(((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16)
    }

    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Bf16) -> V {
        V::load_bf16(from)
    }

    #[inline(always)]
    unsafe fn store<V: Vector>(value: V, to: *mut Bf16) {
        value.store_bf16(to);
    }

    #[inline(always)]
    unsafe fn rounded<V: Vector>(value: V) -> V {
        let mut numbers = [Bf16(0); 16];
        value.store_bf16(numbers.as_mut_ptr());
        V::load_bf16(numbers.as_ptr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_rounds_to_the_nearest_and_ties_to_even() {
        for (value, bits) in [
            (1.0, 0x3f80),
            (-2.5, 0xc020),
            (f32::from_bits(0x3f80_8000), 0x3f80),
            (f32::from_bits(0x3f81_8000), 0x3f82),
            (f32::from_bits(0x3f80_8001), 0x3f81),
            (f32::MAX, 0x7f80),
            (f32::INFINITY, 0x7f80),
            (f32::NAN, 0x7fc0),
        ] {
            assert_eq!(Bf16::from_f32(value), Bf16(bits), "{value}");
        }
        assert_eq!(Bf16(0xc020).to_f32(), -2.5);
    }
}
