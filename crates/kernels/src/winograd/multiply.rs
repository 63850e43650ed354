//! The matrix products between the transforms, on blocks as [`super::block`] lays them.

use super::block::{LINE, to_next_register};
use crate::vector::{Vector, prefetch};

/// Tiles that are multiplied together. [`TILES`](super::block::TILES) is a whole number of steps.
pub const fn step<V: Vector>() -> usize {
    match V::LANES {
        16 => 14,
        _ => 6,
    }
}

/// At one point, for the first `tiles` tiles of blocks: `c[tile][column] = sum over k of a[tile][k]
/// b[k][column]`, for `depth` channels `k` and `W` registers of columns. `b` has `b_stride` numbers to
/// a row. `c` may be `a` if the columns are all that there are. Meanwhile what lies like `b` at `next`
/// is fetched: it comes from far away, and too late if it is only then asked for.
///
/// # Safety
/// The blocks and the matrix must be there, and the CPU must have `V`'s instructions.
#[inline(always)]
pub unsafe fn multiply<V: Vector, const W: usize>(
    a: *const f32,
    (b, b_stride): (*const f32, usize),
    c: *mut f32,
    tiles: usize,
    depth: usize,
    next: *const f32,
) {
    for tile in (0..tiles).step_by(step::<V>()) {
        let (a, c) = (a.add(tile * V::LANES), c.add(tile * V::LANES));
        match (V::LANES, tile) {
            (16, 0) => products::<V, 14, W, true>(a, (b, b_stride), c, depth, next),
            (16, _) => products::<V, 14, W, false>(a, (b, b_stride), c, depth, next),
            (_, 0) => products::<V, 6, W, true>(a, (b, b_stride), c, depth, next),
            _ => products::<V, 6, W, false>(a, (b, b_stride), c, depth, next),
        }
    }
}

/// As many sums as registers hold.
#[inline(always)]
unsafe fn products<V: Vector, const R: usize, const W: usize, const FETCH: bool>(
    mut a: *const f32,
    (mut b, b_stride): (*const f32, usize),
    c: *mut f32,
    depth: usize,
    mut next: *const f32,
) {
    let mut sums = [[V::splat(0.0); W]; R];
    for _ in 0..depth / V::LANES {
        for lane in 0..V::LANES {
            let mut row = [V::splat(0.0); W];
            for w in 0..W {
                row[w] = V::load(b.add(w * V::LANES));
            }
            for r in 0..R {
                let factor = V::splat(*a.add(r * V::LANES + lane));
                for w in 0..W {
                    sums[r][w] = factor.mul_add(row[w], sums[r][w]);
                }
            }
            if FETCH {
                for w in (0..W * V::LANES).step_by(LINE) {
                    prefetch(next.wrapping_add(w));
                }
                next = next.wrapping_add(b_stride);
            }
            b = b.add(b_stride);
        }
        a = a.add(to_next_register::<V>());
    }
    for r in 0..R {
        for w in 0..W {
            sums[r][w].store(c.add(w * to_next_register::<V>() + r * V::LANES));
        }
    }
}

/// At one point, over the first `tiles` tiles of blocks: `c[i][j] += sum over t of a[t][i] b[t][j]`, for
/// [`lines`] channels `i` and `W` registers of channels `j`. `c` has `c_stride` numbers to a row. The
/// rows behind these are fetched meanwhile, as in [`multiply`].
///
/// # Safety
/// The blocks and the matrix must be there, and the CPU must have `V`'s instructions.
#[inline(always)]
pub unsafe fn accumulate<V: Vector, const W: usize>(
    a: *const f32,
    b: *const f32,
    c: (*mut f32, usize),
    tiles: usize,
) {
    match V::LANES {
        16 => outer::<V, 8, W>(a, b, c, tiles),
        8 => outer::<V, 4, W>(a, b, c, tiles),
        _ => outer::<V, 1, W>(a, b, c, tiles),
    }
}

/// Rows of `c` that [`accumulate`] computes together: a part of a register.
pub const fn lines<V: Vector>() -> usize {
    match V::LANES {
        16 => 8,
        8 => 4,
        _ => 1,
    }
}

/// Of so few channels all sums are near.
const NEAR: usize = 32;

#[inline(always)]
unsafe fn outer<V: Vector, const R: usize, const W: usize>(
    a: *const f32,
    b: *const f32,
    (c, c_stride): (*mut f32, usize),
    tiles: usize,
) {
    if c_stride > NEAR {
        for r in R..2 * R {
            for w in (0..W * V::LANES).step_by(LINE) {
                prefetch(c.wrapping_add(r * c_stride + w));
            }
        }
    }
    let mut sums = [[V::splat(0.0); W]; R];
    for t in 0..tiles {
        let mut row = [V::splat(0.0); W];
        for w in 0..W {
            row[w] = V::load(b.add(w * to_next_register::<V>() + t * V::LANES));
        }
        for r in 0..R {
            let factor = V::splat(*a.add(t * V::LANES + r));
            for w in 0..W {
                sums[r][w] = factor.mul_add(row[w], sums[r][w]);
            }
        }
    }
    for r in 0..R {
        for w in 0..W {
            let place = c.add(r * c_stride + w * V::LANES);
            sums[r][w].add(V::load(place)).store(place);
        }
    }
}
