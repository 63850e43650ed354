//! Filters as the products need them.

use std::ops::Range;

use super::transform::{both_ways, Filter};
use super::{Shape, CHANNELS, POINTS, RIM};
use crate::level::at_level;
use crate::vector::Vector;
use crate::{Element, Level};

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
pub fn transform_filters<T: Element>(
    level: Level,
    shape: &Shape,
    pass: Pass,
    weight: &[T],
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
            Pass::Forward => at_level!(level, forward::<T>(
                shape: &Shape, weight: &[T], outputs: Range<usize>, part: &mut [f32],
            )),
            Pass::Backward => at_level!(level, backward::<T>(
                shape: &Shape, weight: &[T], outputs: Range<usize>, part: &mut [f32],
            )),
        }
    }
}

/// Registers hold input channels, but output channels must come to lie side by side.
#[inline(always)]
unsafe fn forward<V: Vector, T: Element>(
    shape: &Shape,
    weight: &[T],
    outputs: Range<usize>,
    into: &mut [f32],
) {
    let (inputs, width) = (shape.inputs, outputs.len());
    let mut numbers = [0.0f32; CHANNELS];
    for (column, out) in outputs.enumerate() {
        for channel in (0..inputs).step_by(V::LANES) {
            let points = read::<V, T>(weight, inputs, out, channel, |tap| tap);
            for (point, values) in points.iter().flatten().enumerate() {
                values.store(numbers.as_mut_ptr());
                let place = (point * inputs + channel) * width + column;
                for (lane, number) in numbers.iter().enumerate().take(V::LANES) {
                    *into.get_unchecked_mut(place + lane * width) = *number;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn backward<V: Vector, T: Element>(
    shape: &Shape,
    weight: &[T],
    outputs: Range<usize>,
    into: &mut [f32],
) {
    let width = outputs.len();
    for from in 0..shape.inputs {
        for column in (0..width).step_by(V::LANES) {
            let channel = outputs.start + column;
            let points = read::<V, T>(weight, shape.outputs, from, channel, |tap| 8 - tap);
            for (point, values) in points.iter().flatten().enumerate() {
                let place = (point * shape.inputs + from) * width + column;
                values.store(into.as_mut_ptr().add(place));
            }
        }
    }
}

/// `G g G'` of the filters from `LANES` channels of a weight to channel `out`, with its nine taps
/// in the order of `turned`.
#[inline(always)]
unsafe fn read<V: Vector, T: Element>(
    weight: &[T],
    channels: usize,
    out: usize,
    channel: usize,
    turned: impl Fn(usize) -> usize,
) -> [[V; RIM]; RIM] {
    let mut taps = [[V::splat(0.0); 3]; 3];
    for (tap, value) in taps.iter_mut().flatten().enumerate() {
        let place = (out * 9 + turned(tap)) * channels + channel;
        *value = T::load::<V>(weight.as_ptr().add(place));
    }
    both_ways::<Filter, V, 3, RIM>(taps)
}
