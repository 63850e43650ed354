//! The small matrices of F(4x4, 3x3), each as what it does to one column.
//!
//! They are types and not closures, because a closure does not have the instructions of the
//! function that it is written in.

use super::{RIM, TILE};
use crate::vector::Vector;

/// A matrix of `TO` rows and `FROM` columns.
pub trait Matrix<const FROM: usize, const TO: usize> {
    /// What it makes of a column.
    ///
    /// # Safety
    /// The CPU must have `V`'s instructions.
    unsafe fn times<V: Vector>(column: [V; FROM]) -> [V; TO];
}

/// `B'`, of the input.
pub struct Input;

impl Matrix<RIM, RIM> for Input {
    #[inline(always)]
    unsafe fn times<V: Vector>(d: [V; RIM]) -> [V; RIM] {
        let (two, four, five) = (V::splat(2.0), V::splat(4.0), V::splat(-5.0));
        let (minus_two, minus_four) = (V::splat(-2.0), V::splat(-4.0));
        let even = d[2].mul_add(minus_four, d[4]);
        let odd = d[1].mul_add(minus_four, d[3]);
        let near = d[4].sub(d[2]);
        let far = d[3].sub(d[1]);
        [
            d[0].mul_add(four, d[2].mul_add(five, d[4])),
            even.add(odd),
            even.sub(odd),
            far.mul_add(two, near),
            far.mul_add(minus_two, near),
            d[1].mul_add(four, d[3].mul_add(five, d[5])),
        ]
    }
}

/// `A'`, of the products.
pub struct Output;

impl Matrix<RIM, TILE> for Output {
    #[inline(always)]
    unsafe fn times<V: Vector>(m: [V; RIM]) -> [V; TILE] {
        let (two, four, eight) = (V::splat(2.0), V::splat(4.0), V::splat(8.0));
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

/// `A`, of the output's gradient: the transpose of [`Output`].
pub struct OutputGradient;

impl Matrix<TILE, RIM> for OutputGradient {
    #[inline(always)]
    unsafe fn times<V: Vector>(y: [V; TILE]) -> [V; RIM] {
        let (four, eight) = (V::splat(4.0), V::splat(8.0));
        let (even, odd) = (y[0].add(y[2]), y[1].add(y[3]));
        let far_even = y[2].mul_add(four, y[0]);
        let far_odd = y[3].mul_add(eight, y[1].add(y[1]));
        [y[0], even.add(odd), even.sub(odd), far_even.add(far_odd), far_even.sub(far_odd), y[3]]
    }
}

/// `G`, of a filter.
pub struct Filter;

impl Matrix<3, RIM> for Filter {
    #[inline(always)]
    unsafe fn times<V: Vector>(g: [V; 3]) -> [V; RIM] {
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

/// `G'`, of a transformed filter's gradient: the transpose of [`Filter`].
pub struct FilterGradient;

impl Matrix<RIM, 3> for FilterGradient {
    #[inline(always)]
    unsafe fn times<V: Vector>(u: [V; RIM]) -> [V; 3] {
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

/// `M x M'` of a square: `M` on each column, then on each row.
///
/// # Safety
/// The CPU must have `V`'s instructions.
#[inline(always)]
pub unsafe fn both_ways<M: Matrix<FROM, TO>, V: Vector, const FROM: usize, const TO: usize>(
    square: [[V; FROM]; FROM],
) -> [[V; TO]; TO] {
    let zero = V::splat(0.0);
    let mut half = [[zero; FROM]; TO];
    for column in 0..FROM {
        let mut values = [zero; FROM];
        for row in 0..FROM {
            values[row] = square[row][column];
        }
        let values = M::times(values);
        for row in 0..TO {
            half[row][column] = values[row];
        }
    }
    let mut whole = [[zero; TO]; TO];
    for row in 0..TO {
        whole[row] = M::times(half[row]);
    }
    whole
}
