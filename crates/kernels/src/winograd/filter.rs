//! Transformation of the filters to the layout `[panel][point][in][channel of the panel]`.

use std::ops::Range;

use super::transform::{FilterTransform, transform_2d};
use super::{CHANNEL_MULTIPLE, ConvShape, INPUT_TILE, POINTS};
use crate::SimdLevel;
use crate::simd_level::dispatch;
use crate::vector::Vector;

/// Output channels per panel. The last panel may have fewer.
pub(super) const PANEL: usize = 32;

/// Convolution that filters are transformed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// From the weight's input channels to its output channels.
    Forward,
    /// From the gradient of the output to the gradient of the input: filters rotated by 180
    /// degrees, from the weight's output channels to its input channels.
    Backward,
}

impl ConvShape {
    /// Returns the number of panels, which can be transformed independently.
    pub fn num_panels(&self) -> usize {
        self.out_channels.div_ceil(PANEL)
    }

    /// Returns the index range of panels in the transformed filters.
    pub fn panel_range(&self, panels: &Range<usize>) -> Range<usize> {
        let start =
            |panel: usize| POINTS * self.in_channels * (panel * PANEL).min(self.out_channels);
        start(panels.start)..start(panels.end)
    }
}

/// Writes the transformed filters of `panels` from a weight `[out][3][3][in]`. `shape` is the shape
/// of the convolution of `pass`: for [`Pass::Backward`], its input channels are the output channels
/// of the weight.
///
/// # Panics
/// If the slices do not match the shape and the panels.
pub fn transform_filters(
    level: SimdLevel,
    shape: &ConvShape,
    pass: Pass,
    weight: &[f32],
    panels: Range<usize>,
    target: &mut [f32],
) {
    shape.assert_valid();
    assert!(panels.end <= shape.num_panels());
    assert_eq!(weight.len(), 9 * shape.in_channels * shape.out_channels);
    assert_eq!(target.len(), shape.panel_range(&panels).len());
    let mut rest = target;
    for panel in panels {
        let outputs = panel * PANEL..((panel + 1) * PANEL).min(shape.out_channels);
        let part;
        (part, rest) = rest.split_at_mut(POINTS * shape.in_channels * outputs.len());
        match pass {
            Pass::Forward => dispatch!(level, forward(
                shape: &ConvShape, weight: &[f32], outputs: Range<usize>, part: &mut [f32],
            )),
            Pass::Backward => dispatch!(level, backward(
                shape: &ConvShape, weight: &[f32], outputs: Range<usize>, part: &mut [f32],
            )),
        }
    }
}

/// Values per filter.
const TAPS: usize = 9;

/// Transforms a panel for [`Pass::Forward`].
///
/// Input channels are contiguous in the weight, but the products require contiguous output
/// channels. A square of both is copied before it is transposed, because its rows are so far apart
/// in the weight that they evict each other from the L1 cache.
///
/// # Safety
/// The slices must match the shape and `outputs`, and the CPU must have `V`'s instructions.
#[inline(always)]
unsafe fn forward<V: Vector>(
    shape: &ConvShape,
    weight: &[f32],
    outputs: Range<usize>,
    target: &mut [f32],
) {
    let (inputs, width) = (shape.in_channels, outputs.len());
    let mut square = [0.0f32; TAPS * CHANNEL_MULTIPLE * CHANNEL_MULTIPLE];
    let square = square.as_mut_ptr();
    for column in (0..width).step_by(V::LANES) {
        for channel in (0..inputs).step_by(V::LANES) {
            // SAFETY: both channel counts are multiples of the lanes, the square has `LANES` rows
            // of `LANES` values per tap, and the caller guarantees the rest.
            unsafe {
                for out in 0..V::LANES {
                    let row = (outputs.start + column + out) * TAPS * inputs + channel;
                    for tap in 0..TAPS {
                        let taps = V::load(weight.as_ptr().add(row + tap * inputs));
                        taps.store(square.add((tap * V::LANES + out) * V::LANES));
                    }
                }
                for lane in 0..V::LANES {
                    let mut taps = [V::splat(0.0); TAPS];
                    for (tap, values) in taps.iter_mut().enumerate() {
                        let start = tap * V::LANES * V::LANES + lane;
                        *values = V::gather(square.add(start), V::LANES);
                    }
                    write_filters(taps, (inputs, channel + lane), (width, column), target);
                }
            }
        }
    }
}

/// Transforms a panel for [`Pass::Backward`].
///
/// # Safety
/// The slices must match the shape and `outputs`, and the CPU must have `V`'s instructions.
#[inline(always)]
unsafe fn backward<V: Vector>(
    shape: &ConvShape,
    weight: &[f32],
    outputs: Range<usize>,
    target: &mut [f32],
) {
    let width = outputs.len();
    for input in 0..shape.in_channels {
        for column in (0..width).step_by(V::LANES) {
            let row = input * TAPS * shape.out_channels + outputs.start + column;
            // SAFETY: the channel count is a multiple of the lanes, and the caller guarantees the
            // rest.
            unsafe {
                let mut taps = [V::splat(0.0); TAPS];
                for (tap, values) in taps.iter_mut().rev().enumerate() {
                    *values = V::load(weight.as_ptr().add(row + tap * shape.out_channels));
                }
                write_filters(taps, (shape.in_channels, input), (width, column), target);
            }
        }
    }
}

/// Writes `G g G'` of the filters from input channel `input` (of `inputs`) to the output channels
/// `column..column + V::LANES` (of `width`) of a panel.
///
/// # Safety
/// The panel must contain these channels, and the CPU must have `V`'s instructions.
#[inline(always)]
unsafe fn write_filters<V: Vector>(
    taps: [V; TAPS],
    (inputs, input): (usize, usize),
    (width, column): (usize, usize),
    target: &mut [f32],
) {
    // SAFETY: the caller guarantees the channels and `V`'s instructions.
    unsafe {
        let mut filters = [[V::splat(0.0); 3]; 3];
        for (tap, values) in taps.into_iter().enumerate() {
            filters[tap / 3][tap % 3] = values;
        }
        let points = transform_2d::<FilterTransform, V, 3, INPUT_TILE>(filters);
        for (point, values) in points.iter().flatten().enumerate() {
            let index = (point * inputs + input) * width + column;
            values.store(target.as_mut_ptr().add(index));
        }
    }
}
