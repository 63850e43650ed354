//! Evaluates a model on the unaugmented images of a split.

use std::time::Instant;

use residual_data::Loader;
use residual_spec::{Error, ErrorCode, Evaluation, Result, WarningEvent};
use residual_torch::torch_error;
use tch::{Kind, Tensor};

use crate::{DeviceDataset, EvaluationMetrics, Model, predict_log_probs};

/// Counts the rows of `logits` `[n, classes]` whose maximum is at their label.
pub fn count_correct(logits: &Tensor, labels: &Tensor) -> Result<i64> {
    num_correct(logits, labels)?.f_int64_value(&[]).map_err(torch_error)
}

/// As [`count_correct`], but returns a scalar tensor on the device of the logits, without
/// synchronization with the host.
pub fn num_correct(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    logits
        .f_argmax(1, false)
        .and_then(|predicted| predicted.f_eq_tensor(labels))
        .and_then(|correct| correct.f_sum(Kind::Int64))
        .map_err(torch_error)
}

/// Returns the float64 log-probabilities of logits `[n, classes]` in row-major order, as
/// [`EvaluationMetrics::add`] takes them.
pub fn log_probs(logits: &Tensor) -> Result<Vec<f64>> {
    logits
        .f_log_softmax(1, Kind::Double)
        .and_then(|rows| rows.f_contiguous()?.f_view([-1]))
        .and_then(Vec::<f64>::try_from)
        .map_err(torch_error)
}

/// Evaluates all batches of a loader and returns the metrics.
///
/// `images` are the images in device memory, for a loader that returns only crop windows.
/// `should_continue` is called before every batch; if it returns false, the result is `None`.
/// Images that cannot be decoded are skipped, counted and reported to `warn`.
///
/// # Errors
/// `E_DIVERGED` if the loss is not finite, because JSON cannot represent it; `E_DATA_UNUSABLE` if
/// no image could be read.
pub fn evaluate(
    model: &Model,
    labels: &[String],
    mut metrics: EvaluationMetrics,
    mut loader: Loader,
    images: Option<&DeviceDataset>,
    mut should_continue: impl FnMut() -> Result<bool>,
    mut warn: impl FnMut(WarningEvent),
) -> Result<Option<Evaluation>> {
    let started = Instant::now();
    while let Some(loaded) = loader.next()? {
        if !should_continue()? {
            return Ok(None);
        }
        for (name, error) in loaded.failed {
            let warning = WarningEvent {
                code: error.code,
                message: error.message,
                file: Some(name),
                hint: error.hint,
            };
            metrics.add_unreadable(warning.clone());
            warn(warning);
        }
        let batch = loaded.batch;
        if !batch.is_empty() {
            let _no_grad = tch::no_grad_guard();
            let rows = predict_log_probs(model, images, &batch)?;
            metrics.add(&rows, &batch.labels, &batch.indices);
        }
        loader.recycle(batch);
    }
    let seconds = started.elapsed().as_secs_f64();
    let evaluation = metrics.finish(labels, seconds, |index| loader.name(index));
    if evaluation.count == 0 {
        return Err(Error::new(
            ErrorCode::DataUnusable,
            "none of the images to evaluate could be read",
        )
        .key("data")
        .hint("Check the files of the data set."));
    }
    if evaluation.loss.is_finite() {
        Ok(Some(evaluation))
    } else {
        Err(diverged_error("loss", evaluation.loss))
    }
}

/// Returns the `E_DIVERGED` error for a loss or an output that is not finite.
pub(crate) fn diverged_error(quantity: &str, value: f64) -> Error {
    Error::new(ErrorCode::Diverged, format!("the {quantity} of the network is {value}"))
        .hint("Training diverged: use an earlier checkpoint, or train with a lower `optimizer.lr`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probs_equal_log_softmax() {
        let logits = Tensor::from_slice2(&[[1.0f32, 2.0, 3.0], [0.0, 0.0, 200.0]]);
        let rows = log_probs(&logits).unwrap();
        let sum = [1f64, 2.0, 3.0].map(f64::exp).iter().sum::<f64>().ln();
        for (actual, expected) in
            rows.iter().zip([1.0 - sum, 2.0 - sum, 3.0 - sum, -200.0, -200.0, 0.0])
        {
            assert!((actual - expected).abs() < 1e-12, "{rows:?}");
        }
    }
}
