//! Logits, losses, gradients, running statistics and SGD compared with the PyTorch results that
//! `scripts/fixtures/oracle.py` recorded. The docstring of this script defines the inputs.

use std::collections::BTreeMap;

use residual_arch::{Network, build};
use residual_model::{ComputeOptions, Model};
use residual_optim::Optimizer;
use residual_spec::{
    BottleneckStride, Device, MemoryFormat, Optimizer as Rule, Precision, RANDOM_INIT, Shortcut,
    Stem,
};
use residual_weights::DType;
use serde_json::Value;
use tch::{Kind, Reduction, Tensor};

#[path = "../../optim/tests/oracle/mod.rs"]
mod oracle;

use oracle::{c, fixture, number};

/// A fixture with its network, and the number `k` of each tensor.
struct Case {
    fixture: Value,
    network: Network,
    numbers: BTreeMap<String, u64>,
}

impl Case {
    fn new(name: &str) -> Case {
        let fixture = fixture(name);
        let description = &fixture["network"];
        let string = |key: &str| description[key].as_str().unwrap();
        let model = residual_spec::Model {
            arch: string("arch").into(),
            stem: match string("stem") {
                "cifar" => Stem::Cifar,
                "imagenet" => Stem::Imagenet,
                stem => panic!("unknown stem {stem}"),
            },
            shortcut: match string("shortcut") {
                "A" => Shortcut::A,
                "B" => Shortcut::B,
                "C" => Shortcut::C,
                "none" => Shortcut::None,
                shortcut => panic!("unknown shortcut {shortcut}"),
            },
            zero_init_residual: false,
            bottleneck_stride: match description["bottleneckStride"].as_str() {
                None => BottleneckStride::Middle,
                Some("1x1") => BottleneckStride::First,
                Some(stride) => panic!("unknown bottleneck stride {stride}"),
            },
            weights: RANDOM_INIT.into(),
            weights_sha256: None,
            freeze: Vec::new(),
        };
        let size = fixture["size"].as_u64().unwrap() as u32;
        let mut network = build(&model, 3, size, 10).unwrap();
        if !network.hidden.is_empty() {
            narrow(&mut network);
        }
        let numbers = fixture["tensors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tensor| {
                (tensor["name"].as_str().unwrap().to_string(), tensor["k"].as_u64().unwrap())
            })
            .collect();
        Case { fixture, network, numbers }
    }

    fn model(&self, precision: Precision, memory_format: MemoryFormat) -> Model {
        let compute = ComputeOptions { precision, memory_format, device: Device::Cpu };
        let tensors = self
            .network
            .tensors()
            .into_iter()
            .map(|tensor| {
                let k = self.numbers[&tensor.name];
                let numel = tensor.numel();
                let fan_in = (numel / tensor.shape[0]) as f64;
                let is_matrix = tensor.shape.len() > 1;
                let is_centered_at_one = !is_matrix
                    && (tensor.name.ends_with(".weight") || tensor.name.ends_with("running_var"));
                let bytes = (0..numel)
                    .flat_map(|i| {
                        let value = match () {
                            () if is_matrix => c(k, i) * (6.0 / fan_in).sqrt(),
                            () if is_centered_at_one => 1.0 + 0.1 * c(k, i),
                            () => 0.1 * c(k, i),
                        };
                        value.to_le_bytes()
                    })
                    .collect();
                let shape = tensor.shape.iter().map(|&n| n as usize).collect();
                (tensor.name, residual_weights::Tensor { dtype: DType::F64, shape, bytes })
            })
            .collect();
        Model::from_state_dict(self.network.clone(), compute, &tensors).unwrap()
    }

    /// Returns images `[n, 3, size, size]` and labels of a step, in the precision of `model`.
    fn batch(&self, model: &Model, step: u64) -> (Tensor, Tensor) {
        let n = self.fixture["batch"].as_u64().unwrap();
        let size = u64::from(self.network.image_size);
        let images: Vec<f64> = (0..n * 3 * size * size).map(|i| c(1000 + step, i)).collect();
        let images = Tensor::from_slice(&images).view([n as i64, 3, size as i64, size as i64]);
        let kind = match model.compute().precision {
            Precision::Fp64 => Kind::Double,
            Precision::Fp32 => Kind::Float,
            Precision::Bf16 => Kind::BFloat16,
            Precision::Fp16 => Kind::Half,
        };
        let labels: Vec<i64> = (0..n).map(|i| ((i + step) % 10) as i64).collect();
        let images = images.to_kind(kind);
        let images = match model.compute().memory_format {
            MemoryFormat::ChannelsLast => residual_torch::channels_last(&images).unwrap(),
            MemoryFormat::Contiguous => images,
        };
        (images, Tensor::from_slice(&labels))
    }

    /// Returns `max|a-b| / max|b|`, with the logits of the fixture as `b`.
    fn logits_error(logits: &Tensor, expected: &Value) -> f64 {
        let expected: Vec<f64> = expected
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row.as_array().unwrap().iter().map(number))
            .collect();
        let found: Vec<f64> = Vec::try_from(logits.to_kind(Kind::Double).view([-1])).unwrap();
        assert_eq!(found.len(), expected.len());
        let max = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let error = max(&mut found.iter().zip(&expected).map(|(a, b)| (a - b).abs()));
        error / max(&mut expected.iter().map(|b| b.abs()))
    }

    /// Returns the maximum error of the norms and projections of the tensors, relative to the
    /// norms.
    fn digest_error<'t>(
        &self,
        tensors: impl IntoIterator<Item = (&'t str, &'t Tensor)>,
        expected: &Value,
    ) -> f64 {
        let expected = expected.as_object().unwrap();
        let mut num_compared = 0;
        let mut max_error = 0.0f64;
        for (name, tensor) in tensors {
            let Some(digest) = expected.get(name) else { continue };
            let k = self.numbers[name];
            let values: Vec<f64> =
                Vec::try_from(tensor.detach().to_kind(Kind::Double).contiguous().view([-1]))
                    .unwrap();
            let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
            let projection: f64 =
                values.iter().enumerate().map(|(i, x)| x * c(2000 + k, i as u64)).sum();
            let scale = number(&digest["norm"]).max(MIN_NORM);
            let norm_error = (norm - number(&digest["norm"])).abs();
            let projection_error = (projection - number(&digest["projection"])).abs();
            max_error = max_error.max(norm_error / scale).max(projection_error / scale);
            num_compared += 1;
        }
        assert_eq!(num_compared, expected.len(), "number of compared tensors");
        max_error
    }
}

/// Lower bound of the norm to which errors are relative, so that a bound of 1e-9 allows an absolute
/// error of 1e-14. The gradient of a convolution's bias before batch normalization is zero in exact
/// arithmetic; the fixtures contain the rounding errors of one CPU (norms of about 1e-15).
const MIN_NORM: f64 = 1e-5;

/// Replaces VGG's classifier by the narrow classifier without dropout of the fixtures.
fn narrow(network: &mut Network) {
    const WIDTH: u32 = 16;
    for hidden in &mut network.hidden {
        hidden.dropout = 0.0;
        hidden.linear.out_features = WIDTH;
    }
    network.hidden[1].linear.in_features = WIDTH;
    network.head.in_features = WIDTH;
}

fn assert_within(quantity: &str, error: f64, bound: f64) {
    assert!(error <= bound, "error of {quantity}: {error:e}, more than {bound:e}");
}

fn assert_matches_pytorch(name: &str) {
    let case = Case::new(name);
    let fixture = &case.fixture;

    // fp32, in both memory formats.
    for format in [MemoryFormat::Contiguous, MemoryFormat::ChannelsLast] {
        let model = case.model(Precision::Fp32, format);
        let (images, _) = case.batch(&model, 0);
        let logits = tch::no_grad(|| model.forward(&images, false).unwrap());
        let error = Case::logits_error(&logits, &fixture["eval"]["logits"]);
        assert_within(&format!("{name} fp32 logits, {format:?}"), error, 1e-5);
    }

    let initial_model = || case.model(Precision::Fp64, MemoryFormat::Contiguous);
    let model = initial_model();
    let (images, labels) = case.batch(&model, 0);
    let logits = tch::no_grad(|| model.forward(&images, false).unwrap());
    let error = Case::logits_error(&logits, &fixture["eval"]["logits"]);
    assert_within("logits in evaluation mode", error, 1e-10);

    let step = &fixture["step"];
    let sgd = Optimizer::new(&optimizer(0.1, 0.0, 0.0, false), model.parameters()).unwrap();
    let logits = model.forward(&images, true).unwrap();
    let loss = logits.cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, 0.0);
    let gradients = sgd.gradients(&loss).unwrap();
    let error = Case::logits_error(&logits.detach(), &step["logits"]);
    assert_within("logits in training mode", error, 1e-10);
    assert_within("loss", (loss.double_value(&[]) / number(&step["loss"]) - 1.0).abs(), 1e-10);
    let named_gradients = model.parameters().map(|(name, _)| name).zip(&gradients);
    assert_within("gradients", case.digest_error(named_gradients, &step["gradients"]), 1e-9);
    let running = case.digest_error(model.tensors(), &step["running"]);
    assert_within("running statistics", running, 1e-10);

    for training in fixture["training"].as_array().unwrap() {
        let model = initial_model();
        let mut sgd = Optimizer::new(
            &optimizer(
                number(&training["lr"]),
                number(&training["momentum"]),
                number(&training["weight_decay"]),
                training["nesterov"].as_bool().unwrap(),
            ),
            model.parameters(),
        )
        .unwrap();
        for (step, expected) in training["losses"].as_array().unwrap().iter().enumerate() {
            let (images, labels) = case.batch(&model, step as u64);
            let logits = model.forward(&images, true).unwrap();
            let loss =
                logits.cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, 0.0);
            let error = (loss.double_value(&[]) / number(expected) - 1.0).abs();
            assert_within(&format!("loss of step {step}"), error, 1e-9);
            let gradients = sgd.gradients(&loss).unwrap();
            sgd.step(&gradients, number(&training["lr"]), None).unwrap();
        }
        let error = case.digest_error(model.tensors(), &training["tensors"]);
        assert_within("tensors after the last step", error, 1e-9);
    }
}

fn optimizer(lr: f64, momentum: f64, weight_decay: f64, nesterov: bool) -> Rule {
    Rule::Sgd(residual_spec::Sgd { lr, momentum, weight_decay, nesterov, decay_norms: true })
}

#[test]
fn resnet20_with_projections_matches_pytorch() {
    assert_matches_pytorch("resnet20-b");
}

#[test]
fn resnet20_with_padded_shortcuts_matches_pytorch() {
    assert_matches_pytorch("resnet20-a");
}

#[test]
fn resnet18_for_cifar_matches_pytorch() {
    assert_matches_pytorch("resnet18");
}

#[test]
fn resnet18_for_imagenet_matches_pytorch() {
    assert_matches_pytorch("resnet18-imagenet");
}

#[test]
fn resnet50_matches_pytorch() {
    assert_matches_pytorch("resnet50");
}

#[test]
fn resnet20_with_projections_everywhere_matches_pytorch() {
    assert_matches_pytorch("resnet20-c");
}

#[test]
fn bottlenecks_with_stride_in_the_first_convolution_match_pytorch() {
    assert_matches_pytorch("resnet50-stride-1x1");
}

#[test]
fn a_plain_network_matches_pytorch() {
    assert_matches_pytorch("plain20");
}

#[test]
fn a_preactivation_network_matches_pytorch() {
    assert_matches_pytorch("preresnet20");
}

#[test]
fn preactivation_bottlenecks_match_pytorch() {
    assert_matches_pytorch("preresnet164");
}

#[test]
fn a_wide_residual_network_matches_pytorch() {
    assert_matches_pytorch("wrn16_2");
}

#[test]
fn resnext_matches_pytorch() {
    assert_matches_pytorch("resnext50_32x4d");
}

#[test]
fn wide_resnet_matches_pytorch() {
    assert_matches_pytorch("wide_resnet50_2");
}

#[test]
fn vgg_matches_pytorch() {
    assert_matches_pytorch("vgg11");
}

#[test]
fn vgg_with_batch_norm_matches_pytorch() {
    assert_matches_pytorch("vgg11_bn");
}

#[test]
fn the_hash_matches_oracle_py() {
    assert!((c(0, 0) - 0.7666216164272852).abs() < 1e-15);
    assert!((c(3, 5) - 0.07714623528683173).abs() < 1e-15);
}
