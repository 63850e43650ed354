//! The matrix products between the transforms.

use crate::vector::Vector;

/// `c[row][column] = sum over k of a[row][k] b[k][column]`, for `rows` rows and `W` registers of
/// columns. `b` and `c` have `b_stride` and `c_stride` numbers to a row, `a` has `depth`.
///
/// # Safety
/// The matrices must be there, with rows rounded up to whole steps of [`step`].
#[inline(always)]
pub unsafe fn multiply<V: Vector, const W: usize>(
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    [rows, depth]: [usize; 2],
    [b_stride, c_stride]: [usize; 2],
) {
    for row in (0..rows).step_by(step::<V>()) {
        let (a, c) = (a.add(row * depth), c.add(row * c_stride));
        match V::LANES {
            16 => tile::<V, 14, W>(a, b, c, depth, [b_stride, c_stride]),
            _ => tile::<V, 6, W>(a, b, c, depth, [b_stride, c_stride]),
        }
    }
}

/// Rows that are computed together.
pub const fn step<V: Vector>() -> usize {
    match V::LANES {
        16 => 14,
        _ => 6,
    }
}

/// As many sums as registers hold.
#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const W: usize>(
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    depth: usize,
    [b_stride, c_stride]: [usize; 2],
) {
    let mut sums = [[V::splat(0.0); W]; R];
    for k in 0..depth {
        let mut row = [V::splat(0.0); W];
        for w in 0..W {
            row[w] = V::load(b.add(k * b_stride + w * V::LANES));
        }
        for r in 0..R {
            let factor = V::splat(*a.add(r * depth + k));
            for w in 0..W {
                sums[r][w] = factor.mul_add(row[w], sums[r][w]);
            }
        }
    }
    for r in 0..R {
        for w in 0..W {
            sums[r][w].store(c.add(r * c_stride + w * V::LANES));
        }
    }
}

/// `c[i][j] += sum over t of a[t][i] b[t][j]`, for [`lines`] rows `i` of `c` and `W` registers of `j`.
///
/// # Safety
/// The matrices must be there: `tiles` rows of `a` and `b`, [`lines`] of `c`.
#[inline(always)]
pub unsafe fn accumulate<V: Vector, const W: usize>(
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    tiles: usize,
    strides: [usize; 3],
) {
    match V::LANES {
        16 => outer::<V, 8, W>(a, b, c, tiles, strides),
        _ => outer::<V, 4, W>(a, b, c, tiles, strides),
    }
}

/// Rows of `c` that [`accumulate`] computes together.
pub const fn lines<V: Vector>() -> usize {
    match V::LANES {
        16 => 8,
        _ => 4,
    }
}

#[inline(always)]
unsafe fn outer<V: Vector, const R: usize, const W: usize>(
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    tiles: usize,
    [a_stride, b_stride, c_stride]: [usize; 3],
) {
    let mut sums = [[V::splat(0.0); W]; R];
    for t in 0..tiles {
        let mut row = [V::splat(0.0); W];
        for w in 0..W {
            row[w] = V::load(b.add(t * b_stride + w * V::LANES));
        }
        for r in 0..R {
            let factor = V::splat(*a.add(t * a_stride + r));
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
