//! Budget, optimizer, loss, gradients, moving average, early stopping and warm-up.

use serde_json::json;

use super::ranges::{check_integer, check_range, invalid};
use super::task::Task;
use super::{Reasons, check_metric};
use crate::*;

pub(super) fn resolve_budget(
    config: &TrainConfig,
    task: Task,
    reasons: &mut Reasons,
) -> Result<Budget> {
    let limits = config.budget.clone().unwrap_or_default();
    if let (Some(epochs), Some(budget)) = (config.epochs, limits.epochs)
        && epochs != budget
    {
        return Err(invalid("epochs", "equal to `budget.epochs`", json!(epochs))
            .hint("Set either `epochs` or `budget.epochs`."));
    }
    let mut epochs = config.epochs.or(limits.epochs);
    if epochs.is_none() && limits.steps.is_none() && limits.seconds.is_none() {
        let (default, reason) = task.epochs();
        reasons.record("budget.epochs", reason);
        epochs = Some(default);
    }
    if let Some(epochs) = epochs {
        let key = if config.epochs.is_some() { "epochs" } else { "budget.epochs" };
        check_integer(key, epochs)?;
    }
    if let Some(steps) = limits.steps {
        check_integer("budget.steps", steps)?;
    }
    if let Some(seconds) = limits.seconds {
        check_range("budget.seconds", seconds, seconds > 0.0, "more than 0")?;
    }
    Ok(Budget { epochs, steps: limits.steps, seconds: limits.seconds })
}

pub(super) fn resolve_optimizer(
    config: Option<&OptimizerConfig>,
    task: Task,
    images_per_step: u32,
    reasons: &mut Reasons,
) -> Result<Optimizer> {
    let default = OptimizerConfig::Sgd(SgdConfig::default());
    let mut resolve_lr = |configured: Option<f64>, (default, reason): (f64, String)| {
        if configured.is_none() {
            reasons.record("optimizer.lr", reason);
        }
        check_lr(configured.unwrap_or(default))
    };
    Ok(match config.unwrap_or(&default) {
        OptimizerConfig::Sgd(sgd) => {
            let lr = resolve_lr(sgd.lr, task.sgd_lr(images_per_step))?;
            Optimizer::Sgd(resolve_sgd(sgd, lr, task.sgd_weight_decay())?)
        }
        OptimizerConfig::Adam(adam) => {
            let lr = resolve_lr(adam.lr, task.adam_lr())?;
            Optimizer::Adam(resolve_adam(adam, lr, 0.0)?)
        }
        OptimizerConfig::AdamW(adam) => {
            let lr = resolve_lr(adam.lr, task.adam_lr())?;
            Optimizer::AdamW(resolve_adam(adam, lr, 0.01)?)
        }
        OptimizerConfig::Lars(lars) => Optimizer::Lars(resolve_lars(lars)?),
    })
}

fn resolve_sgd(config: &SgdConfig, lr: f64, default_decay: f64) -> Result<Sgd> {
    let sgd = Sgd {
        lr,
        momentum: resolve_momentum(config.momentum)?,
        weight_decay: resolve_weight_decay(config.weight_decay, default_decay)?,
        nesterov: config.nesterov.unwrap_or(false),
        decay_norms: config.decay_norms.unwrap_or(true),
    };
    if sgd.nesterov && sgd.momentum == 0.0 {
        let expected = "false if `optimizer.momentum` is 0";
        return Err(invalid("optimizer.nesterov", expected, json!(true)));
    }
    Ok(sgd)
}

fn resolve_adam(config: &AdamConfig, lr: f64, default_decay: f64) -> Result<Adam> {
    let betas = config.betas.unwrap_or([0.9, 0.999]);
    let is_valid = betas.iter().all(|beta| (0.0..1.0).contains(beta));
    if !is_valid {
        let expected = "two numbers from 0 to less than 1";
        return Err(invalid("optimizer.betas", expected, json!(betas)));
    }
    Ok(Adam {
        lr,
        betas,
        eps: resolve_eps(config.eps)?,
        weight_decay: resolve_weight_decay(config.weight_decay, default_decay)?,
        decay_norms: config.decay_norms.unwrap_or(true),
    })
}

fn resolve_lars(config: &LarsConfig) -> Result<Lars> {
    let trust_coefficient = config.trust_coefficient.unwrap_or(0.001);
    let is_valid = trust_coefficient > 0.0;
    check_range("optimizer.trustCoefficient", trust_coefficient, is_valid, "more than 0")?;
    Ok(Lars {
        lr: check_lr(config.lr.unwrap_or(0.1))?,
        momentum: resolve_momentum(config.momentum)?,
        weight_decay: resolve_weight_decay(config.weight_decay, 5e-4)?,
        trust_coefficient,
        eps: resolve_eps(config.eps)?,
        decay_norms: config.decay_norms.unwrap_or(false),
    })
}

fn check_lr(lr: f64) -> Result<f64> {
    check_range("optimizer.lr", lr, lr > 0.0, "more than 0").map(|()| lr)
}

fn resolve_momentum(configured: Option<f64>) -> Result<f64> {
    let momentum = configured.unwrap_or(0.9);
    let is_valid = (0.0..1.0).contains(&momentum);
    check_range("optimizer.momentum", momentum, is_valid, "from 0 to less than 1")
        .map(|()| momentum)
}

fn resolve_weight_decay(configured: Option<f64>, default: f64) -> Result<f64> {
    let decay = configured.unwrap_or(default);
    check_range("optimizer.weightDecay", decay, decay >= 0.0, "0 or more").map(|()| decay)
}

fn resolve_eps(configured: Option<f64>) -> Result<f64> {
    let eps = configured.unwrap_or(1e-8);
    check_range("optimizer.eps", eps, eps >= 0.0, "0 or more").map(|()| eps)
}

impl Optimizer {
    /// Returns the learning rate before the schedule is applied.
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
    let is_valid = (0.0..1.0).contains(&label_smoothing);
    check_range("loss.labelSmoothing", label_smoothing, is_valid, "from 0 to less than 1")?;
    let class_weights = match &config.class_weights {
        None | Some(ClassWeightsConfig::None) => ClassWeights::None,
        Some(ClassWeightsConfig::Balanced) => ClassWeights::Balanced,
        Some(ClassWeightsConfig::Given(given)) => {
            let weights = given.weights.clone().unwrap_or_default();
            let is_valid = weights.len() == classes
                && weights.iter().all(|weight| *weight >= 0.0)
                && weights.iter().sum::<f64>() > 0.0;
            if !is_valid {
                let expected = format!("an array of {classes} numbers, 0 or more, one per class");
                return Err(invalid("loss.classWeights.weights", &expected, json!(weights)));
            }
            ClassWeights::Given(GivenClassWeights { weights })
        }
    };
    Ok(Loss { label_smoothing, class_weights })
}

pub(super) fn resolve_gradient(config: &GradientConfig) -> Result<Gradient> {
    for (key, limit) in
        [("gradient.clipNorm", config.clip_norm), ("gradient.clipValue", config.clip_value)]
    {
        if let Some(value) = limit {
            check_range(key, value, value > 0.0, "more than 0")?;
        }
    }
    let accumulate = config.accumulate.unwrap_or(1);
    check_integer("gradient.accumulate", accumulate)?;
    Ok(Gradient { clip_norm: config.clip_norm, clip_value: config.clip_value, accumulate })
}

pub(super) fn resolve_ema(config: &EmaConfig) -> Result<Ema> {
    let decay = config.decay.unwrap_or(0.0);
    check_range("ema.decay", decay, (0.0..1.0).contains(&decay), "from 0 to less than 1")?;
    Ok(Ema { decay })
}

pub(super) fn resolve_early_stopping(
    config: Option<&EarlyStoppingConfig>,
    monitor: Metric,
    has_val: bool,
    reasons: &mut Reasons,
) -> Result<Option<EarlyStopping>> {
    let Some(config) = config else { return Ok(None) };
    let metric = reasons.resolve_auto("earlyStopping.metric", &config.metric, || {
        (monitor, "same as `monitor`".to_string())
    });
    check_metric("earlyStopping.metric", metric, has_val)?;
    let min_delta = config.min_delta.unwrap_or(0.0);
    check_range("earlyStopping.minDelta", min_delta, min_delta >= 0.0, "0 or more")?;
    Ok(Some(EarlyStopping { patience: config.patience.unwrap_or(10), min_delta, metric }))
}

pub(super) fn resolve_warmup(
    config: &WarmupConfig,
    task: Task,
    budget: &Budget,
    schedule: &Schedule,
    reasons: &mut Reasons,
) -> Result<Warmup> {
    // In the first steps, the gradients of a randomly initialized head would degrade the pretrained
    // weights. The one-cycle schedule includes a warm-up.
    let warm_up_head = task.fine_tunes
        && config.until_accuracy.is_none()
        && !matches!(schedule, Schedule::OneCycle(_));
    let epochs = match (config.epochs, budget.epochs) {
        (Some(epochs), _) => epochs,
        (None, Some(epochs)) if warm_up_head => {
            reasons.record("warmup.epochs", "fine-tuning: the head is initialized randomly");
            (f64::from(epochs) / 10.0).min(1.0)
        }
        _ => 0.0,
    };
    let warmup = Warmup {
        epochs,
        start_factor: config.start_factor.unwrap_or(0.1),
        until_accuracy: config.until_accuracy,
    };
    check_range("warmup.epochs", warmup.epochs, warmup.epochs >= 0.0, "0 or more")?;
    check_range(
        "warmup.startFactor",
        warmup.start_factor,
        (0.0..=1.0).contains(&warmup.start_factor),
        "from 0 to 1",
    )?;
    if let Some(accuracy) = warmup.until_accuracy {
        let is_valid = accuracy > 0.0 && accuracy <= 1.0;
        check_range("warmup.untilAccuracy", accuracy, is_valid, "above 0 and at most 1")?;
        if warmup.epochs > 0.0 {
            return Err(invalid(
                "warmup.epochs",
                "0 with `warmup.untilAccuracy`",
                json!(warmup.epochs),
            ));
        }
    }
    Ok(warmup)
}
