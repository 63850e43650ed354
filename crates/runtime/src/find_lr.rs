//! The learning-rate range test (Smith 2015, "Cyclical Learning Rates", section 3.3): training with
//! an exponentially increasing rate shows where the loss decreases and where it diverges.

use residual_data::{Arrays, Pipeline};
use residual_spec::{
    FindLrConfig, FindLrOptions, FromJson, KeyPath, LrFinderResult, LrPoint, LrSuggestion, Result,
    resolve_find_lr,
};
use residual_train::{
    DeviceImages, Prepared, StepOutcome, TrainStep, no_readable_image, pixel_mean,
};
use serde_json::Value;

use crate::catch_panic::none_if_cancelled;
use crate::step_batches::{StepBatches, StepGradients};
use crate::thread_count::ThreadCount;

/// Share of all steps that the loss is smoothed over. It hides the noise of single batches and
/// hardly moves the minimum of the curve.
const SMOOTHING_SHARE: f64 = 0.05;
/// The loss has diverged once it is this many times its minimum, as in fastai.
const DIVERGENCE_FACTOR: f64 = 4.0;
/// The loss has decreased if its minimum is below this share of its initial value.
const MIN_DECREASE: f64 = 0.98;

/// Trains a new network with increasing learning rates. Nothing is written, and the weights are
/// discarded. `is_cancelled` is called before each batch; `None` means that it returned true.
///
/// # Errors
/// As [`residual_train::train`] for an invalid configuration or data; `E_CONFIG` for invalid
/// options.
pub fn find_lr(
    config: &Value,
    arrays: Option<Arrays>,
    options: &Value,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Option<LrFinderResult>> {
    let range = resolve_find_lr(&FindLrConfig::from_json_at(options, &KeyPath::Root)?)?;
    let prepared = none_if_cancelled(Prepared::new(config, arrays, is_cancelled))?;
    let Some(prepared) = prepared else { return Ok(None) };
    let _threads = ThreadCount::set(prepared.config.threads);
    measure(prepared, &range, is_cancelled)
}

/// Returns the learning rate of a step; the rates increase exponentially.
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

/// The losses by learning rate.
struct Curve {
    /// Decay of the moving average of the loss.
    smoothing: f64,
    points: Vec<LrPoint>,
    average: f64,
    /// Lowest smoothed loss.
    lowest: Option<f64>,
}

impl Curve {
    fn new(steps: u32) -> Curve {
        let smoothing = 1.0 - 1.0 / (SMOOTHING_SHARE * f64::from(steps)).max(1.0);
        Curve { smoothing, points: Vec::new(), average: 0.0, lowest: None }
    }

    /// Adds the loss before the update with this rate.
    fn add(&mut self, lr: f64, loss: f64) {
        self.average = self.smoothing * self.average + (1.0 - self.smoothing) * loss;
        // Corrects the bias of the initial zero, as Adam does.
        let count = self.points.len() as i32 + 1;
        let smoothed = self.average / (1.0 - self.smoothing.powi(count));
        self.lowest = Some(self.lowest.map_or(smoothed, |lowest| lowest.min(smoothed)));
        self.points.push(LrPoint { lr, loss, smoothed });
    }

    fn has_diverged(&self) -> bool {
        match (self.points.last(), self.lowest) {
            (Some(last), Some(lowest)) => last.smoothed > DIVERGENCE_FACTOR * lowest,
            (Some(_) | None, None) | (None, Some(_)) => false,
        }
    }

    /// Returns the curve with its suggestions.
    fn result(self, diverged: bool) -> LrFinderResult {
        let points = self.points;
        // The lowest rates change nothing: their mean loss is the initial loss.
        let idle = (points.len() / 10).max(1).min(points.len());
        let initial = points[..idle].iter().map(|point| point.loss).sum::<f64>() / idle as f64;
        let lowest =
            (idle..points.len()).min_by(|&a, &b| points[a].smoothed.total_cmp(&points[b].smoothed));
        let decreases = lowest.is_some_and(|at| points[at].smoothed < MIN_DECREASE * initial);
        let (Some(lowest), true) = (lowest, decreases) else {
            let reason = "the loss did not decrease at any rate: try lower rates (`startLr`) or more \
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
            lr: points[lowest].lr / 10.0,
            reason:
                "a tenth of the rate with the lowest loss: the loss still decreases there, far \
                     from where it diverges"
                    .into(),
        };
        let steepest = steepest(&points[idle..=lowest]).map(|lr| LrSuggestion {
            name: "steepest".into(),
            lr,
            reason: "the rate at which the loss decreases fastest".into(),
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

/// Returns the rate with the steepest descent of the smoothed loss over the logarithm of the rate.
fn steepest(points: &[LrPoint]) -> Option<f64> {
    let slope =
        |pair: &[LrPoint]| (pair[2].smoothed - pair[0].smoothed) / (pair[2].lr / pair[0].lr).ln();
    let slopes = points.windows(3).map(|three| (slope(three), three[1].lr));
    slopes.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, lr)| lr)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss that is flat up to a rate of 1e-3, then decreases, and diverges above 2.
    fn curve() -> Curve {
        let mut curve = Curve::new(400);
        let range = FindLrOptions { start_lr: 1e-6, end_lr: 100.0, steps: 400 };
        for step in 0..400 {
            let lr = lr_at(step, &range);
            let fall = 1.0 / (1.0 + (lr / 0.02).powi(2));
            curve.add(lr, 0.2 + 2.0 * fall + if lr > 2.0 { lr * lr } else { 0.0 });
            if curve.has_diverged() {
                break;
            }
        }
        curve
    }

    #[test]
    fn suggests_a_rate_below_that_of_the_lowest_loss() {
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
        let refused = FindLrConfig { steps: Some(3), ..FindLrConfig::default() };
        assert_eq!(resolve_find_lr(&refused).err().unwrap().at.key.as_deref(), Some("steps"));
    }
}
