//! How fast the convolution kernels are on one core: GFLOP/s of the direct sum that they replace.
//!
//!     cargo run --release -p residual-kernels --example convolution_rate

use std::time::Instant;

use residual_kernels::winograd::{
    Pass, Shape, Then, convolve, filter_gradient, filter_sums, transform_filters,
};
use residual_kernels::{Bf16, Scalar, SimdLevel};

fn main() {
    println!(
        "images, side, channels: filters ms; GFLOP/s of convolution, of its filters' gradient"
    );
    for (images, side, channels) in [
        (32, 32, 16),
        (32, 16, 32),
        (32, 8, 64),
        (32, 32, 64),
        (32, 16, 128),
        (64, 8, 256),
        (128, 4, 512),
    ] {
        let shape =
            Shape { images, height: side, width: side, inputs: channels, outputs: channels };
        measure::<f32>("fp32", &shape);
        measure::<Bf16>("bf16", &shape);
    }
}

fn measure<T: Scalar>(kind: &str, shape: &Shape) {
    let level = SimdLevel::best();
    let pixels = shape.images * shape.height * shape.width;
    let numbers = |count: usize| -> Vec<T> {
        (0..count).map(|i| T::from_f32((i * 7919 % 255) as f32 / 127.0 - 1.0)).collect()
    };
    let (x, dy) = (numbers(pixels * shape.inputs), numbers(pixels * shape.outputs));
    let weight = vec![0.01f32; 9 * shape.inputs * shape.outputs];
    let mut filters = vec![0.0; shape.filters()];
    let mut sums = vec![0.0; shape.filters()];
    let mut gradient = weight.clone();
    let mut y = dy.clone();
    let flops = 2.0 * 9.0 * (pixels * shape.inputs * shape.outputs) as f64;
    let ready = best(|| {
        transform_filters(level, shape, Pass::Forward, &weight, 0..shape.panels(), &mut filters)
    });
    let forward = best(|| {
        convolve(level, shape, &x, &filters, 0..shape.tile_rows(), Then::NOTHING, &mut y, None)
    });
    let backward = best(|| {
        sums.fill(0.0);
        filter_sums(level, shape, &x, &dy, 0..shape.tile_rows(), &mut sums);
        filter_gradient(level, shape, &sums, 0..shape.outputs, &mut gradient);
    });
    println!(
        "{kind} {}, {}, {}: {:.2}; {:.0}, {:.0}",
        shape.images,
        shape.height,
        shape.inputs,
        ready * 1e3,
        flops / forward / 1e9,
        flops / backward / 1e9
    );
}

/// The shortest of several times, in seconds.
fn best(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..15 {
        let begin = Instant::now();
        work();
        best = best.min(begin.elapsed().as_secs_f64());
    }
    best
}
