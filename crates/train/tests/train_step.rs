//! Weights after a few updates with label smoothing, class weights, clipping, accumulation and a
//! moving average, in float64, compared with the PyTorch results that
//! `scripts/fixtures/training.py` recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use residual_data::Batch;
use residual_model::{ComputeOptions, Model};
use residual_spec::{DatasetInfo, MachineInfo, ResolvedConfig, TrainConfig, resolve};
use residual_train::{StepOutcome, TrainStep};
use residual_weights::DType;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

#[path = "../../optim/tests/oracle/mod.rs"]
mod oracle;

use oracle::{c, fixture, initial, number, numbers};

const CLASSES: u64 = 10;

fn config(case: &Value, size: u64) -> ResolvedConfig {
    let facts = DatasetInfo {
        source: "x".into(),
        train: 100,
        ..DatasetInfo::unknown(
            (0..CLASSES).map(|class| class.to_string()).collect(),
            3,
            Some([size as u32; 2]),
        )
    };
    let weights: Vec<f64> = (0..CLASSES).map(|class| 0.5 + class as f64 / 10.0).collect();
    let config = json!({
        "model": { "arch": "resnet8", "shortcut": "A" },
        "precision": "fp64",
        "optimizer": {
            "lr": 0.05, "momentum": 0.9, "weightDecay": 5e-3, "decayNorms": case["decay_norms"],
        },
        "loss": {
            "labelSmoothing": case["label_smoothing"],
            "classWeights": if case["weighted"].as_bool().unwrap() {
                json!({ "type": "given", "weights": weights })
            } else {
                json!("none")
            },
        },
        "gradient": {
            "clipNorm": case["clip_norm"],
            "clipValue": case["clip_value"],
            "accumulate": case["batches"].as_array().unwrap().len(),
        },
        "ema": { "decay": case["decay"] },
    });
    let machine = MachineInfo::with_cores(1);
    resolve(&TrainConfig::from_json(&config).unwrap(), &facts, &machine).unwrap()
}

/// Returns the network with the initial values of the fixtures, and the number `k` of each tensor.
fn initial_model(config: &ResolvedConfig, size: u64) -> (Model, BTreeMap<String, u64>) {
    let network = residual_arch::build(&config.model, 3, size as u32, CLASSES as u32).unwrap();
    let mut numbers = BTreeMap::new();
    let tensors = network
        .tensors()
        .into_iter()
        .enumerate()
        .map(|(k, tensor)| {
            numbers.insert(tensor.name.clone(), k as u64);
            let values = initial(k as u64, &tensor.name, &tensor.shape);
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let shape = tensor.shape.iter().map(|&n| n as usize).collect();
            (tensor.name, residual_weights::Tensor { dtype: DType::F64, shape, bytes })
        })
        .collect();
    (
        Model::from_state_dict(network, ComputeOptions::from_config(config), &tensors).unwrap(),
        numbers,
    )
}

/// Returns batch number `b` of the fixtures in the layout of a loader.
fn batch(b: u64, count: u64, size: u64) -> Batch {
    let pixels = size * size;
    // The fixtures are NCHW, batches are NHWC.
    let value =
        |n: u64, pixel: u64, channel: u64| c(1000 + b, (n * 3 + channel) * pixels + pixel) as f32;
    let images = (0..count).flat_map(|n| {
        (0..pixels).flat_map(move |p| (0..3).map(move |channel| value(n, p, channel)))
    });
    Batch {
        images: Arc::new(images.collect()),
        labels: (0..count).map(|n| ((n + b) % CLASSES) as i64).collect(),
        ..Batch::default()
    }
}

fn done<T>(outcome: StepOutcome<T>) -> T {
    match outcome {
        StepOutcome::Done(value) => value,
        StepOutcome::Diverged(divergence) => {
            panic!("{} became {}", divergence.quantity, divergence.value)
        }
    }
}

fn assert_digests(case: &str, model: &Model, k: &BTreeMap<String, u64>, expected: &Value) {
    let expected = expected.as_object().unwrap();
    assert_eq!(expected.len(), model.tensors().count());
    for (name, tensor) in model.tensors() {
        let values: Vec<f64> =
            Vec::try_from(tensor.detach().to_kind(Kind::Double).contiguous().view([-1])).unwrap();
        let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        let project = |(i, x): (usize, &f64)| x * c(2000 + k[name], i as u64);
        let projection: f64 = values.iter().enumerate().map(project).sum();
        let digest = &expected[name];
        for (found, expected) in [(norm, &digest["norm"]), (projection, &digest["projection"])] {
            let error = (found - number(expected)).abs();
            assert!(error <= 1e-9 * number(&digest["norm"]).max(1e-3), "{case} {name}: {error:e}");
        }
    }
}

#[test]
fn train_step_matches_pytorch() {
    let fixture = fixture("train_step");
    let size = fixture["size"].as_u64().unwrap();
    for (case_index, case) in fixture["cases"].as_array().unwrap().iter().enumerate() {
        let config = config(case, size);
        let (model, k) = initial_model(&config, size);
        let mut step = TrainStep::new(&config, model, &[]).unwrap();
        let mut b = 0;
        for expected in case["losses"].as_array().unwrap() {
            let mut num_images = 0.0;
            for count in numbers(&case["batches"]) {
                let batch = batch(b, count as u64, size);
                b += 1;
                assert!(!step.is_full());
                done(step.forward_backward(&batch).unwrap());
                num_images += count;
            }
            assert!(step.is_full());
            let metrics = done(step.optimizer_step(0.05).unwrap());
            assert_eq!(metrics.count as f64, num_images);
            // The reported loss weights batches by their images, the recorded loss by class
            // weights.
            if !case["weighted"].as_bool().unwrap() {
                let error = (metrics.loss_sum / num_images / number(expected) - 1.0).abs();
                assert!(error <= 1e-10, "case {case_index}: {error:e}");
            }
        }
        let name = format!("case {case_index}");
        assert_digests(&name, step.model(), &k, &case["tensors"]);
        if number(&case["decay"]) > 0.0 {
            assert_digests(&name, step.eval_model(), &k, &case["average"]);
        }
    }
}

#[test]
fn a_loss_that_is_not_finite_leaves_weights_and_statistics_unchanged() {
    let fixture = fixture("train_step");
    let size = fixture["size"].as_u64().unwrap();
    let config = config(&fixture["cases"][0], size);
    let (model, _) = initial_model(&config, size);
    let mut step = TrainStep::new(&config, model, &[]).unwrap();
    let tensors = |step: &TrainStep| -> Vec<Tensor> {
        step.model().tensors().map(|(_, tensor)| tensor.detach().copy()).collect()
    };
    let before = tensors(&step);
    let mut with_nan = batch(0, 8, size);
    with_nan.images_mut()[0] = f32::NAN;
    let StepOutcome::Diverged(divergence) = step.forward_backward(&with_nan).unwrap() else {
        panic!("a loss of NaN is not reported");
    };
    assert!(divergence.value.is_nan());
    assert!(step.roll_back().unwrap());
    for (before, after) in before.iter().zip(tensors(&step)) {
        assert!(before.equal(&after));
    }
}
