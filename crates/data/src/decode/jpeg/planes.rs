//! Inverse transform, upsampling and color conversion, one row of MCUs at a time.

use std::ops::Range;

use residual_kernels::{Idct, SimdLevel, Upsampler, upsample_h1v2, ycc_to_rgb};

use super::coefficients::Coefficients;
use super::segments::{Component, Segments};
use crate::{DecodeRequest, Image};

/// Buffers that are reused for the next image.
#[derive(Default)]
pub(super) struct Buffers {
    /// Samples of each component: a ring of the rows of one or two rows of MCUs.
    planes: [Vec<u8>; 3],
    /// A row of each component at full size.
    rows: [Vec<u8>; 3],
    upsampler: Upsampler,
}

impl Buffers {
    /// Bytes that are allocated.
    pub fn capacity(&self) -> usize {
        self.planes.iter().chain(&self.rows).map(Vec::capacity).sum()
    }
}

/// The samples of a component.
struct Plane {
    idct: Idct,
    /// Blocks of an MCU.
    across: usize,
    down: usize,
    /// Side of a decoded block in pixels.
    side: usize,
    /// Whether upsampling interpolates.
    smooth: bool,
    /// Bytes of a row.
    stride: usize,
    /// Rows in the ring buffer.
    kept: usize,
    width: usize,
    height: usize,
    /// Upsampling factors: horizontal, vertical.
    times: [usize; 2],
}

impl Plane {
    /// A row of samples; rows beyond the edges repeat the row at the edge.
    fn row<'a>(&self, values: &'a [u8], row: isize) -> &'a [u8] {
        let row = row.clamp(0, self.height as isize - 1) as usize;
        &values[row % self.kept * self.stride..][..self.width]
    }
}

pub(super) struct PlaneDecoder<'a> {
    level: SimdLevel,
    /// Columns of pixels to write.
    columns: Range<usize>,
    /// Rows of pixels to write.
    rows: Range<usize>,
    /// MCUs that those pixels depend on: columns (in units of four MCUs) and rows.
    quads: [Range<usize>; 2],
    buffer: &'a mut Buffers,
    planes: Vec<Plane>,
    /// Pixels of four MCUs side by side, and rows of pixels of a row of MCUs.
    step: [usize; 2],
    /// Rows whose upsampling needs the next row of MCUs.
    late: usize,
    done: usize,
    into: &'a mut Image,
}

impl<'a> PlaneDecoder<'a> {
    /// Prepares `into`. Returns `None` if a quantization table is missing or a sampling factor is
    /// unsupported.
    pub fn new(
        level: SimdLevel,
        segments: &Segments,
        request: DecodeRequest,
        buffer: &'a mut Buffers,
        into: &'a mut Image,
    ) -> Option<PlaneDecoder<'a>> {
        let frame = segments.frame()?;
        let [across, down] = frame.max_sampling_factors();
        let scale = request.scale as usize;
        // The side of a luma block at this scale.
        let least = 8 / scale;
        // A subsampled component is scaled down less, so that it needs less upsampling (as libjpeg
        // does).
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
        // Vertical upsampling of a half-height plane combines two of its rows.
        let halved = |component| matches!(times(component), [1 | 2, 2]);
        let late = usize::from(frame.components.iter().any(halved));
        let mut planes = Vec::new();
        for (component, values) in frame.components.iter().zip(&mut buffer.planes) {
            let quantization_tables =
                segments.quantization_tables.get(component.quantization_table)?.as_ref()?;
            let side = side(component);
            let stride = frame.mcus()[0].div_ceil(4) * 4 * side * component.across;
            let kept = side * component.down * (1 + late);
            let reduced =
                |length: usize, own: usize, most: usize| (length * own * side).div_ceil(most * 8);
            values.resize(stride * kept, 0);
            planes.push(Plane {
                idct: Idct::new(level, quantization_tables),
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
        let part = request.region;
        let range = |start: u32, length: u32, side: usize| {
            let to = (start as usize + length as usize).min(side);
            (start as usize).min(to)..to
        };
        let columns = range(part.left, part.width, width);
        let rows = range(part.top, part.height, height);
        let step = [4 * least * across, least * down];
        let quads = |pixels: &Range<usize>, step: usize, side: usize| {
            if pixels.is_empty() {
                return 0..0;
            }
            // Interpolation also reads the neighbors on both sides.
            let reach = pixels.start.saturating_sub(2)..(pixels.end + 2).min(side);
            reach.start / step..reach.end.div_ceil(step)
        };
        let quads = [quads(&columns, step[0], width), quads(&rows, step[1], height)];
        let done = rows.start;
        Some(PlaneDecoder { level, columns, rows, quads, buffer, planes, step, late, done, into })
    }

    /// Whether a requested pixel depends on these four MCUs.
    #[inline]
    pub fn needs(&self, [row, column]: [usize; 2]) -> bool {
        let [columns, rows] = &self.quads;
        columns.contains(&column) && rows.contains(&row)
    }

    /// Transforms the four MCUs of row `row` that begin at MCU `4 * column`.
    pub fn add_mcus(&mut self, [row, column]: [usize; 2], coefficients: &Coefficients) {
        let mut number = 0;
        for (plane, values) in self.planes.iter().zip(&mut self.buffer.planes) {
            let side = plane.side;
            for down in 0..plane.down {
                let first = side * (row * plane.down + down) % plane.kept * plane.stride;
                let values = &mut values[first + 4 * side * plane.across * column..];
                for across in 0..plane.across {
                    let (four, extent) = coefficients.quad(number);
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

    /// Writes the rows of pixels that are complete after row `row` of MCUs.
    pub fn finish_row(&mut self, row: usize) {
        let end = (row + 1) * self.step[1];
        // No row of MCUs follows the last.
        let there = if end >= self.into.height as usize { end } else { end - self.late };
        let until = there.min(self.rows.end);
        if self.done < until && !self.columns.is_empty() {
            self.write(self.done..until);
            self.done = until;
        }
    }

    /// Upsamples rows, converts their colors and writes them.
    fn write(&mut self, rows: Range<usize>) {
        let width = self.into.width as usize;
        let channels = self.planes.len();
        // The columns with decoded samples.
        let four = self.step[0];
        let there = self.quads[0].start * four..(self.quads[0].end * four).min(width);
        let expected = self.columns.start - there.start..self.columns.end - there.start;
        let Buffers { planes: values, rows: buffer, upsampler } = &mut *self.buffer;
        for y in rows {
            let mut full = [&[][..]; 3];
            let parts = self.planes.iter().zip(&*values).zip(&mut *buffer).zip(&mut full);
            for (((plane, values), buffer), full) in parts {
                *full = full_row(self.level, plane, values, &there, y, upsampler, buffer);
            }
            let out = (y * width + self.columns.start) * channels;
            let out = &mut self.into.pixels[out..][..expected.len() * channels];
            match channels {
                1 => out.copy_from_slice(&full[0][expected.clone()]),
                _ => ycc_to_rgb(self.level, full.map(|row| &row[expected.clone()]), out),
            }
        }
    }
}

/// Columns `columns` of row `y` of a component, upsampled. Interpolation at both ends is only
/// correct at the edges of the image.
#[inline]
fn full_row<'a>(
    level: SimdLevel,
    plane: &Plane,
    values: &'a [u8],
    columns: &Range<usize>,
    y: usize,
    upsampler: &mut Upsampler,
    buffer: &'a mut Vec<u8>,
) -> &'a [u8] {
    let [across, down] = plane.times;
    let at = (y / down) as isize;
    let columns = columns.start / across..columns.end.div_ceil(across);
    let row = |at: isize| &plane.row(values, at)[columns.clone()];
    let near = row(at);
    if plane.times == [1, 1] {
        return near;
    }
    buffer.resize(across * near.len(), 0);
    let upper = y.is_multiple_of(2);
    let far = || row(if upper { at - 1 } else { at + 1 });
    match plane.times {
        [1, 2] if plane.smooth => upsample_h1v2(level, near, far(), upper, buffer),
        // libjpeg does not interpolate rows as short as this.
        [2, 1] if plane.smooth && plane.width > 2 => upsampler.h2v1(level, near, buffer),
        [2, 2] if plane.smooth && plane.width > 2 => upsampler.h2v2(level, near, far(), buffer),
        _ => {
            for (out, &value) in buffer.chunks_exact_mut(across).zip(near) {
                out.fill(value);
            }
        }
    }
    buffer
}
