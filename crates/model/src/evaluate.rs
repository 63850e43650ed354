//! Evaluation: in evaluation mode, on unaugmented images.

use std::time::Instant;

use residual_data::Loader;
use residual_spec::{Error, ErrorCode, Evaluation, Result, WarningEvent};
use residual_torch::torch_error;
use tch::{Kind, Tensor};

use crate::{DeviceDataset, EvaluationMetrics, Model, predict_log_probs};

/// How many rows of `logits` have their greatest value at their label.
pub fn count_correct(logits: &Tensor, labels: &Tensor) -> Result<i64> {
    num_correct(logits, labels)?.f_int64_value(&[]).map_err(torch_error)
}

/// The same number, where the logits are.
pub fn num_correct(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    logits
        .f_argmax(1, false)
        .and_then(|predicted| predicted.f_eq_tensor(labels))
        .and_then(|right| right.f_sum(Kind::Int64))
        .map_err(torch_error)
}

/// Of logits `[n, classes]`, the logarithms of the probabilities in float64, row by row: what
/// [`EvaluationMetrics::add`] takes.
pub fn log_probs(logits: &Tensor) -> Result<Vec<f64>> {
    logits
        .f_log_softmax(1, Kind::Double)
        .and_then(|rows| rows.f_contiguous()?.f_view([-1]))
        .and_then(Vec::<f64>::try_from)
        .map_err(torch_error)
}

/// Evaluates all batches of a loader into `sums`; `images` has those that it only says where to cut.
/// `go_on` is asked before each; `false` ends early
/// with `None`. Images that cannot be decoded are left out, counted, and told to `warn`.
///
/// # Errors
/// `E_DIVERGED` if the loss is no number: JSON has none for it, and nothing can be compared with it.
pub fn evaluate(
    model: &Model,
    labels: &[String],
    mut sums: EvaluationMetrics,
    mut loader: Loader,
    images: Option<&DeviceDataset>,
    mut go_on: impl FnMut() -> Result<bool>,
    mut warn: impl FnMut(WarningEvent),
) -> Result<Option<Evaluation>> {
    let started = Instant::now();
    while let Some(loaded) = loader.next()? {
        if !go_on()? {
            return Ok(None);
        }
        for (name, error) in loaded.failed {
            let warning = WarningEvent {
                code: error.code,
                message: error.message,
                file: Some(name),
                hint: error.hint,
            };
            sums.add_broken(warning.clone());
            warn(warning);
        }
        let batch = loaded.batch;
        if !batch.is_empty() {
            let _no_grad = tch::no_grad_guard();
            sums.add(&predict_log_probs(model, images, &batch)?, &batch.labels, &batch.indices);
        }
        loader.recycle(batch);
    }
    let seconds = started.elapsed().as_secs_f64();
    let evaluation = sums.finish(labels, seconds, |index| loader.name(index));
    match evaluation.loss.is_finite() {
        true => Ok(Some(evaluation)),
        false => Err(no_number("loss", evaluation.loss)),
    }
}

/// What a network says whose weights or statistics grew beyond all bounds.
pub(crate) fn no_number(what: &str, value: f64) -> Error {
    Error::new(ErrorCode::Diverged, format!("the network's {what} is {value}")).hint(
        "Its training diverged: take an earlier checkpoint, or train with a lower `optimizer.lr`.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_are_the_logits_less_the_logarithm_of_their_sum() {
        let logits = Tensor::from_slice2(&[[1.0f32, 2.0, 3.0], [0.0, 0.0, 200.0]]);
        let rows = log_probs(&logits).unwrap();
        let sum = [1f64, 2.0, 3.0].map(f64::exp).iter().sum::<f64>().ln();
        for (found, wanted) in
            rows.iter().zip([1.0 - sum, 2.0 - sum, 3.0 - sum, -200.0, -200.0, 0.0])
        {
            assert!((found - wanted).abs() < 1e-12, "{rows:?}");
        }
    }
}
