//! Budget, optimizer, loss and gradients.

use serde_json::json;

use super::task::Task;
use super::{Reasons, least, needs_validation, refuse, within};
use crate::*;

pub(super) fn resolve_budget(
    config: &TrainConfig,
    task: Task,
    why: &mut Reasons,
) -> Result<Budget> {
    let said = config.budget.clone().unwrap_or_default();
    if let (Some(epochs), Some(budget)) = (config.epochs, said.epochs)
        && epochs != budget
    {
        return Err(refuse("epochs", "the same as `budget.epochs`", json!(epochs))
            .hint("Give only one of the two."));
    }
    let mut epochs = config.epochs.or(said.epochs);
    if epochs.is_none() && said.steps.is_none() && said.seconds.is_none() {
        let (chosen, reason) = task.epochs();
        why.0.insert("budget.epochs".into(), reason);
        epochs = Some(chosen);
    }
    if let Some(epochs) = epochs {
        least("epochs", epochs, 1)?;
    }
    if let Some(steps) = said.steps {
        least("budget.steps", steps, 1)?;
    }
    if let Some(seconds) = said.seconds {
        within("budget.seconds", seconds, seconds > 0.0, "more than 0")?;
    }
    Ok(Budget { epochs, steps: said.steps, seconds: said.seconds })
}

/// `images` are what an update is made of.
pub(super) fn resolve_optimizer(
    config: Option<&OptimizerConfig>,
    task: Task,
    images: u32,
    why: &mut Reasons,
) -> Result<Optimizer> {
    let default = OptimizerConfig::Sgd(SgdConfig::default());
    let mut rate = |said: Option<f64>, (chosen, reason): (f64, String)| {
        if said.is_none() {
            why.0.insert("optimizer.lr".into(), reason);
        }
        lr(said, chosen)
    };
    Ok(match config.unwrap_or(&default) {
        OptimizerConfig::Sgd(said) => {
            Optimizer::Sgd(sgd(said, rate(said.lr, task.lr(images))?, task.weight_decay())?)
        }
        OptimizerConfig::Adam(said) => {
            Optimizer::Adam(adam(said, rate(said.lr, task.adam_lr())?, 0.0)?)
        }
        OptimizerConfig::AdamW(said) => {
            Optimizer::AdamW(adam(said, rate(said.lr, task.adam_lr())?, 0.01)?)
        }
        OptimizerConfig::Lars(said) => Optimizer::Lars(lars(said)?),
    })
}

fn sgd(said: &SgdConfig, lr: f64, default_decay: f64) -> Result<Sgd> {
    let sgd = Sgd {
        lr,
        momentum: momentum(said.momentum)?,
        weight_decay: weight_decay(said.weight_decay, default_decay)?,
        nesterov: said.nesterov.unwrap_or(false),
        decay_norms: said.decay_norms.unwrap_or(true),
    };
    if sgd.nesterov && sgd.momentum == 0.0 {
        let wanted = "false where `optimizer.momentum` is 0";
        return Err(refuse("optimizer.nesterov", wanted, json!(true)));
    }
    Ok(sgd)
}

fn adam(said: &AdamConfig, lr: f64, default_decay: f64) -> Result<Adam> {
    let betas = said.betas.unwrap_or([0.9, 0.999]);
    let range = betas.iter().all(|beta| (0.0..1.0).contains(beta));
    if !range {
        let wanted = "two numbers from 0 to less than 1";
        return Err(refuse("optimizer.betas", wanted, json!(betas)));
    }
    Ok(Adam {
        lr,
        betas,
        eps: eps(said.eps)?,
        weight_decay: weight_decay(said.weight_decay, default_decay)?,
        decay_norms: said.decay_norms.unwrap_or(true),
    })
}

fn lars(said: &LarsConfig) -> Result<Lars> {
    let trust_coefficient = said.trust_coefficient.unwrap_or(0.001);
    let range = trust_coefficient > 0.0;
    within("optimizer.trustCoefficient", trust_coefficient, range, "more than 0")?;
    Ok(Lars {
        lr: lr(said.lr, 0.1)?,
        momentum: momentum(said.momentum)?,
        weight_decay: weight_decay(said.weight_decay, 5e-4)?,
        trust_coefficient,
        eps: eps(said.eps)?,
        decay_norms: said.decay_norms.unwrap_or(false),
    })
}

fn lr(said: Option<f64>, default: f64) -> Result<f64> {
    let lr = said.unwrap_or(default);
    within("optimizer.lr", lr, lr > 0.0, "more than 0").map(|()| lr)
}

fn momentum(said: Option<f64>) -> Result<f64> {
    let momentum = said.unwrap_or(0.9);
    let range = (0.0..1.0).contains(&momentum);
    within("optimizer.momentum", momentum, range, "from 0 up to, but not, 1").map(|()| momentum)
}

fn weight_decay(said: Option<f64>, default: f64) -> Result<f64> {
    let decay = said.unwrap_or(default);
    within("optimizer.weightDecay", decay, decay >= 0.0, "0 or more").map(|()| decay)
}

fn eps(said: Option<f64>) -> Result<f64> {
    let eps = said.unwrap_or(1e-8);
    within("optimizer.eps", eps, eps >= 0.0, "0 or more").map(|()| eps)
}

impl Optimizer {
    /// The rate that schedules start from.
    pub fn lr(&self) -> f64 {
        match self {
            Optimizer::Sgd(sgd) => sgd.lr,
            Optimizer::Adam(adam) | Optimizer::AdamW(adam) => adam.lr,
            Optimizer::Lars(lars) => lars.lr,
        }
    }
}

pub(super) fn resolve_loss(config: &LossConfig, classes: usize) -> Result<Loss> {
    let label_smoothing = config.label_smoothing.unwrap_or(0.0);
    let range = (0.0..1.0).contains(&label_smoothing);
    within("loss.labelSmoothing", label_smoothing, range, "from 0 up to, but not, 1")?;
    let class_weights = match &config.class_weights {
        None | Some(ClassWeightsConfig::None) => ClassWeights::None,
        Some(ClassWeightsConfig::Balanced) => ClassWeights::Balanced,
        Some(ClassWeightsConfig::Given(said)) => {
            let weights = said.weights.clone().unwrap_or_default();
            let fits = weights.len() == classes
                && weights.iter().all(|weight| *weight >= 0.0)
                && weights.iter().sum::<f64>() > 0.0;
            if !fits {
                let wanted = format!("an array of {classes} numbers of 0 or more, one a class");
                return Err(refuse("loss.classWeights.weights", &wanted, json!(weights)));
            }
            ClassWeights::Given(GivenClassWeights { weights })
        }
    };
    Ok(Loss { label_smoothing, class_weights })
}

pub(super) fn resolve_gradient(config: &GradientConfig) -> Result<Gradient> {
    for (key, said) in
        [("gradient.clipNorm", config.clip_norm), ("gradient.clipValue", config.clip_value)]
    {
        if let Some(value) = said {
            within(key, value, value > 0.0, "more than 0")?;
        }
    }
    let accumulate = config.accumulate.unwrap_or(1);
    least("gradient.accumulate", accumulate, 1)?;
    Ok(Gradient { clip_norm: config.clip_norm, clip_value: config.clip_value, accumulate })
}

pub(super) fn resolve_ema(config: &EmaConfig) -> Result<Ema> {
    let decay = config.decay.unwrap_or(0.0);
    within("ema.decay", decay, (0.0..1.0).contains(&decay), "from 0 up to, but not, 1")?;
    Ok(Ema { decay })
}

pub(super) fn resolve_early_stopping(
    config: Option<&EarlyStoppingConfig>,
    monitor: Metric,
    has_val: bool,
    why: &mut Reasons,
) -> Result<Option<EarlyStopping>> {
    let Some(said) = config else { return Ok(None) };
    let metric = why.pick("earlyStopping.metric", &said.metric, || {
        (monitor, "what makes a checkpoint the best".to_string())
    });
    needs_validation("earlyStopping.metric", metric, has_val)?;
    let min_delta = said.min_delta.unwrap_or(0.0);
    within("earlyStopping.minDelta", min_delta, min_delta >= 0.0, "0 or more")?;
    Ok(Some(EarlyStopping { patience: said.patience.unwrap_or(10), min_delta, metric }))
}

pub(super) fn resolve_warmup(
    config: &WarmupConfig,
    task: Task,
    budget: &Budget,
    schedule: &Schedule,
    why: &mut Reasons,
) -> Result<Warmup> {
    // A new head is random: what it first says of the weights behind it is noise. (One cycle has a
    // rise of its own.)
    let rises = task.fine_tuned
        && config.until_accuracy.is_none()
        && !matches!(schedule, Schedule::OneCycle(_));
    let epochs = match (config.epochs, budget.epochs) {
        (Some(said), _) => said,
        (None, Some(epochs)) if rises => {
            why.0.insert("warmup.epochs".into(), "the new head is to settle first".into());
            (f64::from(epochs) / 10.0).min(1.0)
        }
        _ => 0.0,
    };
    let warmup = Warmup {
        epochs,
        start_factor: config.start_factor.unwrap_or(0.1),
        until_accuracy: config.until_accuracy,
    };
    within("warmup.epochs", warmup.epochs, warmup.epochs >= 0.0, "0 or more")?;
    within(
        "warmup.startFactor",
        warmup.start_factor,
        (0.0..=1.0).contains(&warmup.start_factor),
        "from 0 to 1",
    )?;
    if let Some(accuracy) = warmup.until_accuracy {
        let range = accuracy > 0.0 && accuracy <= 1.0;
        within("warmup.untilAccuracy", accuracy, range, "above 0 and at most 1")?;
        if warmup.epochs > 0.0 {
            return Err(refuse(
                "warmup.epochs",
                "0 beside `warmup.untilAccuracy`",
                json!(warmup.epochs),
            ));
        }
    }
    Ok(warmup)
}
