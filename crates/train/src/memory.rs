//! How much memory training takes, by the shapes of the network's tensors. Kernels need more for
//! moments, so it is rather too low.

use residual_arch::Network;
use residual_spec::{
    AugmentOn, DatasetInfo, MemoryEstimate, Precision, ResolvedConfig, device_bytes,
};

use residual_optim::states;

const FLOAT: u64 = 4;

/// With the images that are kept beside it.
pub fn estimate(config: &ResolvedConfig, network: &Network, facts: &DatasetInfo) -> MemoryEstimate {
    let decoded = facts.decoded_bytes.unwrap_or(0).min(u64::from(config.cache) << 20);
    let step = of_step(config, network);
    let images = decoded + on_device(config, facts);
    MemoryEstimate { images, total: step.total + images, ..step }
}

/// Bytes of images that lie on the device.
pub fn on_device(config: &ResolvedConfig, facts: &DatasetInfo) -> u64 {
    match config.augment_on {
        AugmentOn::Workers => 0,
        AugmentOn::Device => device_bytes(&config.data, &config.transform, facts),
    }
}

/// Without images that are kept.
pub fn of_step(config: &ResolvedConfig, network: &Network) -> MemoryEstimate {
    let weight = if config.precision == Precision::Fp64 { 2 * FLOAT } else { FLOAT };
    let number = match config.precision {
        Precision::Bf16 | Precision::Fp16 => 2,
        Precision::Fp32 => FLOAT,
        Precision::Fp64 => 2 * FLOAT,
    };
    let parameters = network.parameters() * weight;
    let weights = parameters * if config.ema.decay > 0.0 { 2 } else { 1 };
    let optimizer = parameters * states(&config.optimizer) as u64;
    let outputs: u64 = residual_arch::inspect(network)
        .layers
        .iter()
        .map(|layer| layer.output.iter().map(|&side| u64::from(side)).product::<u64>())
        .sum();
    let batch = u64::from(config.batch_size);
    let activations = outputs * batch * number;
    let side = u64::from(config.data.image_size);
    let pixels = side * side * u64::from(config.data.channels);
    let batches = match config.augment_on {
        // Each worker works on one, two wait, and one is being trained on.
        AugmentOn::Workers => pixels * batch * FLOAT * (u64::from(config.workers) + 3),
        AugmentOn::Device => 0,
    };
    MemoryEstimate {
        weights,
        gradients: parameters,
        optimizer,
        activations,
        batches,
        images: 0,
        total: weights + parameters + optimizer + activations + batches,
        measured: None,
    }
}
