//! The learning rate's way.

use serde_json::json;

use super::{Reasons, least, needs_validation, refuse, within};
use crate::*;

pub(super) fn resolve_schedule(
    config: Option<&ScheduleConfig>,
    budget: &Budget,
    has_val: bool,
    why: &mut Reasons,
) -> Result<Schedule> {
    let default = ScheduleConfig::Cosine(CosineScheduleConfig::default());
    if config.is_none() {
        let reason = "has no milestones to choose (He et al. 2018, section 5.1)";
        why.0.insert("schedule".into(), reason.into());
    }
    Ok(match config.unwrap_or(&default) {
        ScheduleConfig::Constant => Schedule::Constant,
        ScheduleConfig::Cosine(cosine) => {
            let min_lr = cosine.min_lr.unwrap_or(0.0);
            within("schedule.minLr", min_lr, min_lr >= 0.0, "0 or more")?;
            Schedule::Cosine(CosineSchedule { min_lr })
        }
        ScheduleConfig::MultiStep(multi) => {
            let unit = multi.unit.unwrap_or(ScheduleUnit::Epoch);
            let length = budget_length(budget, unit);
            let milestones = match (multi.milestones.as_ref().and_then(Auto::value), length) {
                (Some(given), _) => given.clone(),
                (None, Some(length)) => {
                    let reason = "half and three quarters of the budget (paper, section 4.2)";
                    why.0.insert("schedule.milestones".into(), reason.into());
                    vec![length / 2, length * 3 / 4]
                }
                (None, None) => {
                    let wanted = "given where the budget has no length in `schedule.unit`";
                    return Err(refuse("schedule.milestones", wanted, json!("auto")));
                }
            };
            if milestones.windows(2).any(|pair| pair[0] > pair[1]) {
                return Err(refuse("schedule.milestones", "ascending", json!(milestones)));
            }
            let gamma = multi.gamma.unwrap_or(0.1);
            within("schedule.gamma", gamma, gamma > 0.0, "more than 0")?;
            Schedule::MultiStep(MultiStepSchedule { milestones, gamma, unit })
        }
        ScheduleConfig::Plateau(plateau) => {
            let metric = why.pick("schedule.metric", &plateau.metric, || {
                if has_val {
                    (Metric::ValLoss, "there is a validation part".into())
                } else {
                    (Metric::TrainLoss, "there is no validation part".into())
                }
            });
            needs_validation("schedule.metric", metric, has_val)?;
            let plateau = PlateauSchedule {
                factor: plateau.factor.unwrap_or(0.1),
                threshold: plateau.threshold.unwrap_or(1e-4),
                threshold_mode: plateau.threshold_mode.unwrap_or(ThresholdMode::Rel),
                patience: plateau.patience.unwrap_or(10),
                cooldown: plateau.cooldown.unwrap_or(0),
                min_lr: plateau.min_lr.unwrap_or(0.0),
                metric,
            };
            let range = plateau.factor > 0.0 && plateau.factor < 1.0;
            within("schedule.factor", plateau.factor, range, "between 0 and 1")?;
            within("schedule.threshold", plateau.threshold, plateau.threshold >= 0.0, "0 or more")?;
            within("schedule.minLr", plateau.min_lr, plateau.min_lr >= 0.0, "0 or more")?;
            Schedule::Plateau(plateau)
        }
        ScheduleConfig::Step(step) => {
            let unit = step.unit.unwrap_or(ScheduleUnit::Epoch);
            let step_size = match (
                step.step_size.as_ref().and_then(Auto::value),
                budget_length(budget, unit),
            ) {
                (Some(given), _) => *given,
                (None, Some(length)) => {
                    why.0.insert("schedule.stepSize".into(), "a third of the budget".into());
                    (length / 3).max(1)
                }
                (None, None) => {
                    let wanted = "given where the budget has no length in `schedule.unit`";
                    return Err(refuse("schedule.stepSize", wanted, json!("auto")));
                }
            };
            least("schedule.stepSize", step_size, 1)?;
            let gamma = step.gamma.unwrap_or(0.1);
            within("schedule.gamma", gamma, gamma > 0.0, "more than 0")?;
            Schedule::Step(StepSchedule { step_size, gamma, unit })
        }
        ScheduleConfig::Linear(linear) => {
            let end_factor = linear.end_factor.unwrap_or(0.0);
            let range = (0.0..=1.0).contains(&end_factor);
            within("schedule.endFactor", end_factor, range, "from 0 to 1")?;
            Schedule::Linear(LinearSchedule { end_factor })
        }
        ScheduleConfig::Polynomial(polynomial) => {
            let power = polynomial.power.unwrap_or(1.0);
            within("schedule.power", power, power > 0.0, "more than 0")?;
            Schedule::Polynomial(PolynomialSchedule { power })
        }
        ScheduleConfig::OneCycle(cycle) => {
            let pct_start = cycle.pct_start.unwrap_or(0.3);
            let range = pct_start > 0.0 && pct_start < 1.0;
            within("schedule.pctStart", pct_start, range, "between 0 and 1")?;
            let div_factor = cycle.div_factor.unwrap_or(25.0);
            within("schedule.divFactor", div_factor, div_factor >= 1.0, "1 or more")?;
            let final_div_factor = cycle.final_div_factor.unwrap_or(1e4);
            let range = final_div_factor >= 1.0;
            within("schedule.finalDivFactor", final_div_factor, range, "1 or more")?;
            let anneal_strategy = cycle.anneal_strategy.unwrap_or(AnnealStrategy::Cos);
            Schedule::OneCycle(OneCycleSchedule {
                pct_start,
                div_factor,
                final_div_factor,
                anneal_strategy,
            })
        }
    })
}

/// How long the budget is, where it is known in this unit.
fn budget_length(budget: &Budget, unit: ScheduleUnit) -> Option<u64> {
    match unit {
        ScheduleUnit::Epoch => budget.epochs.map(u64::from),
        ScheduleUnit::Step => budget.steps,
    }
}
