//! How much memory training takes, by the shapes of the network's tensors. Kernels need more for
//! moments, so it is rather too low.

use residual_arch::Network;
use residual_spec::{MemoryEstimate, Precision, ResolvedConfig};

use crate::optimizer::states;

const FLOAT: u64 = 4;

/// `decoded`: bytes that the data set's images take when they are decoded, and may be kept in.
pub(crate) fn estimate(config: &ResolvedConfig, network: &Network, decoded: u64) -> MemoryEstimate {
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
    // Each worker works on one, two wait, and one is being trained on.
    let batches = pixels * batch * FLOAT * (u64::from(config.workers) + 3);
    let images = decoded.min(u64::from(config.cache) << 20);
    MemoryEstimate {
        weights,
        gradients: parameters,
        optimizer,
        activations,
        batches,
        images,
        total: weights + parameters + optimizer + activations + batches + images,
        measured: None,
    }
}
