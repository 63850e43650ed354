//! Against the sums that a convolution is, in f64.

use super::*;
use crate::random_values::numbers;
use crate::{Bf16, Scalar, SimdLevel, Sums, statistics};

/// Sides that are whole tiles and such as are not, and a side smaller than a tile; channels that
/// fill one panel, less, and more.
const SHAPES: [Shape; 5] = [
    Shape { images: 2, height: 8, width: 8, inputs: 16, outputs: 32 },
    Shape { images: 3, height: 7, width: 5, inputs: 32, outputs: 16 },
    Shape { images: 1, height: 9, width: 34, inputs: 48, outputs: 48 },
    Shape { images: 5, height: 1, width: 3, inputs: 16, outputs: 80 },
    Shape { images: 61, height: 4, width: 4, inputs: 16, outputs: 16 },
];

struct Case<T> {
    shape: Shape,
    x: Vec<T>,
    dy: Vec<T>,
    weight: Vec<f32>,
}

impl<T: Scalar> Case<T> {
    fn new(shape: Shape) -> Case<T> {
        let pixels = shape.images * shape.height * shape.width;
        Case {
            shape,
            x: numbers(pixels * shape.inputs, 1),
            dy: numbers(pixels * shape.outputs, 2),
            weight: numbers(9 * shape.inputs * shape.outputs, 3),
        }
    }

    /// `y`, `dx` and `dw` by the definition.
    fn truth(&self) -> [Vec<f64>; 3] {
        let Shape { images, height, width, inputs, outputs } = self.shape;
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
                let at = (n * height + row) * width + column;
                for k in 0..outputs {
                    for c in 0..inputs {
                        let (i, j) = (at * inputs + c, out * outputs + k);
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

    /// The same by the kernels, their work shared by `parts` as by threads.
    fn found(&self, level: SimdLevel, parts: usize) -> [Vec<f64>; 3] {
        let forward = self.shape;
        let backward = Shape { inputs: forward.outputs, outputs: forward.inputs, ..forward };
        let y = self.convolved(level, &forward, Pass::Forward, &self.x, parts);
        let dx = self.convolved(level, &backward, Pass::Backward, &self.dy, parts);
        let mut sums = vec![0.0; parts * forward.filters()];
        for (rows, sums) in
            shares(forward.tile_rows(), parts).zip(sums.chunks_exact_mut(forward.filters()))
        {
            filter_sums(level, &forward, &self.x, &self.dy, rows, sums);
        }
        let mut dw: Vec<f32> = Vec::new();
        for outputs in shares(forward.outputs, parts) {
            let mut part = vec![f32::NAN; 9 * outputs.len() * forward.inputs];
            filter_gradient(level, &forward, &sums, outputs, &mut part);
            dw.extend(part);
        }
        [y, dx, dw.into_iter().map(f64::from).collect()]
    }

    fn convolved(
        &self,
        level: SimdLevel,
        shape: &Shape,
        pass: Pass,
        images: &[T],
        parts: usize,
    ) -> Vec<f64> {
        let mut filters = Vec::new();
        for panels in shares(shape.panels(), parts) {
            let mut part = vec![f32::NAN; shape.panel_numbers(&panels).len()];
            transform_filters(level, shape, pass, &self.weight, panels, &mut part);
            filters.extend(part);
        }
        let mut all = Vec::new();
        for rows in shares(shape.tile_rows(), parts) {
            let mut part = vec![T::from_f32(f32::NAN); shape.numbers(&rows, shape.outputs).len()];
            convolve(level, shape, images, &filters, rows, Then::NOTHING, &mut part, None);
            all.extend(part.iter().map(|y| f64::from(y.to_f32())));
        }
        all
    }
}

fn shares(count: usize, parts: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..parts).map(move |part| count * part / parts..count * (part + 1) / parts)
}

fn is_right<T: Scalar>(tolerance: f64) {
    for shape in SHAPES {
        let case = Case::<T>::new(shape);
        let truth = case.truth();
        for level in SimdLevel::all() {
            for parts in [1, 3] {
                let found = case.found(level, parts);
                for (what, (found, truth)) in ["y", "dx", "dw"].iter().zip(found.iter().zip(&truth))
                {
                    assert_eq!(found.len(), truth.len());
                    let most = truth.iter().fold(0.0f64, |most, value| most.max(value.abs()));
                    for (found, truth) in found.iter().zip(truth) {
                        // Not less than: a NaN is not right either.
                        let right = (found - truth).abs() <= tolerance * most;
                        assert!(right, "{what} {level:?} {parts} {shape:?}: {found} {truth}");
                    }
                }
            }
        }
    }
}

#[test]
fn output_and_gradients_are_those_of_the_direct_sum() {
    is_right::<f32>(1e-5);
}

#[test]
fn images_in_bf16_are_computed_in_f32() {
    is_right::<Bf16>(1.0 / 256.0);
}

#[test]
fn bias_shortcut_and_relu_follow_the_sum() {
    for shape in [SHAPES[0], SHAPES[1]] {
        let case = Case::<f32>::new(shape);
        let [truth, ..] = case.truth();
        let bias: Vec<f32> = numbers(shape.outputs, 4);
        let mut filters = vec![0.0; shape.filters()];
        let panels = 0..shape.panels();
        transform_filters(
            SimdLevel::Scalar,
            &shape,
            Pass::Forward,
            &case.weight,
            panels,
            &mut filters,
        );
        for level in SimdLevel::all() {
            // The gradient has the output's shape, and anything will do.
            let mut y = vec![f32::NAN; truth.len()];
            let mut in_place = case.dy.clone();
            let middle = shape.tile_rows() / 2;
            for rows in [0..middle, middle..shape.tile_rows()] {
                let part = shape.numbers(&rows, shape.outputs);
                for (shortcut, y) in [
                    (Shortcut::Of(&case.dy[part.clone()]), &mut y[part.clone()]),
                    (Shortcut::InPlace, &mut in_place[part.clone()]),
                ] {
                    let then = Then { bias: Some(&bias), shortcut, relu: true };
                    convolve(level, &shape, &case.x, &filters, rows.clone(), then, y, None);
                }
            }
            assert_eq!(y, in_place);
            for (i, (y, sum)) in y.iter().zip(&truth).enumerate() {
                let wanted = sum + f64::from(bias[i % shape.outputs]) + f64::from(case.dy[i]);
                assert!((f64::from(*y) - wanted.max(0.0)).abs() < 1e-3, "{level:?} {y} {wanted}");
            }
        }
    }
}

#[test]
fn the_output_does_not_depend_on_how_the_work_is_shared() {
    let case = Case::<f32>::new(SHAPES[4]);
    for level in SimdLevel::all() {
        let [whole, ..] = case.found(level, 1);
        let [shared, ..] = case.found(level, 7);
        assert_eq!(whole, shared);
    }
}

fn statistics_are_those_of_the_output<T: Scalar + PartialEq + std::fmt::Debug>() {
    for level in SimdLevel::all() {
        for shape in SHAPES {
            let case = Case::<T>::new(shape);
            let mut filters = vec![0.0; shape.filters()];
            let panels = 0..shape.panels();
            transform_filters(level, &shape, Pass::Forward, &case.weight, panels, &mut filters);
            let shift: Vec<f32> = numbers(shape.outputs, 4);
            let (mut y, mut alone) = (case.dy.clone(), case.dy.clone());
            let mut sums = Sums::zero(shape.outputs);
            // In parts, whose sums add up.
            let middle = shape.tile_rows() / 2;
            for rows in [0..middle, middle..shape.tile_rows()] {
                let part = &mut y[shape.numbers(&rows, shape.outputs)];
                let statistics = Some(Statistics { shift: &shift, sums: &mut sums });
                convolve(level, &shape, &case.x, &filters, rows, Then::NOTHING, part, statistics);
            }
            let (all, nothing) = (0..shape.tile_rows(), Then::NOTHING);
            convolve(level, &shape, &case.x, &filters, all, nothing, &mut alone, None);
            assert_eq!(y, alone);
            let mut wanted = Sums::zero(shape.outputs);
            statistics(level, &y, &shift, &mut wanted);
            let of = |sums: &Sums| [sums.first.clone(), sums.second.clone()].concat();
            let scale: f64 = of(&wanted).iter().fold(1.0, |most, sum| sum.abs().max(most));
            for (found, wanted) in of(&sums).iter().zip(of(&wanted)) {
                assert!((found - wanted).abs() < 1e-6 * scale, "{level:?} {shape:?}");
            }
        }
    }
}

#[test]
fn statistics_of_the_output_come_with_it() {
    statistics_are_those_of_the_output::<f32>();
    statistics_are_those_of_the_output::<Bf16>();
}
