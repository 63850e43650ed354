//! Inverse DCT, upsampling and color conversion, one row of MCUs at a time.

use std::ops::Range;

use residual_kernels::{Idct, SimdLevel, Upsampler, upsample_h1v2};

use super::coefficients::Coefficients;
use super::color_space::ColorSpace;
use super::segments::{Component, Frame};
use crate::{DecodeRequest, Image};

/// Buffers that are reused for the next image.
#[derive(Default)]
pub(super) struct Buffers {
    /// Samples of each component: a ring buffer for the rows of one or two rows of MCUs.
    planes: [Vec<u8>; 4],
    /// An upsampled row of each component.
    rows: [Vec<u8>; 4],
    upsampler: Upsampler,
}

impl Buffers {
    /// Returns the allocated memory in bytes.
    pub fn capacity(&self) -> usize {
        self.planes.iter().chain(&self.rows).map(Vec::capacity).sum()
    }
}

/// Layout of the samples of a component.
struct Plane {
    idct: Idct,
    /// Horizontal sampling factor.
    h: usize,
    /// Vertical sampling factor.
    v: usize,
    /// Side of a decoded block in pixels.
    block_size: usize,
    /// Whether upsampling interpolates (libjpeg's fancy upsampling).
    interpolate: bool,
    /// Bytes of a row.
    stride: usize,
    /// Rows in the ring buffer.
    buffer_rows: usize,
    width: usize,
    height: usize,
    /// Upsampling factors: horizontal, vertical.
    upsampling: [usize; 2],
}

impl Plane {
    /// Returns a row of samples. Rows beyond the edges repeat the row at the edge.
    fn row<'a>(&self, samples: &'a [u8], row: isize) -> &'a [u8] {
        let row = row.clamp(0, self.height as isize - 1) as usize;
        &samples[row % self.buffer_rows * self.stride..][..self.width]
    }
}

/// Turns the coefficients of an image into the requested pixels.
pub(super) struct PlaneDecoder<'a> {
    level: SimdLevel,
    color_space: ColorSpace,
    /// Columns of pixels to write.
    columns: Range<usize>,
    /// Rows of pixels to write.
    rows: Range<usize>,
    /// MCUs on which the pixels to write depend: columns (in groups of four MCUs) and rows.
    needed_mcus: [Range<usize>; 2],
    buffers: &'a mut Buffers,
    planes: Vec<Plane>,
    /// Width of four MCUs and height of one MCU, in pixels.
    group_size: [usize; 2],
    /// Rows of pixels at the end of a row of MCUs whose upsampling needs the next row of MCUs.
    delayed_rows: usize,
    /// The next row of pixels to write.
    next_row: usize,
    image: &'a mut Image,
}

impl<'a> PlaneDecoder<'a> {
    /// Sets the size of `image` and allocates its pixels. `quantization_tables` has a table for
    /// each component.
    pub fn new(
        level: SimdLevel,
        frame: &Frame,
        color_space: ColorSpace,
        quantization_tables: &[[u16; 64]],
        request: DecodeRequest,
        buffers: &'a mut Buffers,
        image: &'a mut Image,
    ) -> PlaneDecoder<'a> {
        let [h_max, v_max] = frame.max_sampling_factors();
        let scale = request.scale as usize;
        let min_block_size = 8 / scale;
        let block_size =
            |component: &Component| scaled_block_size(component, [h_max, v_max], min_block_size);
        let upsampling = |component: &Component| {
            let size = block_size(component);
            [
                h_max * min_block_size / (component.h * size),
                v_max * min_block_size / (component.v * size),
            ]
        };
        // Vertical upsampling of a half-height plane combines two of its rows.
        let is_half_height = |component| matches!(upsampling(component), [1 | 2, 2]);
        let delayed_rows = usize::from(frame.components.iter().any(is_half_height));
        let mut planes = Vec::new();
        let components = frame.components.iter().zip(quantization_tables);
        for ((component, quantization_table), samples) in components.zip(&mut buffers.planes) {
            let block_size = block_size(component);
            let stride = frame.mcus()[0].div_ceil(4) * 4 * block_size * component.h;
            let buffer_rows = block_size * component.v * (1 + delayed_rows);
            let scaled_length = |length: usize, factor: usize, max_factor: usize| {
                (length * factor * block_size).div_ceil(max_factor * 8)
            };
            samples.resize(stride * buffer_rows, 0);
            planes.push(Plane {
                idct: Idct::new(level, quantization_table),
                h: component.h,
                v: component.v,
                block_size,
                interpolate: min_block_size > 1,
                stride,
                buffer_rows,
                width: scaled_length(frame.width, component.h, h_max),
                height: scaled_length(frame.height, component.v, v_max),
                upsampling: upsampling(component),
            });
        }
        let (width, height) = (frame.width.div_ceil(scale), frame.height.div_ceil(scale));
        image.width = width as u32;
        image.height = height as u32;
        let channels = color_space.output_channels();
        image.channels = channels as u32;
        image.pixels.resize(width * height * channels, 0);
        let region = request.region;
        let clamp_range = |start: u32, length: u32, side: usize| {
            let end = (start as usize + length as usize).min(side);
            (start as usize).min(end)..end
        };
        let columns = clamp_range(region.left, region.width, width);
        let rows = clamp_range(region.top, region.height, height);
        let group_size = [4 * min_block_size * h_max, min_block_size * v_max];
        let needed_mcus = [
            find_needed_groups(&columns, group_size[0], width),
            find_needed_groups(&rows, group_size[1], height),
        ];
        PlaneDecoder {
            level,
            color_space,
            next_row: rows.start,
            columns,
            rows,
            needed_mcus,
            buffers,
            planes,
            group_size,
            delayed_rows,
            image,
        }
    }

    /// Returns whether a requested pixel depends on group `group` of four MCUs in row `row` of
    /// MCUs.
    #[inline]
    pub fn needs(&self, [row, group]: [usize; 2]) -> bool {
        let [groups, rows] = &self.needed_mcus;
        groups.contains(&group) && rows.contains(&row)
    }

    /// Transforms the coefficients of group `group` of four MCUs in row `row` of MCUs.
    pub fn add_mcus(&mut self, [row, group]: [usize; 2], coefficients: &Coefficients) {
        let mut quad = 0;
        for (plane, samples) in self.planes.iter().zip(&mut self.buffers.planes) {
            let &Plane { h, v, block_size, stride, .. } = plane;
            for block_row in 0..v {
                let row_start = block_size * (row * v + block_row) % plane.buffer_rows * stride;
                let samples = &mut samples[row_start + 4 * block_size * h * group..];
                for block_column in 0..h {
                    let (blocks, region) = coefficients.quad(quad);
                    let samples = &mut samples[4 * block_size * block_column..];
                    match block_size {
                        8 => plane.idct.apply(blocks, region, samples, stride),
                        _ => plane.idct.apply_scaled(blocks, region, block_size, samples, stride),
                    }
                    quad += 1;
                }
            }
        }
    }

    /// Writes the rows of pixels that are complete after row `row` of MCUs.
    pub fn finish_row(&mut self, row: usize) {
        let decoded_end = (row + 1) * self.group_size[1];
        let is_last = decoded_end >= self.image.height as usize;
        let complete_end = if is_last { decoded_end } else { decoded_end - self.delayed_rows };
        let end = complete_end.min(self.rows.end);
        if self.next_row < end && !self.columns.is_empty() {
            self.write_rows(self.next_row..end);
            self.next_row = end;
        }
    }

    /// Upsamples rows, converts their colors and writes them.
    fn write_rows(&mut self, rows: Range<usize>) {
        let width = self.image.width as usize;
        let channels = self.color_space.output_channels();
        let (groups, group_width) = (&self.needed_mcus[0], self.group_size[0]);
        let decoded_columns = groups.start * group_width..(groups.end * group_width).min(width);
        let requested =
            self.columns.start - decoded_columns.start..self.columns.end - decoded_columns.start;
        let Buffers { planes: samples, rows: buffers, upsampler } = &mut *self.buffers;
        for y in rows {
            let mut component_rows = [&[][..]; 4];
            let components =
                self.planes.iter().zip(&*samples).zip(&mut *buffers).zip(&mut component_rows);
            for (((plane, samples), buffer), row) in components {
                *row = upsample_row(
                    self.level,
                    plane,
                    samples,
                    &decoded_columns,
                    y,
                    upsampler,
                    buffer,
                );
            }
            let start = (y * width + self.columns.start) * channels;
            let out = &mut self.image.pixels[start..][..requested.len() * channels];
            let num_components = self.planes.len();
            for row in &mut component_rows[..num_components] {
                *row = &row[requested.clone()];
            }
            self.color_space.convert(self.level, component_rows, out);
        }
    }
}

/// Returns the side of a scaled block of a component in pixels. Like libjpeg, scales a subsampled
/// component down less, so that it needs less upsampling.
fn scaled_block_size(
    component: &Component,
    [h_max, v_max]: [usize; 2],
    min_block_size: usize,
) -> usize {
    let fits = |size: usize| {
        (h_max * min_block_size).is_multiple_of(component.h * size)
            && (v_max * min_block_size).is_multiple_of(component.v * size)
    };
    let mut size = min_block_size;
    while size < 8 && fits(2 * size) {
        size *= 2;
    }
    size
}

/// Returns the groups of `group_size` pixels that `pixels` depend on, along a side of the image of
/// `side` pixels.
fn find_needed_groups(pixels: &Range<usize>, group_size: usize, side: usize) -> Range<usize> {
    if pixels.is_empty() {
        return 0..0;
    }
    // Interpolation also reads the neighbors on both sides.
    let start = pixels.start.saturating_sub(2);
    let end = (pixels.end + 2).min(side);
    start / group_size..end.div_ceil(group_size)
}

/// Returns the columns `columns` of row `y` of a component, upsampled. Interpolation is correct at
/// both ends of the columns only if they are the edges of the image.
#[inline]
fn upsample_row<'a>(
    level: SimdLevel,
    plane: &Plane,
    samples: &'a [u8],
    columns: &Range<usize>,
    y: usize,
    upsampler: &mut Upsampler,
    buffer: &'a mut Vec<u8>,
) -> &'a [u8] {
    let [h, v] = plane.upsampling;
    let source_y = (y / v) as isize;
    let columns = columns.start / h..columns.end.div_ceil(h);
    let source_row = |y: isize| &plane.row(samples, y)[columns.clone()];
    let near = source_row(source_y);
    if plane.upsampling == [1, 1] {
        return near;
    }
    buffer.resize(h * near.len(), 0);
    let is_upper = y.is_multiple_of(2);
    let far = || source_row(if is_upper { source_y - 1 } else { source_y + 1 });
    // libjpeg does not interpolate rows of one or two samples horizontally.
    let interpolate_h = plane.interpolate && plane.width > 2;
    match plane.upsampling {
        [1, 2] if plane.interpolate => upsample_h1v2(level, near, far(), is_upper, buffer),
        [2, 1] if interpolate_h => upsampler.h2v1(level, near, buffer),
        [2, 2] if interpolate_h => upsampler.h2v2(level, near, far(), buffer),
        _ => {
            for (out, &sample) in buffer.chunks_exact_mut(h).zip(near) {
                out.fill(sample);
            }
        }
    }
    buffer
}
