//! The learning rate's range test (Smith 2015, "Cyclical Learning Rates", section 3.3): train with
//! a rate that rises from update to update, and look where the loss falls and where it bursts.

use residual_data::{Arrays, Pipeline};
use residual_spec::{
    Error, ErrorCode, FindLrConfig, FromJson, KeyPath, LrFinderResult, LrPoint, LrSuggestion,
    Result,
};
use serde_json::Value;

use residual_train::{Learner, OnDevice, Prepared, Step, pixel_mean};

use crate::catch_panic::unless_broken_off;
use crate::step_batches::{Gathered, Gatherer};
use crate::thread_count::Threads;

/// The share of all updates that the loss is smoothed over: enough to hide single batches, and too
/// little to move the curve's lowest point far along.
const SMOOTHED_OVER: f64 = 0.05;
/// It burst once it is so many times its lowest; fastai's.
const BURST: f64 = 4.0;

/// Trains a fresh network for as many updates as `options` says, at most. Nothing is written, and
/// the weights are forgotten. `go_on` is asked before each batch; `false` ends with `None`.
///
/// # Errors
/// As a run, for whatever is wrong with configuration or data; `E_CONFIG` for options out of
/// range.
pub fn find_lr(
    said: &Value,
    arrays: Option<Arrays>,
    options: &Value,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<LrFinderResult>> {
    let range = Range::of(&FindLrConfig::from_json_at(options, &KeyPath::Root)?)?;
    let prepared = unless_broken_off(Prepared::new(said, arrays, &|| !go_on()))?;
    let Some(prepared) = prepared else { return Ok(None) };
    let _threads = Threads::set(prepared.config.threads);
    measure(prepared, &range, go_on)
}

/// The rates to try.
struct Range {
    from: f64,
    to: f64,
    steps: u32,
}

impl Range {
    fn of(config: &FindLrConfig) -> Result<Range> {
        let range = Range {
            from: config.start_lr.unwrap_or(1e-7),
            to: config.end_lr.unwrap_or(10.0),
            steps: config.steps.unwrap_or(100),
        };
        let refuse = |key, wanted, found: Value| {
            Err(KeyPath::Key(&KeyPath::Root, key).invalid(wanted, &found))
        };
        if range.from <= 0.0 {
            return refuse("startLr", "more than 0", range.from.into());
        }
        if range.to <= range.from {
            return refuse("endLr", "more than `startLr`", range.to.into());
        }
        if !(10..=100_000).contains(&range.steps) {
            return refuse("steps", "from 10 to 100000", range.steps.into());
        }
        Ok(range)
    }

    fn rate(&self, step: u32) -> f64 {
        self.from * (self.to / self.from).powf(f64::from(step) / f64::from(self.steps - 1))
    }
}

fn measure(
    prepared: Prepared,
    range: &Range,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<LrFinderResult>> {
    let model = prepared.model()?;
    let Prepared { config, dataset, .. } = prepared;
    let split = dataset.splits(&config.data);
    let counts = split.train.class_counts(dataset.facts().classes.len());
    let mut learner = Learner::new(&config, model, &counts)?;
    let pixel_mean = pixel_mean::of_images(&split.train, &config, &|| !go_on());
    let Some(pixel_mean) = unless_broken_off(pixel_mean)? else { return Ok(None) };
    let pipeline = Pipeline::train(&config, pixel_mean.as_ref());
    let placed = OnDevice::place(&config, &split, &pipeline, &|| !go_on());
    let Some(placed) = unless_broken_off(placed)? else { return Ok(None) };
    learner.images = placed.of(&split.train).cloned();
    let windows = learner.images.is_some();
    let mut batches = Gatherer::new(&config, &split.train, pipeline, windows);

    let mut curve = Curve::new(range.steps);
    while (curve.points.len() as u32) < range.steps && !curve.has_burst() {
        match batches.gather(&mut learner, go_on)? {
            Gathered::Update => {}
            Gathered::NotFinite => return Ok(Some(curve.finding(true))),
            Gathered::BrokenOff => return Ok(None),
            Gathered::Nothing => {
                let message = "not one training image could be read";
                return Err(Error::new(ErrorCode::DataUnusable, message).key("data"));
            }
        }
        let rate = range.rate(curve.points.len() as u32);
        match learner.update(rate)? {
            Step::NotFinite(_) => return Ok(Some(curve.finding(true))),
            Step::Done(sums) => curve.add(rate, sums.score().loss),
        }
    }
    let diverged = curve.has_burst();
    Ok(Some(curve.finding(diverged)))
}

/// The losses by rate, so far.
struct Curve {
    /// What the smoothed loss keeps of itself from one update to the next.
    smoothing: f64,
    points: Vec<LrPoint>,
    average: f64,
    lowest: Option<f64>,
}

impl Curve {
    fn new(steps: u32) -> Curve {
        let smoothing = 1.0 - 1.0 / (SMOOTHED_OVER * f64::from(steps)).max(1.0);
        Curve { smoothing, points: Vec::new(), average: 0.0, lowest: None }
    }

    /// The loss before the update at this rate.
    fn add(&mut self, lr: f64, loss: f64) {
        self.average = self.smoothing * self.average + (1.0 - self.smoothing) * loss;
        // Without the bias of the zero that it began with, as in Adam.
        let count = self.points.len() as i32 + 1;
        let smoothed = self.average / (1.0 - self.smoothing.powi(count));
        self.lowest = Some(self.lowest.map_or(smoothed, |lowest| lowest.min(smoothed)));
        self.points.push(LrPoint { lr, loss, smoothed });
    }

    fn has_burst(&self) -> bool {
        match (self.points.last(), self.lowest) {
            (Some(last), Some(lowest)) => last.smoothed > BURST * lowest,
            _ => false,
        }
    }

    fn finding(self, diverged: bool) -> LrFinderResult {
        let points = self.points;
        // At the lowest rates nothing happens: they tell where the loss stands, up to its noise.
        let idle = (points.len() / 10).max(1).min(points.len());
        let level = points[..idle].iter().map(|point| point.loss).sum::<f64>() / idle as f64;
        let lowest =
            (idle..points.len()).min_by(|&a, &b| points[a].smoothed.total_cmp(&points[b].smoothed));
        let falls = lowest.is_some_and(|at| points[at].smoothed < 0.98 * level);
        let (Some(lowest), true) = (lowest, falls) else {
            let reason = "the loss did not fall at any rate: try lower ones (`from`), more `steps`, \
                          or look at the data";
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
            reason: "a tenth of the rate at which the loss was lowest: it still falls there, far \
                     from where it bursts"
                .into(),
        };
        let steepest = steepest(&points[idle..=lowest]).map(|lr| LrSuggestion {
            name: "steepest".into(),
            lr,
            reason: "where the loss falls fastest".into(),
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

/// The rate at which the smoothed loss falls fastest by the rate's logarithm.
fn steepest(points: &[LrPoint]) -> Option<f64> {
    let slope =
        |pair: &[LrPoint]| (pair[2].smoothed - pair[0].smoothed) / (pair[2].lr / pair[0].lr).ln();
    let all = points.windows(3).map(|three| (slope(three), three[1].lr));
    all.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, lr)| lr)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss that is flat up to a rate of 1e-3, falls to 0.1 and bursts above 1.
    fn curve() -> Curve {
        let mut curve = Curve::new(400);
        let range = Range { from: 1e-6, to: 100.0, steps: 400 };
        for step in 0..400 {
            let lr = range.rate(step);
            let fall = 1.0 / (1.0 + (lr / 0.02).powi(2));
            curve.add(lr, 0.2 + 2.0 * fall + if lr > 2.0 { lr * lr } else { 0.0 });
            if curve.has_burst() {
                break;
            }
        }
        curve
    }

    #[test]
    fn the_suggestion_lies_where_the_loss_falls_and_below_its_lowest() {
        let curve = curve();
        assert!(curve.has_burst());
        let finding = curve.finding(true);
        let lowest = 10.0 * finding.suggestion.unwrap();
        assert!((0.5..3.0).contains(&lowest), "{lowest}");
        let steepest = finding.suggestions.iter().find(|other| other.name == "steepest").unwrap();
        assert!((0.005..0.2).contains(&steepest.lr), "{steepest:?}");
        assert!(finding.points.windows(2).all(|pair| pair[0].lr < pair[1].lr));
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing_and_says_why() {
        let mut curve = Curve::new(50);
        for step in 1..50 {
            curve.add(f64::from(step), 1.0 + f64::from(step));
        }
        let finding = curve.finding(false);
        assert_eq!(finding.suggestion, None);
        assert!(finding.reason.contains("did not fall"));
    }

    #[test]
    fn rates_rise_by_a_factor_from_the_first_to_the_last() {
        let range = Range { from: 1e-7, to: 10.0, steps: 9 };
        for (step, rate) in [(0, 1e-7), (4, 1e-3), (8, 10.0)] {
            assert!((range.rate(step) / rate - 1.0).abs() < 1e-12);
        }
        let refused = FindLrConfig { steps: Some(3), ..FindLrConfig::default() };
        assert_eq!(Range::of(&refused).err().unwrap().at.key.as_deref(), Some("steps"));
    }
}
