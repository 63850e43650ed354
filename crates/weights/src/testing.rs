//! Checkpoints for tests.

use std::collections::BTreeMap;

use residual_spec::{DatasetInfo, MachineInfo, TrainConfig, resolve};
use serde_json::json;

use crate::{Checkpoint, DType, Tensor};

/// Returns a checkpoint with three small tensors.
pub(crate) fn checkpoint() -> Checkpoint {
    let data = DatasetInfo {
        source: "./photos".into(),
        train: 240,
        std: Some(vec![0.1 + 0.2, 0.25, 0.25]),
        ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, Some([32, 32]))
    };
    let machine = MachineInfo::with_cores(2);
    let weight = Tensor { dtype: DType::F32, shape: vec![2, 3], bytes: (0..24).collect() };
    let batches = Tensor { dtype: DType::I64, shape: vec![], bytes: vec![7, 0, 0, 0, 0, 0, 0, 0] };
    Checkpoint {
        tensors: BTreeMap::from([
            ("fc.weight".into(), weight.clone()),
            ("bn1.num_batches_tracked".into(), batches),
            ("optimizer.momentum.fc.weight".into(), weight),
        ]),
        config: resolve(&TrainConfig::default(), &data, &machine).unwrap(),
        data,
        progress: json!({ "epoch": 3, "step": 99 }),
    }
}

/// Returns a checkpoint with every tensor of the network `arch`, for images of `size` x `size`.
pub(crate) fn checkpoint_of(arch: &str, size: u32) -> Checkpoint {
    let mut checkpoint = checkpoint();
    let config = json!({ "model": arch, "data": { "source": "./photos", "imageSize": size } });
    let machine = MachineInfo::with_cores(2);
    let config = TrainConfig::from_json(&config).unwrap();
    checkpoint.config = resolve(&config, &checkpoint.data, &machine).unwrap();
    if arch.contains("resnet18") || arch.contains("50") {
        checkpoint.config.model.stem = residual_spec::Stem::Imagenet;
    }
    let network = residual_arch::build(&checkpoint.config.model, 3, size, 2).unwrap();
    checkpoint.tensors.clear();
    for spec in network.tensors() {
        let bytes = vec![spec.name.len() as u8; 4 * spec.numel() as usize];
        let shape = spec.shape.iter().map(|&n| n as usize).collect();
        checkpoint.tensors.insert(spec.name, Tensor { dtype: DType::F32, shape, bytes });
    }
    let momentum = Tensor { dtype: DType::F32, shape: vec![1], bytes: vec![0; 4] };
    checkpoint.tensors.insert("optimizer.momentum.fc.bias".into(), momentum);
    checkpoint
}
