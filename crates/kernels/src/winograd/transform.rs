//! The transformation matrices of F(4x4, 3x3), as functions that multiply them by a column.
//!
//! Matrices are types instead of closures, because a closure is not compiled for the instruction
//! set of the function that contains it.

use super::{INPUT_TILE, OUTPUT_TILE};
use crate::vector::Vector;

/// A matrix of `TO` rows and `FROM` columns.
pub trait Transform<const FROM: usize, const TO: usize> {
    /// Returns the product of the matrix and a column.
    ///
    /// # Safety
    /// The CPU must have `V`'s instructions.
    unsafe fn apply<V: Vector>(column: [V; FROM]) -> [V; TO];
}

/// `B'`: transforms the input.
pub struct InputTransform;

impl Transform<INPUT_TILE, INPUT_TILE> for InputTransform {
    #[inline(always)]
    unsafe fn apply<V: Vector>(d: [V; INPUT_TILE]) -> [V; INPUT_TILE] {
        // SAFETY: the caller guarantees `V`'s instructions.
        let [two, four, minus_two, minus_four, minus_five] = unsafe {
            [V::splat(2.0), V::splat(4.0), V::splat(-2.0), V::splat(-4.0), V::splat(-5.0)]
        };
        let even = d[2].mul_add(minus_four, d[4]);
        let odd = d[1].mul_add(minus_four, d[3]);
        let near = d[4].sub(d[2]);
        let far = d[3].sub(d[1]);
        [
            d[0].mul_add(four, d[2].mul_add(minus_five, d[4])),
            even.add(odd),
            even.sub(odd),
            far.mul_add(two, near),
            far.mul_add(minus_two, near),
            d[1].mul_add(four, d[3].mul_add(minus_five, d[5])),
        ]
    }
}

/// `A'`: transforms the products to the output.
pub struct OutputTransform;

impl Transform<INPUT_TILE, OUTPUT_TILE> for OutputTransform {
    #[inline(always)]
    unsafe fn apply<V: Vector>(m: [V; INPUT_TILE]) -> [V; OUTPUT_TILE] {
        // SAFETY: the caller guarantees `V`'s instructions.
        let [two, four, eight] = unsafe { [V::splat(2.0), V::splat(4.0), V::splat(8.0)] };
        let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (far_sum, far_difference) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(sum).add(far_sum),
            far_difference.mul_add(two, difference),
            far_sum.mul_add(four, sum),
            far_difference.mul_add(eight, difference).add(m[5]),
        ]
    }
}

/// `A`, the transpose of [`OutputTransform`]: transforms the gradient of the output.
pub struct OutputGradientTransform;

impl Transform<OUTPUT_TILE, INPUT_TILE> for OutputGradientTransform {
    #[inline(always)]
    unsafe fn apply<V: Vector>(y: [V; OUTPUT_TILE]) -> [V; INPUT_TILE] {
        // SAFETY: the caller guarantees `V`'s instructions.
        let [four, eight] = unsafe { [V::splat(4.0), V::splat(8.0)] };
        let (even, odd) = (y[0].add(y[2]), y[1].add(y[3]));
        let far_even = y[2].mul_add(four, y[0]);
        let far_odd = y[3].mul_add(eight, y[1].add(y[1]));
        [y[0], even.add(odd), even.sub(odd), far_even.add(far_odd), far_even.sub(far_odd), y[3]]
    }
}

/// `G`: transforms a filter.
pub struct FilterTransform;

impl Transform<3, INPUT_TILE> for FilterTransform {
    #[inline(always)]
    unsafe fn apply<V: Vector>(g: [V; 3]) -> [V; INPUT_TILE] {
        // SAFETY: the caller guarantees `V`'s instructions.
        unsafe {
            let zero = V::splat(0.0);
            let sixth = V::splat(1.0 / 6.0);
            let ends = g[0].add(g[2]).mul_add(V::splat(-1.0 / 6.0), zero);
            let far = g[0].mul_add(V::splat(1.0 / 24.0), g[2].mul_add(sixth, zero));
            let twelfth = V::splat(1.0 / 12.0);
            [
                g[0].mul_add(V::splat(0.25), zero),
                g[1].mul_add(V::splat(-1.0 / 6.0), ends),
                g[1].mul_add(sixth, ends),
                g[1].mul_add(twelfth, far),
                g[1].mul_add(V::splat(-1.0 / 12.0), far),
                g[2],
            ]
        }
    }
}

/// `G'`, the transpose of [`FilterTransform`]: transforms the gradient of a transformed filter.
pub struct FilterGradientTransform;

impl Transform<INPUT_TILE, 3> for FilterGradientTransform {
    #[inline(always)]
    unsafe fn apply<V: Vector>(u: [V; INPUT_TILE]) -> [V; 3] {
        // SAFETY: the caller guarantees `V`'s instructions.
        unsafe {
            let zero = V::splat(0.0);
            let sixth = V::splat(1.0 / 6.0);
            let near = u[1].add(u[2]).mul_add(V::splat(-1.0 / 6.0), zero);
            let far = u[3].add(u[4]);
            let far_difference = u[3].sub(u[4]).mul_add(V::splat(1.0 / 12.0), zero);
            [
                u[0].mul_add(V::splat(0.25), far.mul_add(V::splat(1.0 / 24.0), near)),
                u[2].sub(u[1]).mul_add(sixth, far_difference),
                far.mul_add(sixth, near).add(u[5]),
            ]
        }
    }
}

/// Returns `M X M'` of the matrix `X`: applies `M` to each column, then to each row.
///
/// # Safety
/// The CPU must have `V`'s instructions.
#[inline(always)]
pub unsafe fn transform_2d<
    M: Transform<FROM, TO>,
    V: Vector,
    const FROM: usize,
    const TO: usize,
>(
    matrix: [[V; FROM]; FROM],
) -> [[V; TO]; TO] {
    // SAFETY: the caller guarantees `V`'s instructions.
    unsafe {
        let zero = V::splat(0.0);
        let mut intermediate = [[zero; FROM]; TO];
        for column in 0..FROM {
            let mut values = [zero; FROM];
            for row in 0..FROM {
                values[row] = matrix[row][column];
            }
            let values = M::apply(values);
            for row in 0..TO {
                intermediate[row][column] = values[row];
            }
        }
        let mut result = [[zero; TO]; TO];
        for row in 0..TO {
            result[row] = M::apply(intermediate[row]);
        }
        result
    }
}
