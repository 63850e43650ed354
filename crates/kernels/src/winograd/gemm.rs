//! Matrix products of transformed tiles, on blocks in the layout of [`super::block`]. A convolution
//! has one product for each of the 36 points of a transformed tile ([`super::POINTS`]).

use super::block::{CACHE_LINE, register_stride};
use crate::vector::{Vector, prefetch};

/// Computes `c = a b` at one point: `c[tile][j] = sum over k of a[tile][k] b[k][j]`, for `depth`
/// input channels `k` and `REGISTERS * V::LANES` output channels `j`.
///
/// `tiles` is rounded up to a multiple of [`tile_step`]. `b` has `b_stride` values per row. `c` may
/// alias `a` if this call computes all output channels. Prefetches the matrix at `next`, which has
/// the layout of `b` and is the `b` of the next call.
///
/// # Safety
/// The pointers must refer to blocks and a matrix of these sizes, and the CPU must have `V`'s
/// instructions.
#[inline(always)]
pub unsafe fn gemm<V: Vector, const REGISTERS: usize>(
    a: *const f32,
    (b, b_stride): (*const f32, usize),
    c: *mut f32,
    tiles: usize,
    depth: usize,
    next: *const f32,
) {
    // SAFETY: `TILES` is a multiple of `tile_step`, so the rounded number of tiles is inside the
    // blocks. The caller guarantees the rest.
    unsafe {
        for tile in (0..tiles).step_by(tile_step::<V>()) {
            let (a, c) = (a.add(tile * V::LANES), c.add(tile * V::LANES));
            match (V::LANES, tile) {
                (16, 0) => {
                    gemm_micro_kernel::<V, 14, REGISTERS, true>(a, (b, b_stride), c, depth, next);
                }
                (16, _) => {
                    gemm_micro_kernel::<V, 14, REGISTERS, false>(a, (b, b_stride), c, depth, next);
                }
                (_, 0) => {
                    gemm_micro_kernel::<V, 6, REGISTERS, true>(a, (b, b_stride), c, depth, next);
                }
                _ => gemm_micro_kernel::<V, 6, REGISTERS, false>(a, (b, b_stride), c, depth, next),
            }
        }
    }
}

/// Tiles per call of the micro-kernel of [`gemm`], a divisor of [`TILES`](super::block::TILES).
const fn tile_step<V: Vector>() -> usize {
    match V::LANES {
        16 => 14,
        _ => 6,
    }
}

/// Micro-kernel of [`gemm`]: computes `ROWS` tiles, with all sums in registers.
///
/// # Safety
/// The conditions of [`gemm`] apply.
#[inline(always)]
unsafe fn gemm_micro_kernel<
    V: Vector,
    const ROWS: usize,
    const REGISTERS: usize,
    const PREFETCH: bool,
>(
    mut a: *const f32,
    (mut b, b_stride): (*const f32, usize),
    c: *mut f32,
    depth: usize,
    mut next: *const f32,
) {
    // SAFETY: the caller guarantees the blocks, the matrix and `V`'s instructions.
    unsafe {
        let mut sums = [[V::splat(0.0); REGISTERS]; ROWS];
        for _ in 0..depth / V::LANES {
            for lane in 0..V::LANES {
                let mut b_row = [V::splat(0.0); REGISTERS];
                for register in 0..REGISTERS {
                    b_row[register] = V::load(b.add(register * V::LANES));
                }
                for row in 0..ROWS {
                    let factor = V::splat(*a.add(row * V::LANES + lane));
                    for register in 0..REGISTERS {
                        sums[row][register] = factor.mul_add(b_row[register], sums[row][register]);
                    }
                }
                if PREFETCH {
                    for offset in (0..REGISTERS * V::LANES).step_by(CACHE_LINE) {
                        prefetch(next.wrapping_add(offset));
                    }
                    next = next.wrapping_add(b_stride);
                }
                b = b.add(b_stride);
            }
            a = a.add(register_stride::<V>());
        }
        for row in 0..ROWS {
            for register in 0..REGISTERS {
                sums[row][register]
                    .store(c.add(register * register_stride::<V>() + row * V::LANES));
            }
        }
    }
}

/// Computes `c += transpose(a) b` at one point: `c[i][j] += sum over t of a[t][i] b[t][j]`, for the
/// first `tiles` tiles `t` of two blocks, [`gemm_tn_rows`] output channels `i` and
/// `REGISTERS * V::LANES` input channels `j`.
///
/// `c` has `c_stride` values per row. If `c_stride` exceeds [`CACHED_CHANNELS`], prefetches the
/// rows of `c` that the next call updates.
///
/// # Safety
/// The pointers must refer to blocks and a matrix of these sizes, and the CPU must have `V`'s
/// instructions.
#[inline(always)]
pub unsafe fn gemm_tn<V: Vector, const REGISTERS: usize>(
    a: *const f32,
    b: *const f32,
    (c, c_stride): (*mut f32, usize),
    tiles: usize,
) {
    // SAFETY: the caller guarantees the blocks, the matrix and `V`'s instructions.
    unsafe {
        match V::LANES {
            16 => gemm_tn_micro_kernel::<V, 8, REGISTERS>(a, b, (c, c_stride), tiles),
            8 => gemm_tn_micro_kernel::<V, 4, REGISTERS>(a, b, (c, c_stride), tiles),
            _ => gemm_tn_micro_kernel::<V, 1, REGISTERS>(a, b, (c, c_stride), tiles),
        }
    }
}

/// Rows of `c` that [`gemm_tn`] updates, a divisor of the lanes of a register.
pub const fn gemm_tn_rows<V: Vector>() -> usize {
    match V::LANES {
        16 => 8,
        8 => 4,
        _ => 1,
    }
}

/// Maximum row length of `c` for which its rows stay in the L1 cache without prefetching.
const CACHED_CHANNELS: usize = 32;

/// Micro-kernel of [`gemm_tn`]: computes `ROWS` rows of `c`, with all sums in registers.
///
/// # Safety
/// The conditions of [`gemm_tn`] apply.
#[inline(always)]
unsafe fn gemm_tn_micro_kernel<V: Vector, const ROWS: usize, const REGISTERS: usize>(
    a: *const f32,
    b: *const f32,
    (c, c_stride): (*mut f32, usize),
    tiles: usize,
) {
    if c_stride > CACHED_CHANNELS {
        for row in ROWS..2 * ROWS {
            for offset in (0..REGISTERS * V::LANES).step_by(CACHE_LINE) {
                prefetch(c.wrapping_add(row * c_stride + offset));
            }
        }
    }
    // SAFETY: the caller guarantees the blocks, the matrix and `V`'s instructions.
    unsafe {
        let mut sums = [[V::splat(0.0); REGISTERS]; ROWS];
        for t in 0..tiles {
            let mut b_row = [V::splat(0.0); REGISTERS];
            for register in 0..REGISTERS {
                b_row[register] = V::load(b.add(register * register_stride::<V>() + t * V::LANES));
            }
            for row in 0..ROWS {
                let factor = V::splat(*a.add(t * V::LANES + row));
                for register in 0..REGISTERS {
                    sums[row][register] = factor.mul_add(b_row[register], sums[row][register]);
                }
            }
        }
        for row in 0..ROWS {
            for register in 0..REGISTERS {
                let target = c.add(row * c_stride + register * V::LANES);
                sums[row][register].add(V::load(target)).store(target);
            }
        }
    }
}
