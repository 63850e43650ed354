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
use residual_data::Batch;
use residual_model::{Compute, Model};
use residual_spec::{resolve, DataFacts, DataFormat, TrainConfig};
use residual_train::{machine_facts, Learner, Step};
use serde_json::{json, Value};

const BATCH: usize = 128;
const SIZE: usize = 32;
const CLASSES: u32 = 10;
const LR: f64 = 0.1;

struct Trainer {
    learner: Learner,
    batch: Batch,
}

impl Trainer {
    fn new(net: &str, mode: &str) -> Trainer {
        let facts = DataFacts {
            source: "bench".into(),
            format: DataFormat::ImageFolder,
            classes: (0..CLASSES).map(|class| class.to_string()).collect(),
            channels: 3,
            image_size: Some([SIZE as u32; 2]),
            train: BATCH as u32,
            val: 0,
            test: 0,
            mean: None,
            std: None,
            mirrored_is_natural: true,
            fingerprint: "0".into(),
        };
        let config = json!({
            "model": { "arch": net, "stem": "cifar" },
            "precision": mode,
            "optimizer": { "lr": LR, "momentum": 0.9, "weightDecay": 5e-4 },
            "data": { "source": "bench", "validation": 0 },
        });
        let config = TrainConfig::from_json(&config).expect("a configuration");
        let config = resolve(&config, &facts, &machine_facts()).expect("a configuration");
        let network = build(&config.model, 3, SIZE as u32, CLASSES).expect("a known network");
        let model = Model::new(network, Compute::of(&config), 1).expect("weights");
        let learner = Learner::new(&config, model, &[]).expect("a learner");
        let images = (0..BATCH * SIZE * SIZE * 3).map(|i| ((i * 7919) % 255) as f32 / 127.0 - 1.0);
        let labels = (0..BATCH as i64).map(|i| i % i64::from(CLASSES));
        let batch =
            Batch { images: images.collect(), labels: labels.collect(), ..Batch::default() };
        Trainer { learner, batch }
    }

    /// The loss, NaN where it diverged.
    fn step(&mut self) -> residual_spec::Result<f64> {
        let Step::Done(()) = self.learner.add(&self.batch)? else { return Ok(f64::NAN) };
        match self.learner.update(LR)? {
            Step::Done(sums) => Ok(sums.loss / sums.count as f64),
            Step::NotFinite(_) => Ok(f64::NAN),
        }
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
