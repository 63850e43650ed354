//! Element types of tensors in memory.

use crate::vector::Vector;

/// An element type of tensors in memory. All arithmetic is in f32.
pub trait Scalar: Copy + Send + Sync + 'static {
    fn to_f32(self) -> f32;

    /// Converts from f32, rounded to nearest even.
    fn from_f32(value: f32) -> Self;

    /// Loads `V::LANES` elements of any alignment as f32.
    ///
    /// # Safety
    /// `V::LANES` elements must be readable at `source`, and the CPU must have `V`'s instructions.
    #[doc(hidden)]
    unsafe fn load<V: Vector>(source: *const Self) -> V;

    /// Stores `V::LANES` elements at an address of any alignment.
    ///
    /// # Safety
    /// `V::LANES` elements must be writable at `target`.
    #[doc(hidden)]
    unsafe fn store<V: Vector>(value: V, target: *mut Self);

    /// Rounds to the precision of this type, like [`store`](Self::store) followed by
    /// [`load`](Self::load).
    ///
    /// # Safety
    /// The CPU must have `V`'s instructions.
    #[doc(hidden)]
    unsafe fn round<V: Vector>(value: V) -> V;
}

impl Scalar for f32 {
    fn to_f32(self) -> f32 {
        self
    }

    fn from_f32(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    unsafe fn load<V: Vector>(source: *const f32) -> V {
        // SAFETY: the caller guarantees readable elements and `V`'s instructions.
        unsafe { V::load(source) }
    }

    #[inline(always)]
    unsafe fn store<V: Vector>(value: V, target: *mut f32) {
        // SAFETY: the caller guarantees writable elements.
        unsafe { value.store(target) };
    }

    #[inline(always)]
    unsafe fn round<V: Vector>(value: V) -> V {
        value
    }
}

/// bfloat16: the upper 16 bits of an f32.
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
    unsafe fn load<V: Vector>(source: *const Bf16) -> V {
        // SAFETY: the caller guarantees readable elements and `V`'s instructions.
        unsafe { V::load_bf16(source) }
    }

    #[inline(always)]
    unsafe fn store<V: Vector>(value: V, target: *mut Bf16) {
        // SAFETY: the caller guarantees writable elements.
        unsafe { value.store_bf16(target) };
    }

    #[inline(always)]
    unsafe fn round<V: Vector>(value: V) -> V {
        let mut elements = [Bf16(0); 16];
        // SAFETY: no register has more than 16 lanes, and `value` proves `V`'s instructions.
        unsafe {
            value.store_bf16(elements.as_mut_ptr());
            V::load_bf16(elements.as_ptr())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_rounds_to_nearest_even() {
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
