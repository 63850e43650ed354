//! Budget, optimizer, learning-rate schedule, loss and gradients.

use crate::Auto;
use crate::macros::{config, string_enum, tagged_union};

config! {
    /// Length of training. The first limit that is reached ends the run.
    BudgetConfig => Budget {
        /// Passes over the training images. Default, if no limit is set: 30; up to 60 for few
        /// images; 5 to 30 if training starts from weights.
        epochs: u32 => Option<u32>,
        /// Optimizer steps.
        steps: u64 => Option<u64>,
        /// Seconds of training, including validation.
        seconds: f64 => Option<f64>,
    }
}

tagged_union! {
    /// Optimizer.
    OptimizerConfig => Optimizer {
        "sgd" Sgd(SgdConfig => Sgd),
        "adam" Adam(AdamConfig => Adam),
        "adamw" AdamW(AdamConfig => Adam),
        "lars" Lars(LarsConfig => Lars),
    }
}

config! {
    /// Stochastic gradient descent with momentum (`torch.optim.SGD`).
    SgdConfig => Sgd {
        /// Learning rate. Default: 0.1 for 64 or more images per step (256 for images of more than
        /// 96 pixels), or 0.01 for 32 or more if training starts from weights; scaled down linearly
        /// for fewer.
        lr: f64 => f64,
        /// Momentum, from 0 to less than 1. Default: 0.9.
        momentum: f64 => f64,
        /// Weight decay (L2 penalty). Default: 5e-4; 1e-4 if training starts from weights.
        weight_decay: f64 => f64,
        /// Use Nesterov momentum. Default: false.
        nesterov: bool => bool,
        /// Apply weight decay to normalization layers and biases too, as PyTorch does.
        /// Default: true.
        decay_norms: bool => bool,
    }
}

config! {
    /// Adam (Kingma and Ba 2014, `torch.optim.Adam`), or with decoupled weight decay AdamW
    /// (Loshchilov and Hutter 2017, `torch.optim.AdamW`).
    AdamConfig => Adam {
        /// Learning rate. Default: 1e-3; 1e-4 if training starts from weights.
        lr: f64 => f64,
        /// Decay rates of the first and second moment estimates. Default: [0.9, 0.999].
        betas: [f64; 2] => [f64; 2],
        /// Term added to the denominator. Default: 1e-8.
        eps: f64 => f64,
        /// Weight decay. Default: 0 for `adam`, 0.01 for `adamw`.
        weight_decay: f64 => f64,
        /// Apply weight decay to normalization layers and biases too. Default: true.
        decay_norms: bool => bool,
    }
}

config! {
    /// Layer-wise adaptive rate scaling, for large batches (You et al. 2017).
    LarsConfig => Lars {
        /// Learning rate. Default: 0.1.
        lr: f64 => f64,
        /// Momentum, from 0 to less than 1. Default: 0.9.
        momentum: f64 => f64,
        /// Weight decay. Default: 5e-4.
        weight_decay: f64 => f64,
        /// Trust coefficient (eta in the paper). Default: 0.001.
        trust_coefficient: f64 => f64,
        /// Term added to the denominator. Default: 1e-8.
        eps: f64 => f64,
        /// Apply weight decay and layer-wise scaling to normalization layers and biases too.
        /// Default: false.
        decay_norms: bool => bool,
    }
}

tagged_union! {
    /// Learning-rate schedule.
    ScheduleConfig => Schedule {
        "cosine" Cosine(CosineScheduleConfig => CosineSchedule),
        /// Constant learning rate.
        "constant" Constant,
        "multistep" MultiStep(MultiStepScheduleConfig => MultiStepSchedule),
        "plateau" Plateau(PlateauScheduleConfig => PlateauSchedule),
        "step" Step(StepScheduleConfig => StepSchedule),
        "linear" Linear(LinearScheduleConfig => LinearSchedule),
        "polynomial" Polynomial(PolynomialScheduleConfig => PolynomialSchedule),
        "one-cycle" OneCycle(OneCycleScheduleConfig => OneCycleSchedule),
    }
}

config! {
    /// Cosine annealing from the optimizer's learning rate to `minLr`, updated at every step
    /// (`CosineAnnealingLR`).
    CosineScheduleConfig => CosineSchedule {
        /// Final learning rate. Default: 0.
        min_lr: f64 => f64,
    }
}

config! {
    /// Multiplies the learning rate by `gamma` at each milestone (`MultiStepLR`).
    MultiStepScheduleConfig => MultiStepSchedule {
        /// Ascending epochs or steps (see `unit`) after which the learning rate is multiplied.
        /// Default: one half and three quarters of the budget.
        milestones: Auto<Vec<u64>> => Vec<u64>,
        /// Factor. Default: 0.1.
        gamma: f64 => f64,
        /// Unit of `milestones`. Default: `epoch`.
        unit: ScheduleUnit => ScheduleUnit,
    }
}

config! {
    /// Multiplies the learning rate by `factor` when a metric stops improving
    /// (`ReduceLROnPlateau`).
    PlateauScheduleConfig => PlateauSchedule {
        /// Factor, between 0 and 1. Default: 0.1.
        factor: f64 => f64,
        /// Minimum improvement of the metric. Default: 1e-4.
        threshold: f64 => f64,
        /// Whether `threshold` is relative to the best value or absolute. Default: `rel`.
        threshold_mode: ThresholdMode => ThresholdMode,
        /// Epochs without improvement before the learning rate is reduced. Default: 10.
        patience: u32 => u32,
        /// Epochs after a reduction that do not count towards `patience`. Default: 0.
        cooldown: u32 => u32,
        /// Lower bound of the learning rate. Default: 0.
        min_lr: f64 => f64,
        /// Metric. Default: `val.loss`, or `train.loss` without a validation split.
        metric: Auto<Metric> => Metric,
    }
}

config! {
    /// Multiplies the learning rate by `gamma` every `stepSize` epochs or steps (`StepLR`).
    StepScheduleConfig => StepSchedule {
        /// Epochs or steps (see `unit`) between reductions. Default: a third of the budget.
        step_size: Auto<u64> => u64,
        /// Factor. Default: 0.1.
        gamma: f64 => f64,
        /// Unit of `stepSize`. Default: `epoch`.
        unit: ScheduleUnit => ScheduleUnit,
    }
}

config! {
    /// Linear decay from the optimizer's learning rate to `endFactor` times it over the whole
    /// budget, updated at every step (`LinearLR`).
    LinearScheduleConfig => LinearSchedule {
        /// Final multiple of the learning rate, 0 to 1. Default: 0.
        end_factor: f64 => f64,
    }
}

config! {
    /// Multiplies the optimizer's learning rate by `(1 - progress) ^ power` over the whole budget,
    /// updated at every step (`PolynomialLR`).
    PolynomialScheduleConfig => PolynomialSchedule {
        /// Exponent. Default: 1.
        power: f64 => f64,
    }
}

config! {
    /// One-cycle policy (Smith 2017, `OneCycleLR`). The optimizer's learning rate is the maximum.
    OneCycleScheduleConfig => OneCycleSchedule {
        /// Fraction of the budget during which the learning rate increases. Default: 0.3.
        pct_start: f64 => f64,
        /// Maximum divided by initial learning rate. Default: 25.
        div_factor: f64 => f64,
        /// Initial divided by final learning rate. Default: 10000.
        final_div_factor: f64 => f64,
        /// Shape of increase and decrease. Default: `cos`.
        anneal_strategy: AnnealStrategy => AnnealStrategy,
    }
}

string_enum! {
    /// Shape of the increase and decrease of the learning rate.
    AnnealStrategy {
        "cos" Cos,
        "linear" Linear,
    }
}

string_enum! {
    /// Unit in which a schedule counts.
    ScheduleUnit {
        "epoch" Epoch,
        "step" Step,
    }
}

string_enum! {
    /// Interpretation of the threshold of a plateau schedule.
    ThresholdMode {
        /// Relative to the best value.
        "rel" Rel,
        /// Absolute, in the metric's unit.
        "abs" Abs,
    }
}

string_enum! {
    /// Metric that is available after every epoch.
    Metric {
        "train.loss" TrainLoss,
        "train.accuracy" TrainAccuracy,
        "val.loss" ValLoss,
        "val.accuracy" ValAccuracy,
    }
}

config! {
    /// Linear warm-up of the learning rate, applied on top of any schedule.
    WarmupConfig => Warmup {
        /// Length in epochs, fractions allowed; 0 disables it. Default: 0; 1 if training starts
        /// from weights (a tenth of the budget if that is less).
        epochs: f64 => f64,
        /// Initial multiple of the learning rate, 0 to 1. Default: 0.1.
        start_factor: f64 => f64,
        /// Training accuracy that ends the warm-up: the learning rate is multiplied by
        /// `startFactor` until an epoch reaches this accuracy, instead of increasing linearly. He
        /// et al. 2015 use 0.2 for ResNet-110 (section 4.2).
        until_accuracy: f64 => Option<f64>,
    }
}

config! {
    /// Cross-entropy loss.
    LossConfig => Loss {
        /// Label smoothing (Szegedy et al. 2015), from 0 to less than 1. Default: 0.
        label_smoothing: f64 => f64,
        /// Weight of each class. Default: `none`.
        class_weights: ClassWeightsConfig => ClassWeights,
    }
}

tagged_union! {
    /// Weight of each class in the loss.
    ClassWeightsConfig => ClassWeights {
        /// All classes have weight 1.
        "none" None,
        /// Inversely proportional to the class frequency: images / (classes * images of the class).
        "balanced" Balanced,
        "given" Given(GivenClassWeightsConfig => GivenClassWeights),
    }
}

config! {
    /// Explicit class weights of the loss.
    GivenClassWeightsConfig => GivenClassWeights {
        /// One weight per class, in class order.
        weights: Vec<f64> => Vec<f64>,
    }
}

config! {
    /// Gradient clipping and accumulation.
    GradientConfig => Gradient {
        /// Maximum L2 norm of all gradients together (`clip_grad_norm_`). Default: no clipping.
        clip_norm: f64 => Option<f64>,
        /// Maximum absolute value of each gradient element (`clip_grad_value_`). Default: no
        /// clipping.
        clip_value: f64 => Option<f64>,
        /// Number of batches whose gradients are averaged in one optimizer step. Default: 1.
        accumulate: u32 => u32,
    }
}

config! {
    /// Exponential moving average of the weights. Evaluation, prediction and export use the
    /// average; checkpoints contain both.
    EmaConfig => Ema {
        /// Decay per step, from 0 to less than 1; 0 disables it. Default: 0.
        decay: f64 => f64,
    }
}

config! {
    /// Early stopping.
    EarlyStoppingConfig => EarlyStopping {
        /// Epochs without improvement after which the run ends. Default: 10.
        patience: u32 => u32,
        /// Minimum absolute improvement of the metric. Default: 0.
        min_delta: f64 => f64,
        /// Metric. Default: `monitor`.
        metric: Auto<Metric> => Metric,
    }
}
