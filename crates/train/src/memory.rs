//! Estimates of the memory that training needs, from the shapes of the network's tensors.
//! The estimates do not include temporary buffers of kernels, so the real use is higher.

use residual_arch::Network;
use residual_spec::{
    AugmentOn, DatasetInfo, MemoryEstimate, Precision, ResolvedConfig, device_bytes,
};

use residual_optim::update_rule;

/// Bytes of an fp32 value.
const FLOAT: u64 = 4;

/// Estimates the memory of a run: training steps, cached images and images on the device.
pub fn estimate(config: &ResolvedConfig, network: &Network, facts: &DatasetInfo) -> MemoryEstimate {
    let decoded = facts.decoded_bytes.unwrap_or(0).min(u64::from(config.cache) << 20);
    let step = estimate_step(config, network);
    let images = decoded + device_images(config, facts);
    MemoryEstimate { images, total: step.total + images, ..step }
}

/// Returns the bytes of the images in device memory.
pub fn device_images(config: &ResolvedConfig, facts: &DatasetInfo) -> u64 {
    match config.augment_on {
        AugmentOn::Workers => 0,
        AugmentOn::Device => device_bytes(&config.data, &config.transform, facts),
    }
}

/// Estimates the memory of training steps alone.
pub fn estimate_step(config: &ResolvedConfig, network: &Network) -> MemoryEstimate {
    let weight_bytes = match config.precision {
        Precision::Fp32 | Precision::Bf16 | Precision::Fp16 => FLOAT,
        Precision::Fp64 => 2 * FLOAT,
    };
    let activation_bytes = match config.precision {
        Precision::Bf16 | Precision::Fp16 => 2,
        Precision::Fp32 => FLOAT,
        Precision::Fp64 => 2 * FLOAT,
    };
    let parameters = network.parameters() * weight_bytes;
    let weights = parameters * if config.ema.decay > 0.0 { 2 } else { 1 };
    let optimizer = parameters * update_rule(&config.optimizer).state_names().len() as u64;
    let outputs: u64 = residual_arch::inspect(network)
        .layers
        .iter()
        .map(|layer| layer.output.iter().map(|&len| u64::from(len)).product::<u64>())
        .sum();
    let batch = u64::from(config.batch_size);
    let activations = outputs * batch * activation_bytes;
    let side = u64::from(config.data.image_size);
    let pixels = side * side * u64::from(config.data.channels);
    let batches = match config.augment_on {
        // Each worker prepares one batch, two batches are queued, and one is in the current step.
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
