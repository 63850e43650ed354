//! Comparison with the direct convolution in f64.

use super::*;
use crate::batch_norm::stats;
use crate::random_values::random_values;
use crate::{Bf16, ChannelSums, Scalar, SimdLevel};

/// Sizes that are and are not multiples of a tile, and sizes below a tile; channel counts equal to,
/// below and above a panel.
const SHAPES: [ConvShape; 5] = [
    ConvShape { images: 2, height: 8, width: 8, in_channels: 16, out_channels: 32 },
    ConvShape { images: 3, height: 7, width: 5, in_channels: 32, out_channels: 16 },
    ConvShape { images: 1, height: 9, width: 34, in_channels: 48, out_channels: 48 },
    ConvShape { images: 5, height: 1, width: 3, in_channels: 16, out_channels: 80 },
    ConvShape { images: 61, height: 4, width: 4, in_channels: 16, out_channels: 16 },
];

struct Case<T> {
    shape: ConvShape,
    x: Vec<T>,
    dy: Vec<T>,
    weight: Vec<f32>,
}

impl<T: Scalar> Case<T> {
    fn new(shape: ConvShape) -> Case<T> {
        let pixels = shape.images * shape.height * shape.width;
        Case {
            shape,
            x: random_values(pixels * shape.in_channels, 1),
            dy: random_values(pixels * shape.out_channels, 2),
            weight: random_values(9 * shape.in_channels * shape.out_channels, 3),
        }
    }

    /// Returns `y`, `dx` and `dw` of the direct convolution in f64.
    fn expected(&self) -> [Vec<f64>; 3] {
        let ConvShape { images, height, width, in_channels: inputs, out_channels: outputs } =
            self.shape;
        let mut y = vec![0.0; self.dy.len()];
        let mut dx = vec![0.0; self.x.len()];
        let mut dw = vec![0.0; self.weight.len()];
        for (n, h, w) in (0..images)
            .flat_map(|n| (0..height).flat_map(move |h| (0..width).map(move |w| (n, h, w))))
        {
            let out = (n * height + h) * width + w;
            for tap in 0..9 {
                let (row, column) = ((h + tap / 3).wrapping_sub(1), (w + tap % 3).wrapping_sub(1));
                if row >= height || column >= width {
                    continue;
                }
                let pixel = (n * height + row) * width + column;
                for k in 0..outputs {
                    for c in 0..inputs {
                        let (i, j) = (pixel * inputs + c, out * outputs + k);
                        let f = (k * 9 + tap) * inputs + c;
                        let [x, dy] = [self.x[i].to_f32(), self.dy[j].to_f32()].map(f64::from);
                        y[j] += x * f64::from(self.weight[f]);
                        dx[i] += dy * f64::from(self.weight[f]);
                        dw[f] += dy * x;
                    }
                }
            }
        }
        [y, dx, dw]
    }

    /// Returns `y`, `dx` and `dw` of the kernels, with the work divided into `parts`.
    fn actual(&self, level: SimdLevel, parts: usize) -> [Vec<f64>; 3] {
        let forward = self.shape;
        let backward = ConvShape {
            in_channels: forward.out_channels,
            out_channels: forward.in_channels,
            ..forward
        };
        let y = self.convolve_parts(level, &forward, Pass::Forward, &self.x, parts);
        let dx = self.convolve_parts(level, &backward, Pass::Backward, &self.dy, parts);
        let mut sums = vec![0.0; parts * forward.transformed_filters_len()];
        for (rows, sums) in split(forward.num_tile_rows(), parts)
            .zip(sums.chunks_exact_mut(forward.transformed_filters_len()))
        {
            accumulate_filter_gradient(level, &forward, &self.x, &self.dy, rows, sums);
        }
        let mut dw: Vec<f32> = Vec::new();
        for outputs in split(forward.out_channels, parts) {
            let mut part = vec![f32::NAN; 9 * outputs.len() * forward.in_channels];
            finish_filter_gradient(level, &forward, &sums, outputs, &mut part);
            dw.extend(part);
        }
        [y, dx, dw.into_iter().map(f64::from).collect()]
    }

    fn convolve_parts(
        &self,
        level: SimdLevel,
        shape: &ConvShape,
        pass: Pass,
        images: &[T],
        parts: usize,
    ) -> Vec<f64> {
        let mut filters = Vec::new();
        for panels in split(shape.num_panels(), parts) {
            let mut part = vec![f32::NAN; shape.panel_range(&panels).len()];
            transform_filters(level, shape, pass, &self.weight, panels, &mut part);
            filters.extend(part);
        }
        let mut output = Vec::new();
        for rows in split(shape.num_tile_rows(), parts) {
            let mut part =
                vec![T::from_f32(f32::NAN); shape.value_range(&rows, shape.out_channels).len()];
            convolve(level, shape, images, &filters, rows, Epilogue::NONE, &mut part, None);
            output.extend(part.iter().map(|y| f64::from(y.to_f32())));
        }
        output
    }
}

fn split(count: usize, parts: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..parts).map(move |part| count * part / parts..count * (part + 1) / parts)
}

fn check<T: Scalar>(tolerance: f64) {
    for shape in SHAPES {
        let case = Case::<T>::new(shape);
        let expected = case.expected();
        for level in SimdLevel::available() {
            for parts in [1, 3] {
                let actual = case.actual(level, parts);
                for (name, (actual, expected)) in
                    ["y", "dx", "dw"].iter().zip(actual.iter().zip(&expected))
                {
                    assert_eq!(actual.len(), expected.len());
                    let max = expected.iter().fold(0.0f64, |max, value| max.max(value.abs()));
                    for (actual, expected) in actual.iter().zip(expected) {
                        // `<=` also fails for NaN.
                        let is_close = (actual - expected).abs() <= tolerance * max;
                        assert!(
                            is_close,
                            "{name} {level:?} {parts} {shape:?}: {actual} {expected}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn output_and_gradients_match_the_direct_convolution() {
    check::<f32>(1e-5);
}

#[test]
fn bf16_images_are_computed_in_f32() {
    check::<Bf16>(1.0 / 256.0);
}

#[test]
fn epilogue_applies_bias_shortcut_and_relu() {
    for shape in [SHAPES[0], SHAPES[1]] {
        let case = Case::<f32>::new(shape);
        let [expected, ..] = case.expected();
        let bias: Vec<f32> = random_values(shape.out_channels, 4);
        let mut filters = vec![0.0; shape.transformed_filters_len()];
        let panels = 0..shape.num_panels();
        transform_filters(
            SimdLevel::Scalar,
            &shape,
            Pass::Forward,
            &case.weight,
            panels,
            &mut filters,
        );
        for level in SimdLevel::available() {
            // `dy` serves as a shortcut of the output's shape.
            let mut y = vec![f32::NAN; expected.len()];
            let mut in_place = case.dy.clone();
            let middle = shape.num_tile_rows() / 2;
            for rows in [0..middle, middle..shape.num_tile_rows()] {
                let range = shape.value_range(&rows, shape.out_channels);
                for (shortcut, y) in [
                    (Shortcut::Separate(&case.dy[range.clone()]), &mut y[range.clone()]),
                    (Shortcut::InPlace, &mut in_place[range.clone()]),
                ] {
                    let epilogue = Epilogue { bias: Some(&bias), shortcut, relu: true };
                    convolve(level, &shape, &case.x, &filters, rows.clone(), epilogue, y, None);
                }
            }
            assert_eq!(y, in_place);
            for (i, (y, sum)) in y.iter().zip(&expected).enumerate() {
                let expected =
                    sum + f64::from(bias[i % shape.out_channels]) + f64::from(case.dy[i]);
                assert!(
                    (f64::from(*y) - expected.max(0.0)).abs() < 1e-3,
                    "{level:?} {y} {expected}"
                );
            }
        }
    }
}

#[test]
fn output_does_not_depend_on_the_division_of_work() {
    let case = Case::<f32>::new(SHAPES[4]);
    for level in SimdLevel::available() {
        let [single, ..] = case.actual(level, 1);
        let [divided, ..] = case.actual(level, 7);
        assert_eq!(single, divided);
    }
}

fn check_output_stats<T: Scalar + PartialEq + std::fmt::Debug>() {
    for level in SimdLevel::available() {
        for shape in SHAPES {
            let case = Case::<T>::new(shape);
            let mut filters = vec![0.0; shape.transformed_filters_len()];
            let panels = 0..shape.num_panels();
            transform_filters(level, &shape, Pass::Forward, &case.weight, panels, &mut filters);
            let shift: Vec<f32> = random_values(shape.out_channels, 4);
            let (mut y, mut y_without_stats) = (case.dy.clone(), case.dy.clone());
            let mut sums = ChannelSums::zeros(shape.out_channels);
            // Computed in two parts, whose sums are added.
            let middle = shape.num_tile_rows() / 2;
            for rows in [0..middle, middle..shape.num_tile_rows()] {
                let part = &mut y[shape.value_range(&rows, shape.out_channels)];
                let stats = Some(OutputStats { shift: &shift, sums: &mut sums });
                convolve(level, &shape, &case.x, &filters, rows, Epilogue::NONE, part, stats);
            }
            let (rows, epilogue) = (0..shape.num_tile_rows(), Epilogue::NONE);
            convolve(level, &shape, &case.x, &filters, rows, epilogue, &mut y_without_stats, None);
            assert_eq!(y, y_without_stats);
            let mut expected = ChannelSums::zeros(shape.out_channels);
            stats(level, &y, &shift, &mut expected);
            let concat = |sums: &ChannelSums| [sums.first.clone(), sums.second.clone()].concat();
            let scale: f64 = concat(&expected).iter().fold(1.0, |max, sum| sum.abs().max(max));
            for (actual, expected) in concat(&sums).iter().zip(concat(&expected)) {
                assert!((actual - expected).abs() < 1e-6 * scale, "{level:?} {shape:?}");
            }
        }
    }
}

#[test]
fn output_stats_match_those_of_the_output() {
    check_output_stats::<f32>();
    check_output_stats::<Bf16>();
}
