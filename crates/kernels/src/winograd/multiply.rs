//! The matrix products between the transforms, on blocks as [`super::block`] lays them.

use super::block::to_next_register;
use crate::vector::Vector;

/// Tiles that are multiplied together.
pub const fn step<V: Vector>() -> usize {
    match V::LANES {
        16 => 14,
        _ => 6,
    }
}

/// At one point, for the first `tiles` tiles of blocks: `c[tile][column] = sum over k of a[tile][k]
/// b[k][column]`, for `depth` channels `k` and `W` registers of columns. `b` has `b_stride` numbers to
/// a row. `c` may be `a` if the columns are all that there are.
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
) {
    for tile in (0..tiles).step_by(step::<V>()) {
        let (a, c) = (a.add(tile * V::LANES), c.add(tile * V::LANES));
        match V::LANES {
            16 => products::<V, 14, W>(a, (b, b_stride), c, depth),
            _ => products::<V, 6, W>(a, (b, b_stride), c, depth),
        }
    }
}

/// As many sums as registers hold.
#[inline(always)]
unsafe fn products<V: Vector, const R: usize, const W: usize>(
    mut a: *const f32,
    (mut b, b_stride): (*const f32, usize),
    c: *mut f32,
    depth: usize,
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
/// [`lines`] channels `i` and `W` registers of channels `j`. `c` has `c_stride` numbers to a row.
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

#[inline(always)]
unsafe fn outer<V: Vector, const R: usize, const W: usize>(
    a: *const f32,
    b: *const f32,
    (c, c_stride): (*mut f32, usize),
    tiles: usize,
) {
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
