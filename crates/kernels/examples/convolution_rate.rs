//! Benchmark of the convolution kernels on one core, in GFLOP/s of the direct convolution.
//!
//!     cargo run --release -p residual-kernels --example convolution_rate

use std::time::Instant;

use residual_kernels::winograd::{
    ConvShape, Epilogue, Pass, accumulate_filter_gradient, convolve, finish_filter_gradient,
    transform_filters,
};
use residual_kernels::{Bf16, Scalar, SimdLevel};

fn main() {
    println!(
        "images, size, channels: filter transform in ms; GFLOP/s of convolution and filter gradient"
    );
    for (images, size, channels) in [
        (32, 32, 16),
        (32, 16, 32),
        (32, 8, 64),
        (32, 32, 64),
        (32, 16, 128),
        (64, 8, 256),
        (128, 4, 512),
    ] {
        let shape = ConvShape {
            images,
            height: size,
            width: size,
            in_channels: channels,
            out_channels: channels,
        };
        measure::<f32>("fp32", &shape);
        measure::<Bf16>("bf16", &shape);
    }
}

fn measure<T: Scalar>(kind: &str, shape: &ConvShape) {
    let level = SimdLevel::best();
    let pixels = shape.images * shape.height * shape.width;
    let values = |count: usize| -> Vec<T> {
        (0..count).map(|i| T::from_f32((i * 7919 % 255) as f32 / 127.0 - 1.0)).collect()
    };
    let (x, dy) = (values(pixels * shape.in_channels), values(pixels * shape.out_channels));
    let weight = vec![0.01f32; 9 * shape.in_channels * shape.out_channels];
    let mut filters = vec![0.0; shape.transformed_filters_len()];
    let mut sums = vec![0.0; shape.transformed_filters_len()];
    let mut gradient = weight.clone();
    let mut y = dy.clone();
    let flops = 2.0 * 9.0 * (pixels * shape.in_channels * shape.out_channels) as f64;
    let transform = min_seconds(|| {
        transform_filters(
            level,
            shape,
            Pass::Forward,
            &weight,
            0..shape.num_panels(),
            &mut filters,
        );
    });
    let forward = min_seconds(|| {
        convolve(
            level,
            shape,
            &x,
            &filters,
            0..shape.num_tile_rows(),
            Epilogue::NONE,
            &mut y,
            None,
        );
    });
    let backward = min_seconds(|| {
        sums.fill(0.0);
        accumulate_filter_gradient(level, shape, &x, &dy, 0..shape.num_tile_rows(), &mut sums);
        finish_filter_gradient(level, shape, &sums, 0..shape.out_channels, &mut gradient);
    });
    println!(
        "{kind} {}, {}, {}: {:.2}; {:.0}, {:.0}",
        shape.images,
        shape.height,
        shape.in_channels,
        transform * 1e3,
        flops / forward / 1e9,
        flops / backward / 1e9
    );
}

/// Returns the minimum of 15 measured times, in seconds.
fn min_seconds(mut work: impl FnMut()) -> f64 {
    let mut min = f64::INFINITY;
    for _ in 0..15 {
        let start = Instant::now();
        work();
        min = min.min(start.elapsed().as_secs_f64());
    }
    min
}
