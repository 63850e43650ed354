//! What this machine makes of a network: whole updates and forward passes a second, on images in
//! memory. (Reading and augmenting images is left out; `plan` has it.)

use std::time::Instant;

use residual_arch::Network;
use residual_data::Batch;
use residual_model::{ComputeOptions, Model, predict_log_probs};
use residual_spec::{
    BenchConfig, BenchResult, DatasetInfo, FromJson, InspectConfig, KeyPath, NameOr,
    ResolvedConfig, Result, Throughput, TrainConfig, resolve, resolve_inspect,
};
use serde_json::{Value, json};

use residual_train::{Learner, synthetic_batch, train_once};

use crate::thread_count::Threads;

const ROUNDS: u32 = 5;
const SECONDS: f64 = 1.0;

/// Measures updates and forward passes in turns, so that a machine that slows down slows both.
/// `go_on` is asked before each step; `false` ends with `None`.
///
/// # Errors
/// `E_CONFIG` and `E_UNKNOWN_KEY` for what was said; `E_DEVICE`; `E_MEMORY` where that runs out.
pub fn bench(said: &Value, go_on: &dyn Fn() -> bool) -> Result<Option<BenchResult>> {
    let asked = BenchConfig::from_json_at(said, &KeyPath::Root)?;
    let rounds = asked.rounds.unwrap_or(ROUNDS);
    let seconds = asked.seconds.unwrap_or(SECONDS);
    let refuse =
        |key, wanted, found: Value| KeyPath::Key(&KeyPath::Root, key).invalid(wanted, &found);
    if !(1..=1000).contains(&rounds) {
        return Err(refuse("rounds", "from 1 to 1000", rounds.into()));
    }
    if !(0.0..=600.0).contains(&seconds) {
        return Err(refuse("seconds", "from 0 to 600", seconds.into()));
    }
    if asked.batch_size.as_ref().and_then(|said| said.value()) == Some(&1) {
        let wanted = "2 or more, for batch normalisation cannot be trained on one image";
        return Err(refuse("batchSize", wanted, json!(1)));
    }
    let (config, network) = subject(&asked)?;
    let _threads = Threads::set(config.threads);
    let model = Model::new(network.clone(), ComputeOptions::from_config(&config), config.seed)?;
    let mut learner = Learner::new(&config, model, &[])?;
    let batch = synthetic_batch(&config, &network);

    // The first of each takes longer: memory is fetched, kernels are chosen.
    if !go_on() {
        return Ok(None);
    }
    train_once(&mut learner, &batch)?;
    classify_untracked(&learner, &batch)?;
    let (mut trained, mut predicted) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let Some(rate) =
            round(seconds, batch.len(), go_on, &mut || train_once(&mut learner, &batch))?
        else {
            return Ok(None);
        };
        trained.push(rate);
        let mut predict = || classify_untracked(&learner, &batch);
        let Some(rate) = round(seconds, batch.len(), go_on, &mut predict)? else {
            return Ok(None);
        };
        predicted.push(rate);
    }
    Ok(Some(BenchResult {
        arch: network.name.clone(),
        image_size: network.image_size,
        channels: network.channels,
        classes: network.head.out_features,
        batch_size: config.batch_size,
        precision: config.precision,
        device: config.device,
        threads: config.threads,
        parameters: network.parameters(),
        macs: network.macs(),
        train: Throughput::from_rounds(trained),
        predict: Throughput::from_rounds(predicted),
    }))
}

/// Images a second of steps for so long; `None` if `go_on` said so.
fn round(
    seconds: f64,
    images: usize,
    go_on: &dyn Fn() -> bool,
    step: &mut dyn FnMut() -> Result<()>,
) -> Result<Option<f64>> {
    let begun = Instant::now();
    let mut done = 0;
    loop {
        if !go_on() {
            return Ok(None);
        }
        step()?;
        done += images;
        let elapsed = begun.elapsed().as_secs_f64();
        if elapsed >= seconds {
            return Ok(Some(done as f64 / elapsed));
        }
    }
}

fn classify_untracked(learner: &Learner, batch: &Batch) -> Result<()> {
    let _no_grad = tch::no_grad_guard();
    predict_log_probs(&learner.model, None, batch).map(|_| ())
}

/// The network, and how a run with it would compute.
fn subject(asked: &BenchConfig) -> Result<(ResolvedConfig, Network)> {
    let target = resolve_inspect(&InspectConfig {
        model: asked.model.clone().or_else(|| Some(NameOr::Name("resnet20".into()))),
        channels: asked.channels,
        image_size: asked.image_size,
        classes: asked.classes,
    })?;
    let network =
        residual_arch::build(&target.model, target.channels, target.image_size, target.classes)?;
    let facts = DatasetInfo {
        source: "images in memory".into(),
        ..DatasetInfo::unknown(
            (0..target.classes.max(2)).map(|class| class.to_string()).collect(),
            target.channels,
            Some([target.image_size; 2]),
        )
    };
    let config = TrainConfig {
        batch_size: asked.batch_size.clone(),
        precision: asked.precision.clone(),
        device: asked.device.clone(),
        threads: asked.threads.clone(),
        ..TrainConfig::from_json(&json!({
            "model": target.model,
            "data": { "source": "images in memory", "validation": 0, "imageSize": target.image_size },
        }))?
    };
    Ok((resolve(&config, &facts, &crate::machine_info())?, network))
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::ErrorCode;

    #[test]
    fn both_are_measured_as_often_as_asked() {
        let said = json!({ "model": "resnet8", "batchSize": 2, "imageSize": 8, "rounds": 3,
            "seconds": 0, "threads": 1, "precision": "fp32" });
        let result = bench(&said, &|| true).unwrap().unwrap();
        assert_eq!((result.arch.as_str(), result.image_size, result.batch_size), ("resnet8", 8, 2));
        for rates in [&result.train, &result.predict] {
            assert_eq!(rates.rounds.len(), 3);
            assert!(rates.min > 0.0 && rates.min <= rates.median);
            assert!(rates.median <= rates.max);
        }
        assert!(bench(&said, &|| false).unwrap().is_none());
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        for (key, value) in [
            ("rounds", json!(0)),
            ("seconds", json!(-1)),
            ("batchSize", json!(1)),
            ("model", json!("resnet19")),
            ("rouns", json!(3)),
        ] {
            let error = bench(&json!({ key: value }), &|| true).unwrap_err();
            assert!(matches!(error.code, ErrorCode::Config | ErrorCode::UnknownKey), "{error}");
            assert!(error.at.key.unwrap().starts_with(key), "{key}");
        }
    }
}
