//! Matrix products of transformed tiles, on blocks in the layout of [`super::block`].

use super::block::{CACHE_LINE, register_stride};
use crate::vector::{Vector, prefetch};

/// Computes `c[tile][column] = sum over k of a[tile][k] b[k][column]` at one point, for the first
/// `tiles` tiles of a block, `depth` channels `k` and `W` registers of columns.
///
/// `b` has `b_stride` values per row. `c` may equal `a` if `b` has no other columns. Prefetches the
/// matrix at `next`, which has the layout of `b` and is needed by the next call.
///
/// # Safety
/// The pointers must refer to blocks and a matrix of these sizes, and the CPU must have `V`'s
/// instructions.
#[inline(always)]
pub unsafe fn multiply<V: Vector, const W: usize>(
    a: *const f32,
    (b, b_stride): (*const f32, usize),
    c: *mut f32,
    tiles: usize,
    depth: usize,
    next: *const f32,
) {
    // SAFETY: a block is a multiple of the step, and the caller guarantees the rest.
    unsafe {
        for tile in (0..tiles).step_by(tile_step::<V>()) {
            let (a, c) = (a.add(tile * V::LANES), c.add(tile * V::LANES));
            match (V::LANES, tile) {
                (16, 0) => multiply_step::<V, 14, W, true>(a, (b, b_stride), c, depth, next),
                (16, _) => multiply_step::<V, 14, W, false>(a, (b, b_stride), c, depth, next),
                (_, 0) => multiply_step::<V, 6, W, true>(a, (b, b_stride), c, depth, next),
                _ => multiply_step::<V, 6, W, false>(a, (b, b_stride), c, depth, next),
            }
        }
    }
}

/// Tiles per step of [`multiply`], a divisor of [`TILES`](super::block::TILES).
const fn tile_step<V: Vector>() -> usize {
    match V::LANES {
        16 => 14,
        _ => 6,
    }
}

/// Computes [`multiply`] for `R` tiles, with all sums in registers.
///
/// # Safety
/// The conditions of [`multiply`] apply.
#[inline(always)]
unsafe fn multiply_step<V: Vector, const R: usize, const W: usize, const PREFETCH: bool>(
    mut a: *const f32,
    (mut b, b_stride): (*const f32, usize),
    c: *mut f32,
    depth: usize,
    mut next: *const f32,
) {
    // SAFETY: the caller guarantees the blocks, the matrix and `V`'s instructions.
    unsafe {
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
                if PREFETCH {
                    for w in (0..W * V::LANES).step_by(CACHE_LINE) {
                        prefetch(next.wrapping_add(w));
                    }
                    next = next.wrapping_add(b_stride);
                }
                b = b.add(b_stride);
            }
            a = a.add(register_stride::<V>());
        }
        for r in 0..R {
            for w in 0..W {
                sums[r][w].store(c.add(w * register_stride::<V>() + r * V::LANES));
            }
        }
    }
}

/// Computes `c[i][j] += sum over t of a[t][i] b[t][j]` at one point, over the first `tiles` tiles
/// `t` of two blocks, for [`accumulated_rows`] channels `i` and `W` registers of channels `j`. `c`
/// has `c_stride` values per row. Prefetches the rows of `c` that the next call updates.
///
/// # Safety
/// The pointers must refer to blocks and a matrix of these sizes, and the CPU must have `V`'s
/// instructions.
#[inline(always)]
pub unsafe fn accumulate<V: Vector, const W: usize>(
    a: *const f32,
    b: *const f32,
    c: (*mut f32, usize),
    tiles: usize,
) {
    // SAFETY: the caller guarantees the blocks, the matrix and `V`'s instructions.
    unsafe {
        match V::LANES {
            16 => accumulate_step::<V, 8, W>(a, b, c, tiles),
            8 => accumulate_step::<V, 4, W>(a, b, c, tiles),
            _ => accumulate_step::<V, 1, W>(a, b, c, tiles),
        }
    }
}

/// Rows of `c` that [`accumulate`] updates, a divisor of the lanes of a register.
pub const fn accumulated_rows<V: Vector>() -> usize {
    match V::LANES {
        16 => 8,
        8 => 4,
        _ => 1,
    }
}

/// Maximum number of channels for which the sums stay in the L1 cache without prefetching.
const CACHED_CHANNELS: usize = 32;

/// Computes [`accumulate`] for `R` rows.
///
/// # Safety
/// The conditions of [`accumulate`] apply.
#[inline(always)]
unsafe fn accumulate_step<V: Vector, const R: usize, const W: usize>(
    a: *const f32,
    b: *const f32,
    (c, c_stride): (*mut f32, usize),
    tiles: usize,
) {
    if c_stride > CACHED_CHANNELS {
        for r in R..2 * R {
            for w in (0..W * V::LANES).step_by(CACHE_LINE) {
                prefetch(c.wrapping_add(r * c_stride + w));
            }
        }
    }
    // SAFETY: the caller guarantees the blocks, the matrix and `V`'s instructions.
    unsafe {
        let mut sums = [[V::splat(0.0); W]; R];
        for t in 0..tiles {
            let mut row = [V::splat(0.0); W];
            for w in 0..W {
                row[w] = V::load(b.add(w * register_stride::<V>() + t * V::LANES));
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
                let target = c.add(r * c_stride + w * V::LANES);
                sums[r][w].add(V::load(target)).store(target);
            }
        }
    }
}
