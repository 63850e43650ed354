//! Filters as the products need them.

use std::ops::Range;

use super::transform::{Filter, both_ways};
use super::{CHANNELS, POINTS, RIM, Shape};
use crate::SimdLevel;
use crate::simd_level::at_level;
use crate::vector::Vector;

/// Channels of the output whose filters lie together: `[panel][point][in][channel of the panel]`.
pub(super) const PANEL: usize = 32;

/// Which convolution filters are made ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Of the weight's input channels to its output channels.
    Forward,
    /// Of the output's gradient to the input's: turned by 180 degrees, from out to in.
    Backward,
}

impl Shape {
    /// Panels of filters, by which their transformation is shared.
    pub fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    /// The transformed filters' numbers that belong to panels.
    pub fn panel_numbers(&self, panels: &Range<usize>) -> Range<usize> {
        let at = |panel: usize| POINTS * self.inputs * (panel * PANEL).min(self.outputs);
        at(panels.start)..at(panels.end)
    }
}

/// The panels `panels` of the transformed filters of a weight `[out][3][3][in]`. The shape is that
/// of the convolution that is meant: for [`Pass::Backward`] its inputs are the weight's outputs.
///
/// # Panics
/// If the slices do not fit the shape, or `into` not the panels.
pub fn transform_filters(
    level: SimdLevel,
    shape: &Shape,
    pass: Pass,
    weight: &[f32],
    panels: Range<usize>,
    into: &mut [f32],
) {
    shape.check();
    assert!(panels.end <= shape.panels());
    assert_eq!(weight.len(), 9 * shape.inputs * shape.outputs);
    assert_eq!(into.len(), shape.panel_numbers(&panels).len());
    let mut into = into;
    for panel in panels {
        let outputs = panel * PANEL..((panel + 1) * PANEL).min(shape.outputs);
        let part;
        (part, into) = into.split_at_mut(POINTS * shape.inputs * outputs.len());
        match pass {
            Pass::Forward => at_level!(level, forward(
                shape: &Shape, weight: &[f32], outputs: Range<usize>, part: &mut [f32],
            )),
            Pass::Backward => at_level!(level, backward(
                shape: &Shape, weight: &[f32], outputs: Range<usize>, part: &mut [f32],
            )),
        }
    }
}

/// Taps of a filter.
const TAPS: usize = 9;

/// The weight holds input channels side by side, and the products need output channels so. A square
/// of both is copied first: in the weight they lie so far apart that they push each other out of the
/// first cache.
#[inline(always)]
unsafe fn forward<V: Vector>(
    shape: &Shape,
    weight: &[f32],
    outputs: Range<usize>,
    into: &mut [f32],
) {
    let (inputs, width) = (shape.inputs, outputs.len());
    let mut square = [0.0f32; TAPS * CHANNELS * CHANNELS];
    let square = square.as_mut_ptr();
    for column in (0..width).step_by(V::LANES) {
        for channel in (0..inputs).step_by(V::LANES) {
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
                    let place = tap * V::LANES * V::LANES + lane;
                    *values = V::gather(square.add(place), V::LANES);
                }
                write(taps, (inputs, channel + lane), (width, column), into);
            }
        }
    }
}

#[inline(always)]
unsafe fn backward<V: Vector>(
    shape: &Shape,
    weight: &[f32],
    outputs: Range<usize>,
    into: &mut [f32],
) {
    let width = outputs.len();
    for from in 0..shape.inputs {
        for column in (0..width).step_by(V::LANES) {
            let row = from * TAPS * shape.outputs + outputs.start + column;
            let mut taps = [V::splat(0.0); TAPS];
            for (tap, values) in taps.iter_mut().rev().enumerate() {
                *values = V::load(weight.as_ptr().add(row + tap * shape.outputs));
            }
            write(taps, (shape.inputs, from), (width, column), into);
        }
    }
}

/// `G g G'` of the filters from one of `inputs` channels to a register of a panel's columns.
#[inline(always)]
unsafe fn write<V: Vector>(
    taps: [V; TAPS],
    (inputs, from): (usize, usize),
    (width, column): (usize, usize),
    into: &mut [f32],
) {
    let mut square = [[V::splat(0.0); 3]; 3];
    for (tap, values) in taps.into_iter().enumerate() {
        square[tap / 3][tap % 3] = values;
    }
    let points = both_ways::<Filter, V, 3, RIM>(square);
    for (point, values) in points.iter().flatten().enumerate() {
        let place = (point * inputs + from) * width + column;
        values.store(into.as_mut_ptr().add(place));
    }
}
