//! The learning-rate range test (Smith 2015, "Cyclical Learning Rates", section 3.3): training with
//! an exponentially increasing rate shows where the loss decreases and where it diverges.

use residual_data::{Arrays, Pipeline};
use residual_spec::{
    FindLrConfig, FindLrOptions, FromJson, LrFinderResult, LrPoint, LrSuggestion, Result,
    resolve_find_lr,
};
use residual_train::{
    DeviceImages, Prepared, StepOutcome, TrainStep, no_readable_image, pixel_mean,
};
use serde_json::Value;

use crate::catch_panic::none_if_cancelled;
use crate::step_batches::{StepBatches, StepGradients};
use crate::thread_count::ThreadCount;

/// Length of the moving average of the loss as a fraction of all steps. It removes the noise of
/// single batches and hardly shifts the minimum of the curve.
const SMOOTHING_FRACTION: f64 = 0.05;
/// Ratio of the smoothed loss to its minimum above which the loss has diverged, as in fastai.
const DIVERGENCE_FACTOR: f64 = 4.0;
/// Ratio of the minimum of the loss to its initial value below which the loss has decreased.
const MAX_MINIMUM_RATIO: f64 = 0.98;

/// Trains a new network with increasing learning rates. No files are written, and the weights are
/// discarded. `is_cancelled` is called before each batch. Returns `None` if it returned true.
///
/// # Errors
/// Errors of [`residual_train::train`] for an invalid configuration or data; `E_CONFIG` for invalid
/// options.
pub fn find_lr(
    config: &Value,
    arrays: Option<Arrays>,
    options: &Value,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Option<LrFinderResult>> {
    let range = resolve_find_lr(&FindLrConfig::parse(options)?)?;
    let prepared = none_if_cancelled(Prepared::new(config, arrays, is_cancelled))?;
    let Some(prepared) = prepared else { return Ok(None) };
    let _threads = ThreadCount::set(prepared.config.threads);
    measure(prepared, &range, is_cancelled)
}

/// Returns the learning rate of a step. Learning rates increase exponentially.
fn lr_at(step: u32, range: &FindLrOptions) -> f64 {
    let progress = f64::from(step) / f64::from(range.steps - 1);
    range.start_lr * (range.end_lr / range.start_lr).powf(progress)
}

fn measure(
    prepared: Prepared,
    range: &FindLrOptions,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Option<LrFinderResult>> {
    let model = prepared.model()?;
    let Prepared { config, dataset, .. } = prepared;
    let splits = dataset.splits(&config.data);
    let class_counts = splits.train.class_counts(dataset.facts().classes.len());
    let mut step = TrainStep::new(&config, model, &class_counts)?;
    let pixel_mean = pixel_mean::compute(&splits.train, &config, is_cancelled);
    let Some(pixel_mean) = none_if_cancelled(pixel_mean)? else { return Ok(None) };
    let pipeline = Pipeline::train(&config, pixel_mean.as_ref());
    let on_device = DeviceImages::load(&config, &splits, &pipeline, is_cancelled);
    let Some(on_device) = none_if_cancelled(on_device)? else { return Ok(None) };
    step.set_images(on_device.images(&splits.train).cloned());
    let mut batches = StepBatches::new(&config, &splits.train, pipeline, step.has_images());

    let mut curve = Curve::new(range.steps);
    while (curve.points.len() as u32) < range.steps && !curve.has_diverged() {
        match batches.forward_backward(&mut step, is_cancelled)? {
            StepGradients::Complete => {}
            StepGradients::NotFinite => return Ok(Some(curve.result(true))),
            StepGradients::Cancelled => return Ok(None),
            StepGradients::NoImages => return Err(no_readable_image()),
        }
        let lr = lr_at(curve.points.len() as u32, range);
        match step.optimizer_step(lr)? {
            StepOutcome::Diverged(_) => return Ok(Some(curve.result(true))),
            StepOutcome::Done(metrics) => curve.add(lr, metrics.to_metrics().loss),
        }
    }
    let diverged = curve.has_diverged();
    Ok(Some(curve.result(diverged)))
}

/// Loss as a function of the learning rate.
struct Curve {
    /// Decay of the moving average of the loss.
    smoothing: f64,
    points: Vec<LrPoint>,
    average: f64,
    /// Minimum of the smoothed loss.
    min_loss: Option<f64>,
}

impl Curve {
    fn new(steps: u32) -> Curve {
        let smoothing = 1.0 - 1.0 / (SMOOTHING_FRACTION * f64::from(steps)).max(1.0);
        Curve { smoothing, points: Vec::new(), average: 0.0, min_loss: None }
    }

    /// Adds the loss before the update with the learning rate `lr`.
    fn add(&mut self, lr: f64, loss: f64) {
        self.average = self.smoothing * self.average + (1.0 - self.smoothing) * loss;
        // Corrects the bias of the initial zero, as Adam does.
        let count = self.points.len() as i32 + 1;
        let smoothed = self.average / (1.0 - self.smoothing.powi(count));
        self.min_loss = Some(self.min_loss.map_or(smoothed, |min| min.min(smoothed)));
        self.points.push(LrPoint { lr, loss, smoothed });
    }

    fn has_diverged(&self) -> bool {
        match (self.points.last(), self.min_loss) {
            (Some(last), Some(min_loss)) => last.smoothed > DIVERGENCE_FACTOR * min_loss,
            (Some(_) | None, None) | (None, Some(_)) => false,
        }
    }

    /// Returns the curve with its suggestions.
    fn result(self, diverged: bool) -> LrFinderResult {
        let points = self.points;
        // The lowest learning rates hardly change the weights, so their mean loss is the initial
        // loss.
        let start = (points.len() / 10).max(1).min(points.len());
        let initial = points[..start].iter().map(|point| point.loss).sum::<f64>() / start as f64;
        let min_index = (start..points.len())
            .min_by(|&a, &b| points[a].smoothed.total_cmp(&points[b].smoothed));
        let decreases =
            min_index.is_some_and(|index| points[index].smoothed < MAX_MINIMUM_RATIO * initial);
        let (Some(min_index), true) = (min_index, decreases) else {
            let reason = "the loss did not decrease at any learning rate: lower `startLr`, increase \
                          `steps`, or check the data";
            return LrFinderResult {
                points,
                diverged,
                suggestion: None,
                suggestions: vec![],
                reason: reason.into(),
            };
        };
        let minimum = LrSuggestion {
            name: "minimum/10".into(),
            lr: points[min_index].lr / 10.0,
            reason: "a tenth of the learning rate with the lowest loss, where the loss still \
                     decreases and is far from diverging"
                .into(),
        };
        let steepest = steepest(&points[start..=min_index]).map(|lr| LrSuggestion {
            name: "steepest".into(),
            lr,
            reason: "the learning rate at which the loss decreases fastest".into(),
        });
        LrFinderResult {
            diverged,
            suggestion: Some(minimum.lr),
            reason: minimum.reason.clone(),
            suggestions: std::iter::once(minimum).chain(steepest).collect(),
            points,
        }
    }
}

/// Returns the learning rate at which the smoothed loss decreases fastest with the logarithm of the
/// learning rate.
fn steepest(points: &[LrPoint]) -> Option<f64> {
    let slope = |window: &[LrPoint]| {
        (window[2].smoothed - window[0].smoothed) / (window[2].lr / window[0].lr).ln()
    };
    let slopes = points.windows(3).map(|window| (slope(window), window[1].lr));
    slopes.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, lr)| lr)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a curve that is flat up to a learning rate of 1e-3, then decreases, and diverges
    /// above 2.
    fn curve() -> Curve {
        let mut curve = Curve::new(400);
        let range = FindLrOptions { start_lr: 1e-6, end_lr: 100.0, steps: 400 };
        for step in 0..400 {
            let lr = lr_at(step, &range);
            let decay = 1.0 / (1.0 + (lr / 0.02).powi(2));
            curve.add(lr, 0.2 + 2.0 * decay + if lr > 2.0 { lr * lr } else { 0.0 });
            if curve.has_diverged() {
                break;
            }
        }
        curve
    }

    #[test]
    fn suggests_a_tenth_of_the_learning_rate_with_the_lowest_loss() {
        let curve = curve();
        assert!(curve.has_diverged());
        let result = curve.result(true);
        let lowest = 10.0 * result.suggestion.unwrap();
        assert!((0.5..3.0).contains(&lowest), "{lowest}");
        let steepest = result.suggestions.iter().find(|other| other.name == "steepest").unwrap();
        assert!((0.005..0.2).contains(&steepest.lr), "{steepest:?}");
        assert!(result.points.windows(2).all(|pair| pair[0].lr < pair[1].lr));
    }

    #[test]
    fn suggests_nothing_if_the_loss_never_decreases() {
        let mut curve = Curve::new(50);
        for step in 1..50 {
            curve.add(f64::from(step), 1.0 + f64::from(step));
        }
        let result = curve.result(false);
        assert_eq!(result.suggestion, None);
        assert!(result.reason.contains("did not decrease"));
    }

    #[test]
    fn rates_increase_exponentially() {
        let range = FindLrOptions { start_lr: 1e-7, end_lr: 10.0, steps: 9 };
        for (step, rate) in [(0, 1e-7), (4, 1e-3), (8, 10.0)] {
            assert!((lr_at(step, &range) / rate - 1.0).abs() < 1e-12);
        }
        let invalid = FindLrConfig { steps: Some(3), ..FindLrConfig::default() };
        assert_eq!(resolve_find_lr(&invalid).err().unwrap().at.key.as_deref(), Some("steps"));
    }
}
