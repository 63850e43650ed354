//! The learning-rate schedule.

use serde_json::json;

use super::ranges::{check_integer, check_range, invalid};
use super::{Reasons, check_metric};
use crate::*;

pub(super) fn resolve_schedule(
    config: Option<&ScheduleConfig>,
    budget: &Budget,
    has_val: bool,
    reasons: &mut Reasons,
) -> Result<Schedule> {
    let default = ScheduleConfig::Cosine(CosineScheduleConfig::default());
    if config.is_none() {
        reasons.record("schedule", "decreases over the whole run; needs no milestones");
    }
    Ok(match config.unwrap_or(&default) {
        ScheduleConfig::Constant => Schedule::Constant,
        ScheduleConfig::Cosine(cosine) => {
            let min_lr = cosine.min_lr.unwrap_or(0.0);
            check_range("schedule.minLr", min_lr, min_lr >= 0.0, "0 or more")?;
            Schedule::Cosine(CosineSchedule { min_lr })
        }
        ScheduleConfig::MultiStep(multi_step) => {
            Schedule::MultiStep(resolve_multi_step(multi_step, budget, reasons)?)
        }
        ScheduleConfig::Plateau(plateau) => {
            Schedule::Plateau(resolve_plateau(plateau, has_val, reasons)?)
        }
        ScheduleConfig::Step(step) => Schedule::Step(resolve_step(step, budget, reasons)?),
        ScheduleConfig::Linear(linear) => {
            let end_factor = linear.end_factor.unwrap_or(0.0);
            let is_valid = (0.0..=1.0).contains(&end_factor);
            check_range("schedule.endFactor", end_factor, is_valid, "from 0 to 1")?;
            Schedule::Linear(LinearSchedule { end_factor })
        }
        ScheduleConfig::Polynomial(polynomial) => {
            let power = polynomial.power.unwrap_or(1.0);
            check_range("schedule.power", power, power > 0.0, "more than 0")?;
            Schedule::Polynomial(PolynomialSchedule { power })
        }
        ScheduleConfig::OneCycle(one_cycle) => Schedule::OneCycle(resolve_one_cycle(one_cycle)?),
    })
}

fn resolve_multi_step(
    config: &MultiStepScheduleConfig,
    budget: &Budget,
    reasons: &mut Reasons,
) -> Result<MultiStepSchedule> {
    let unit = config.unit.unwrap_or(ScheduleUnit::Epoch);
    let configured = config.milestones.as_ref().and_then(Auto::value);
    let milestones = match (configured, budget_in_unit(budget, unit)) {
        (Some(milestones), _) => milestones.clone(),
        (None, Some(length)) => {
            let reason = "half and three quarters of the budget, as He et al. 2015 (section 4.2)";
            reasons.record("schedule.milestones", reason);
            vec![length / 2, length * 3 / 4]
        }
        (None, None) => return Err(missing_value("schedule.milestones", unit)),
    };
    if milestones.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(invalid("schedule.milestones", "ascending", json!(milestones)));
    }
    Ok(MultiStepSchedule { milestones, gamma: resolve_gamma(config.gamma)?, unit })
}

fn resolve_step(
    config: &StepScheduleConfig,
    budget: &Budget,
    reasons: &mut Reasons,
) -> Result<StepSchedule> {
    let unit = config.unit.unwrap_or(ScheduleUnit::Epoch);
    let configured = config.step_size.as_ref().and_then(Auto::value);
    let step_size = match (configured, budget_in_unit(budget, unit)) {
        (Some(step_size), _) => *step_size,
        (None, Some(length)) => {
            reasons.record("schedule.stepSize", "a third of the budget");
            (length / 3).max(1)
        }
        (None, None) => return Err(missing_value("schedule.stepSize", unit)),
    };
    check_integer("schedule.stepSize", step_size)?;
    Ok(StepSchedule { step_size, gamma: resolve_gamma(config.gamma)?, unit })
}

fn resolve_gamma(configured: Option<f64>) -> Result<f64> {
    let gamma = configured.unwrap_or(0.1);
    check_range("schedule.gamma", gamma, gamma > 0.0, "more than 0").map(|()| gamma)
}

/// Returns the error for a key that has no default because the budget has no limit in `unit`.
fn missing_value(key: &str, unit: ScheduleUnit) -> Error {
    let expected = format!("set explicitly, because the budget has no limit in {}s", unit.as_str());
    invalid(key, &expected, json!("auto"))
}

fn resolve_plateau(
    config: &PlateauScheduleConfig,
    has_val: bool,
    reasons: &mut Reasons,
) -> Result<PlateauSchedule> {
    let metric = reasons.resolve_auto("schedule.metric", &config.metric, || {
        if has_val {
            (Metric::ValLoss, "there is a validation split".into())
        } else {
            (Metric::TrainLoss, "there is no validation split".into())
        }
    });
    check_metric("schedule.metric", metric, has_val)?;
    let plateau = PlateauSchedule {
        factor: config.factor.unwrap_or(0.1),
        threshold: config.threshold.unwrap_or(1e-4),
        threshold_mode: config.threshold_mode.unwrap_or(ThresholdMode::Rel),
        patience: config.patience.unwrap_or(10),
        cooldown: config.cooldown.unwrap_or(0),
        min_lr: config.min_lr.unwrap_or(0.0),
        metric,
    };
    let is_valid = plateau.factor > 0.0 && plateau.factor < 1.0;
    check_range("schedule.factor", plateau.factor, is_valid, "between 0 and 1")?;
    check_range("schedule.threshold", plateau.threshold, plateau.threshold >= 0.0, "0 or more")?;
    check_range("schedule.minLr", plateau.min_lr, plateau.min_lr >= 0.0, "0 or more")?;
    Ok(plateau)
}

fn resolve_one_cycle(config: &OneCycleScheduleConfig) -> Result<OneCycleSchedule> {
    let pct_start = config.pct_start.unwrap_or(0.3);
    let is_valid = pct_start > 0.0 && pct_start < 1.0;
    check_range("schedule.pctStart", pct_start, is_valid, "between 0 and 1")?;
    let div_factor = config.div_factor.unwrap_or(25.0);
    check_range("schedule.divFactor", div_factor, div_factor >= 1.0, "1 or more")?;
    let final_div_factor = config.final_div_factor.unwrap_or(1e4);
    let is_valid = final_div_factor >= 1.0;
    check_range("schedule.finalDivFactor", final_div_factor, is_valid, "1 or more")?;
    let anneal_strategy = config.anneal_strategy.unwrap_or(AnnealStrategy::Cos);
    Ok(OneCycleSchedule { pct_start, div_factor, final_div_factor, anneal_strategy })
}

/// Returns the limit of the budget in `unit`, if it has one.
fn budget_in_unit(budget: &Budget, unit: ScheduleUnit) -> Option<u64> {
    match unit {
        ScheduleUnit::Epoch => budget.epochs.map(u64::from),
        ScheduleUnit::Step => budget.steps,
    }
}
