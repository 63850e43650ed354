//! How a network is trained: how long, by which rule, at which rate.

use crate::Auto;
use crate::macros::{config, string_enum, tagged_union};

config! {
    /// How long to train; the first limit reached ends the run.
    BudgetConfig => Budget {
        /// Passes over the training images. Default, where nothing else is given: 30, and more
        /// where there are few images; fewer for many that begin from weights.
        epochs: u32 => Option<u32>,
        /// Updates of the weights.
        steps: u64 => Option<u64>,
        /// Seconds of training, evaluation included.
        seconds: f64 => Option<f64>,
    }
}

tagged_union! {
    /// The update rule.
    OptimizerConfig => Optimizer {
        "sgd" Sgd(SgdConfig => Sgd),
        "adam" Adam(AdamConfig => Adam),
        "adamw" AdamW(AdamConfig => Adam),
        "lars" Lars(LarsConfig => Lars),
    }
}

config! {
    /// Stochastic gradient descent with momentum, in PyTorch's form (`torch.optim.SGD`).
    SgdConfig => Sgd {
        /// Learning rate. Default: 0.1, less for small batches; 0.01 where training begins from
        /// weights.
        lr: f64 => f64,
        /// Default: 0.9.
        momentum: f64 => f64,
        /// Default: 5e-4; 1e-4 where training begins from weights.
        weight_decay: f64 => f64,
        /// Nesterov's momentum. Default: false.
        nesterov: bool => bool,
        /// Apply the weight decay to norms and biases too, as the paper and PyTorch do.
        /// Default: true.
        decay_norms: bool => bool,
    }
}

config! {
    /// Adam (Kingma & Ba 2014) in PyTorch's form (`torch.optim.Adam`), and with decoupled weight
    /// decay (Loshchilov & Hutter 2017, `torch.optim.AdamW`).
    AdamConfig => Adam {
        /// Learning rate. Default: 1e-3; 1e-4 where training begins from weights.
        lr: f64 => f64,
        /// Decay of the two moments. Default: [0.9, 0.999].
        betas: Vec<f64> => [f64; 2],
        /// Default: 1e-8.
        eps: f64 => f64,
        /// Default: 0 for `adam`, 0.01 for `adamw`.
        weight_decay: f64 => f64,
        /// Apply the weight decay to norms and biases too. Default: true.
        decay_norms: bool => bool,
    }
}

config! {
    /// Layer-wise adaptive rates, for large batches (You et al. 2017).
    LarsConfig => Lars {
        /// Learning rate. Default: 0.1.
        lr: f64 => f64,
        /// Default: 0.9.
        momentum: f64 => f64,
        /// Default: 5e-4.
        weight_decay: f64 => f64,
        /// The paper's eta. Default: 0.001.
        trust_coefficient: f64 => f64,
        /// Default: 1e-8.
        eps: f64 => f64,
        /// Apply weight decay and the layer-wise rate to norms and biases too. Default: false.
        decay_norms: bool => bool,
    }
}

tagged_union! {
    /// How the learning rate changes.
    ScheduleConfig => Schedule {
        "cosine" Cosine(CosineScheduleConfig => CosineSchedule),
        /// The optimizer's rate throughout.
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
    /// Half a cosine from the optimizer's rate down to `minLr`, stepped at every update.
    CosineScheduleConfig => CosineSchedule {
        /// Default: 0.
        min_lr: f64 => f64,
    }
}

config! {
    /// Multiply the rate by `gamma` at each milestone (`MultiStepLR`).
    MultiStepScheduleConfig => MultiStepSchedule {
        /// Epochs or steps, as `unit` says, after which the rate is cut. Default: half and three
        /// quarters of the budget.
        milestones: Auto<Vec<u64>> => Vec<u64>,
        /// Default: 0.1.
        gamma: f64 => f64,
        /// Default: `epoch`.
        unit: ScheduleUnit => ScheduleUnit,
    }
}

config! {
    /// Multiply the rate by `factor` once the metric stopped improving (`ReduceLROnPlateau`).
    PlateauScheduleConfig => PlateauSchedule {
        /// Default: 0.1.
        factor: f64 => f64,
        /// How much better counts as better. Default: 1e-4.
        threshold: f64 => f64,
        /// `rel`: a share of the best; `abs`: in the metric's own unit. Default: `rel`.
        threshold_mode: ThresholdMode => ThresholdMode,
        /// Epochs without improvement that are let pass. Default: 10.
        patience: u32 => u32,
        /// Epochs after a cut in which none is counted. Default: 0.
        cooldown: u32 => u32,
        /// Default: 0.
        min_lr: f64 => f64,
        /// What is watched. Default: the validation loss, where there is a validation part.
        metric: Auto<Metric> => Metric,
    }
}

config! {
    /// Multiply the rate by `gamma` every `size` epochs or steps (`StepLR`).
    StepScheduleConfig => StepSchedule {
        /// Epochs or steps, as `unit` says. Default: a third of the budget.
        step_size: Auto<u64> => u64,
        /// Default: 0.1.
        gamma: f64 => f64,
        /// Default: `epoch`.
        unit: ScheduleUnit => ScheduleUnit,
    }
}

config! {
    /// In a line from the optimizer's rate to `endFactor` of it, stepped at every update
    /// (`LinearLR` over the whole budget).
    LinearScheduleConfig => LinearSchedule {
        /// Default: 0.
        end_factor: f64 => f64,
    }
}

config! {
    /// `(1 - progress) ^ power` of the optimizer's rate, stepped at every update
    /// (`PolynomialLR` over the whole budget).
    PolynomialScheduleConfig => PolynomialSchedule {
        /// Default: 1.
        power: f64 => f64,
    }
}

config! {
    /// Up to the optimizer's rate and down to almost nothing (Smith 2017, `OneCycleLR`).
    OneCycleScheduleConfig => OneCycleSchedule {
        /// Share of the budget that the rise takes. Default: 0.3.
        pct_start: f64 => f64,
        /// It begins at the optimizer's rate divided by this. Default: 25.
        div_factor: f64 => f64,
        /// It ends at the beginning's rate divided by this. Default: 10000.
        final_div_factor: f64 => f64,
        /// Default: `cos`.
        anneal_strategy: AnnealStrategy => AnnealStrategy,
    }
}

string_enum! {
    /// The shape of a rise or fall.
    AnnealStrategy {
        "cos" Cos,
        "linear" Linear,
    }
}

string_enum! {
    /// What a schedule counts in.
    ScheduleUnit {
        "epoch" Epoch,
        "step" Step,
    }
}

string_enum! {
    /// How a plateau's threshold is meant.
    ThresholdMode {
        "rel" Rel,
        "abs" Abs,
    }
}

string_enum! {
    /// A number that every epoch ends with.
    Metric {
        "train.loss" TrainLoss,
        "train.accuracy" TrainAccuracy,
        "val.loss" ValLoss,
        "val.accuracy" ValAccuracy,
    }
}

config! {
    /// A linear rise of the rate at the start, whatever the schedule.
    WarmupConfig => Warmup {
        /// Epochs that it takes (fractions allowed); 0 for none. Default: 0; where training begins
        /// from weights, 1 or a tenth of fewer than 10 epochs.
        epochs: f64 => f64,
        /// The share of the rate to begin with. Default: 0.1.
        start_factor: f64 => f64,
        /// In place of the rise: stay at `from` until an epoch's training accuracy reaches this,
        /// as the paper's 110-layer network does (0.2; section 4.2).
        until_accuracy: f64 => Option<f64>,
    }
}

config! {
    /// What is minimised: cross-entropy.
    LossConfig => Loss {
        /// The share of the target that is spread over all classes (Szegedy et al. 2015).
        /// Default: 0.
        label_smoothing: f64 => f64,
        /// How much each class counts. Default: `none`, all the same.
        class_weights: ClassWeightsConfig => ClassWeights,
    }
}

tagged_union! {
    /// How much each class counts in the loss.
    ClassWeightsConfig => ClassWeights {
        /// All classes count the same.
        "none" None,
        /// Inversely to their frequency: images / (classes * the class's images).
        "balanced" Balanced,
        "given" Given(GivenClassWeightsConfig => GivenClassWeights),
    }
}

config! {
    /// As given.
    GivenClassWeightsConfig => GivenClassWeights {
        /// One a class, in the order of the classes.
        weights: Vec<f64> => Vec<f64>,
    }
}

config! {
    /// What happens to gradients before an update.
    GradientConfig => Gradient {
        /// Scale all gradients so that their common norm is at most this
        /// (`clip_grad_norm_`).
        clip_norm: f64 => Option<f64>,
        /// Cut every number to at most this size (`clip_grad_value_`).
        clip_value: f64 => Option<f64>,
        /// Batches whose gradients are averaged for one update. Default: 1.
        accumulate: u32 => u32,
    }
}

config! {
    /// An exponential moving average of the weights, which is what is evaluated and kept.
    EmaConfig => Ema {
        /// What an update keeps of the average; 0 for none. Default: 0.
        decay: f64 => f64,
    }
}

config! {
    /// End a run that does not improve any more.
    EarlyStoppingConfig => EarlyStopping {
        /// Epochs without improvement that are let pass. Default: 10.
        patience: u32 => u32,
        /// How much better counts as better, in the metric's own unit. Default: 0.
        min_delta: f64 => f64,
        /// What is watched. Default: `monitor`.
        metric: Auto<Metric> => Metric,
    }
}
