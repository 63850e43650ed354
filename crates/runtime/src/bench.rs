//! Throughput of a network on this machine: training steps and forward passes of synthetic images.
//! Unlike `plan`, the measurement excludes reading and augmenting images.

use std::time::Instant;

use residual_data::Batch;
use residual_model::{ComputeOptions, Model, predict_log_probs};
use residual_spec::{
    BenchConfig, BenchOptions, BenchResult, FromJson, Result, Throughput, resolve_bench,
};
use residual_train::{TrainStep, synthetic_batch, train_once};
use serde_json::Value;

use crate::thread_count::ThreadCount;

/// Measures training steps and forward passes alternately, so that a change of the clock speed
/// affects both. `is_cancelled` is called before each step. Returns `None` if it returned true.
///
/// # Errors
/// `E_CONFIG` and `E_UNKNOWN_KEY` for invalid options; `E_DEVICE`; `E_MEMORY`.
pub fn bench(options: &Value, is_cancelled: &dyn Fn() -> bool) -> Result<Option<BenchResult>> {
    let options = BenchConfig::parse(options)?;
    let options = resolve_bench(&options, &crate::machine_info())?;
    let BenchOptions { target, config, rounds, seconds } = options;
    let network =
        residual_arch::build(&target.model, target.channels, target.image_size, target.classes)?;
    let _threads = ThreadCount::set(config.threads);
    let model = Model::new(network.clone(), ComputeOptions::from_config(&config), config.seed)?;
    let mut step = TrainStep::new(&config, model, &[])?;
    let batch = synthetic_batch(&config, &network);

    // Warm up: the first step also allocates memory and selects kernels.
    if is_cancelled() {
        return Ok(None);
    }
    train_once(&mut step, &batch)?;
    predict_once(&step, &batch)?;
    let (mut train, mut predict) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut work = || train_once(&mut step, &batch);
        let Some(rate) = measure(seconds, batch.len(), is_cancelled, &mut work)? else {
            return Ok(None);
        };
        train.push(rate);
        let mut work = || predict_once(&step, &batch);
        let Some(rate) = measure(seconds, batch.len(), is_cancelled, &mut work)? else {
            return Ok(None);
        };
        predict.push(rate);
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
        train: Throughput::from_rounds(train),
        predict: Throughput::from_rounds(predict),
    }))
}

/// Repeats `work`, which processes `images` images, for at least `seconds`, and returns images per
/// second; `None` if the measurement was cancelled.
fn measure(
    seconds: f64,
    images: usize,
    is_cancelled: &dyn Fn() -> bool,
    work: &mut dyn FnMut() -> Result<()>,
) -> Result<Option<f64>> {
    let started = Instant::now();
    let mut num_images = 0;
    loop {
        if is_cancelled() {
            return Ok(None);
        }
        work()?;
        num_images += images;
        let elapsed = started.elapsed().as_secs_f64();
        if elapsed >= seconds {
            return Ok(Some(num_images as f64 / elapsed));
        }
    }
}

fn predict_once(step: &TrainStep, batch: &Batch) -> Result<()> {
    let _no_grad = tch::no_grad_guard();
    predict_log_probs(step.model(), None, batch).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::ErrorCode;
    use serde_json::json;

    #[test]
    fn measures_training_and_prediction_in_every_round() {
        let config = json!({ "model": "resnet8", "batchSize": 2, "imageSize": 8, "rounds": 3,
            "seconds": 0, "threads": 1, "precision": "fp32" });
        let result = bench(&config, &|| false).unwrap().unwrap();
        assert_eq!((result.arch.as_str(), result.image_size, result.batch_size), ("resnet8", 8, 2));
        for rates in [&result.train, &result.predict] {
            assert_eq!(rates.rounds.len(), 3);
            assert!(rates.min > 0.0 && rates.min <= rates.median);
            assert!(rates.median <= rates.max);
        }
        assert!(bench(&config, &|| true).unwrap().is_none());
    }

    #[test]
    fn invalid_options_name_their_key() {
        for (key, value) in [
            ("rounds", json!(0)),
            ("seconds", json!(-1)),
            ("batchSize", json!(1)),
            ("model", json!("resnet19")),
            ("rouns", json!(3)),
        ] {
            let error = bench(&json!({ key: value }), &|| false).unwrap_err();
            assert!(matches!(error.code, ErrorCode::Config | ErrorCode::UnknownKey), "{error}");
            assert!(error.at.key.unwrap().starts_with(key), "{key}");
        }
    }
}
