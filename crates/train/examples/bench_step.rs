//! Our side of `scripts/bench/train-step.mjs`: times whole training steps when it is asked to.
//! Speaks the JSON lines that `scripts/bench/pytorch_step.py` describes; `mode` is `auto` (what
//! `train()` would choose here) or a precision.
//!
//! A step is what the run does with a batch: from normalised images in memory to the updated
//! weights, the loss and the number of right answers.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::time::Instant;

use residual_arch::build;
use residual_model::{count_right, Compute, Model};
use residual_spec::{Device, MemoryFormat, Optimizer as Rule, Precision, Shortcut, Stem};
use residual_train::{machine_facts, Optimizer};
use serde_json::{json, Value};
use tch::{Reduction, Tensor};

const BATCH: usize = 128;
const SIZE: usize = 32;

struct Trainer {
    model: Model,
    optimizer: Optimizer,
    images: Vec<f32>,
    labels: Vec<i64>,
}

impl Trainer {
    fn new(net: &str, mode: &str) -> Trainer {
        let precision = match mode {
            "fp32" => Precision::Fp32,
            "bf16" => Precision::Bf16,
            _ if machine_facts().bf16 => Precision::Bf16,
            _ => Precision::Fp32,
        };
        let compute =
            Compute { precision, memory_format: MemoryFormat::ChannelsLast, device: Device::Cpu };
        let config = residual_spec::Model {
            arch: net.into(),
            stem: Stem::Cifar,
            shortcut: if net == "resnet20" { Shortcut::A } else { Shortcut::B },
            zero_init_residual: false,
            bottleneck_stride: residual_spec::BottleneckStride::Middle,
            weights: None,
            weights_sha256: None,
            freeze: Vec::new(),
        };
        let network = build(&config, 3, SIZE as u32, 10).expect("a known network");
        let model = Model::new(network, compute, 1).expect("weights");
        let sgd = residual_spec::Sgd {
            lr: 0.1,
            momentum: 0.9,
            weight_decay: 5e-4,
            nesterov: false,
            decay_norms: true,
        };
        let optimizer = Optimizer::new(&Rule::Sgd(sgd), &model).expect("an optimizer");
        let images = (0..BATCH * SIZE * SIZE * 3).map(|i| ((i * 7919) % 255) as f32 / 127.0 - 1.0);
        let labels = (0..BATCH as i64).map(|i| i % 10);
        Trainer { model, optimizer, images: images.collect(), labels: labels.collect() }
    }

    fn step(&mut self) -> residual_spec::Result<f64> {
        let input = self.model.input(&self.images, BATCH)?;
        let labels = self.model.labels(&self.labels)?;
        let logits = self.model.forward(&input, true)?;
        let loss = logits.cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, 0.0);
        let value = loss.double_value(&[]);
        let gradients = self.optimizer.gradients(&loss)?;
        self.optimizer.step(&gradients, 0.1)?;
        count_right(&logits.detach(), &labels)?;
        Ok(value)
    }
}

fn answer(line: Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("someone listens");
}

fn main() {
    residual_torch::keep_freed_memory();
    let threads = machine_facts().cores;
    tch::set_num_threads(threads as i32);
    answer(json!({ "torch": residual_torch::version(), "threads": threads }));
    let mut trainers = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let word = |key: &str| request[key].as_str().expect("a word").to_string();
        let (net, mode) = (word("net"), word("mode"));
        let trainer = trainers
            .entry((net.clone(), mode.clone()))
            .or_insert_with(|| Trainer::new(&net, &mode));
        let steps = request["steps"].as_u64().expect("a number");
        let begin = Instant::now();
        let mut loss = 0.0;
        for _ in 0..steps {
            loss = trainer.step().expect("a step");
        }
        let seconds = begin.elapsed().as_secs_f64();
        answer(json!({
            "net": net,
            "mode": mode,
            "steps": steps,
            "seconds": seconds,
            "imagesPerSecond": steps as f64 * BATCH as f64 / seconds,
            "loss": loss,
        }));
    }
}
