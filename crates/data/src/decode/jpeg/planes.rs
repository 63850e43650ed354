//! From coefficients to pixels, a row of groups of blocks after another.

use std::ops::Range;

use residual_kernels::{Idct, SimdLevel, Upsampler, upsample_h1v2, ycc_to_rgb};

use super::coefficients::Coefficients;
use super::segments::{Component, Segments};
use crate::{Image, Look};

/// Room that is used again for the next image.
#[derive(Default)]
pub(super) struct Room {
    /// Values of each component, the rows of one or two rows of groups by turns.
    planes: [Vec<u8>; 3],
    /// A row of each component at full size.
    rows: [Vec<u8>; 3],
    upsampler: Upsampler,
}

impl Room {
    /// The bytes that it keeps.
    pub fn room(&self) -> usize {
        self.planes.iter().chain(&self.rows).map(Vec::capacity).sum()
    }
}

/// A component's values.
struct Plane {
    idct: Idct,
    /// Blocks of a group.
    across: usize,
    down: usize,
    /// Pixels of a block's side.
    side: usize,
    /// Whether it is interpolated where it becomes larger.
    smooth: bool,
    /// Bytes of a row.
    stride: usize,
    /// Rows that are kept.
    kept: usize,
    width: usize,
    height: usize,
    /// How many times as large it becomes along each side: across, down.
    times: [usize; 2],
}

impl Plane {
    /// A row of values; what is beyond the edges is the row at the edge.
    fn row<'a>(&self, values: &'a [u8], row: isize) -> &'a [u8] {
        let row = row.clamp(0, self.height as isize - 1) as usize;
        &values[row % self.kept * self.stride..][..self.width]
    }
}

pub(super) struct Picture<'a> {
    level: SimdLevel,
    /// The columns of pixels that are wanted.
    columns: Range<usize>,
    /// The rows that are.
    rows: Range<usize>,
    /// The fours of groups that they are made of: columns and rows.
    fours: [Range<usize>; 2],
    room: &'a mut Room,
    planes: Vec<Plane>,
    /// Pixels of four groups side by side, and rows of pixels of a row of groups.
    step: [usize; 2],
    /// Rows that wait for the row of groups that follows.
    late: usize,
    done: usize,
    into: &'a mut Image,
}

impl<'a> Picture<'a> {
    /// Prepares `into`. `None` if a quantiser is missing or a component's size is none of those that
    /// are decoded.
    pub fn new(
        level: SimdLevel,
        segments: &Segments,
        look: Look,
        room: &'a mut Room,
        into: &'a mut Image,
    ) -> Option<Picture<'a>> {
        let frame = segments.frame()?;
        let [across, down] = frame.group();
        let scale = look.scale as usize;
        // Of a block at this scale.
        let least = 8 / scale;
        // A component that is halved is not reduced as far, and need not be enlarged again.
        let side = |component: &Component| {
            let mut side = least;
            let fits = |side: usize| {
                (across * least).is_multiple_of(component.across * side)
                    && (down * least).is_multiple_of(component.down * side)
            };
            while side < 8 && fits(2 * side) {
                side *= 2;
            }
            side
        };
        let times = |component: &Component| {
            let side = side(component);
            [across * least / (component.across * side), down * least / (component.down * side)]
        };
        // Where a plane is halved in height, a row of pixels is made of two of its rows.
        let halved = |component| matches!(times(component), [1 | 2, 2]);
        let late = usize::from(frame.components.iter().any(halved));
        let mut planes = Vec::new();
        for (component, values) in frame.components.iter().zip(&mut room.planes) {
            let quantisers = segments.quantisers.get(component.quantiser)?.as_ref()?;
            let side = side(component);
            let stride = frame.groups()[0].div_ceil(4) * 4 * side * component.across;
            let kept = side * component.down * (1 + late);
            let reduced =
                |length: usize, own: usize, most: usize| (length * own * side).div_ceil(most * 8);
            values.resize(stride * kept, 0);
            planes.push(Plane {
                idct: Idct::new(level, quantisers),
                across: component.across,
                down: component.down,
                side,
                smooth: least > 1,
                stride,
                kept,
                width: reduced(frame.width, component.across, across),
                height: reduced(frame.height, component.down, down),
                times: times(component),
            });
        }
        let (width, height) = (frame.width.div_ceil(scale), frame.height.div_ceil(scale));
        into.width = width as u32;
        into.height = height as u32;
        into.channels = planes.len() as u32;
        into.pixels.resize(width * height * planes.len(), 0);
        let part = look.region;
        let range = |start: u32, length: u32, side: usize| {
            let to = (start as usize + length as usize).min(side);
            (start as usize).min(to)..to
        };
        let columns = range(part.left, part.width, width);
        let rows = range(part.top, part.height, height);
        let step = [4 * least * across, least * down];
        let fours = |pixels: &Range<usize>, step: usize, side: usize| match pixels.is_empty() {
            true => 0..0,
            // Values of a halved plane are made of the next ones to both sides, too.
            false => {
                let reach = pixels.start.saturating_sub(2)..(pixels.end + 2).min(side);
                reach.start / step..reach.end.div_ceil(step)
            }
        };
        let fours = [fours(&columns, step[0], width), fours(&rows, step[1], height)];
        let done = rows.start;
        Some(Picture { level, columns, rows, fours, room, planes, step, late, done, into })
    }

    /// Whether anything that is wanted is made of the four groups.
    #[inline]
    pub fn needs(&self, [row, column]: [usize; 2]) -> bool {
        let [columns, rows] = &self.fours;
        columns.contains(&column) && rows.contains(&row)
    }

    /// Takes four groups side by side, those from column `column` times four on of row `row`.
    pub fn groups(&mut self, [row, column]: [usize; 2], coefficients: &Coefficients) {
        let mut number = 0;
        for (plane, values) in self.planes.iter().zip(&mut self.room.planes) {
            let side = plane.side;
            for down in 0..plane.down {
                let first = side * (row * plane.down + down) % plane.kept * plane.stride;
                let values = &mut values[first + 4 * side * plane.across * column..];
                for across in 0..plane.across {
                    let (four, extent) = coefficients.four(number);
                    let values = &mut values[4 * side * across..];
                    match side {
                        8 => plane.idct.apply(four, extent, values, plane.stride),
                        _ => plane.idct.apply_scaled(four, extent, side, values, plane.stride),
                    }
                    number += 1;
                }
            }
        }
    }

    /// Row `row` of groups is there.
    pub fn finish_row(&mut self, row: usize) {
        let end = (row + 1) * self.step[1];
        // The last row of groups is followed by none.
        let there = if end >= self.into.height as usize { end } else { end - self.late };
        let until = there.min(self.rows.end);
        if self.done < until && !self.columns.is_empty() {
            self.write(self.done..until);
            self.done = until;
        }
    }

    /// Joins rows of the planes to rows of the image.
    fn write(&mut self, rows: Range<usize>) {
        let width = self.into.width as usize;
        let channels = self.planes.len();
        // The columns that there are values of.
        let four = self.step[0];
        let there = self.fours[0].start * four..(self.fours[0].end * four).min(width);
        let wanted = self.columns.start - there.start..self.columns.end - there.start;
        let Room { planes: values, rows: room, upsampler } = &mut *self.room;
        for y in rows {
            let mut full = [&[][..]; 3];
            let parts = self.planes.iter().zip(&*values).zip(&mut *room).zip(&mut full);
            for (((plane, values), room), full) in parts {
                *full = full_row(self.level, plane, values, &there, y, upsampler, room);
            }
            let out = (y * width + self.columns.start) * channels;
            let out = &mut self.into.pixels[out..][..wanted.len() * channels];
            match channels {
                1 => out.copy_from_slice(&full[0][wanted.clone()]),
                _ => ycc_to_rgb(self.level, full.map(|row| &row[wanted.clone()]), out),
            }
        }
    }
}

/// Columns `columns` of row `y` of a component at full size. What is made of values beyond them is
/// wrong at their ends, unless these are the image's.
#[inline]
fn full_row<'a>(
    level: SimdLevel,
    plane: &Plane,
    values: &'a [u8],
    columns: &Range<usize>,
    y: usize,
    upsampler: &mut Upsampler,
    room: &'a mut Vec<u8>,
) -> &'a [u8] {
    let [across, down] = plane.times;
    let at = (y / down) as isize;
    let columns = columns.start / across..columns.end.div_ceil(across);
    let row = |at: isize| &plane.row(values, at)[columns.clone()];
    let near = row(at);
    if plane.times == [1, 1] {
        return near;
    }
    room.resize(across * near.len(), 0);
    let upper = y.is_multiple_of(2);
    let far = || row(if upper { at - 1 } else { at + 1 });
    match plane.times {
        [1, 2] if plane.smooth => upsample_h1v2(level, near, far(), upper, room),
        // libjpeg interpolates no row as short as this.
        [2, 1] if plane.smooth && plane.width > 2 => upsampler.h2v1(level, near, room),
        [2, 2] if plane.smooth && plane.width > 2 => upsampler.h2v2(level, near, far(), room),
        _ => {
            for (out, &value) in room.chunks_exact_mut(across).zip(near) {
                out.fill(value);
            }
        }
    }
    room
}
