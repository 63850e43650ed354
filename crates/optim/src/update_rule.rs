//! The interface of an update rule, and the list of all rules.

use residual_spec::Result;
use residual_torch::OptimizerScalars;
use tch::Tensor;

use crate::SkipTensors;
use crate::adam::AdamRule;

/// The update of one parameter group by an optimizer.
pub trait UpdateRule {
    /// Returns the names of the state tensors of each parameter, as checkpoints store them.
    fn state_names(&self) -> &'static [&'static str];

    /// Returns whether weight decay also applies to parameters of normalization layers and to
    /// biases (`decayNorms`).
    fn decays_norms(&self) -> bool;

    /// Returns whether [`UpdateRule::step`] reads tensor values on the host.
    ///
    /// Such a rule waits for the device, so its steps are neither deferred nor captured in a CUDA
    /// graph. A rule that returns false must honor [`Update::skip`].
    fn reads_on_host(&self) -> bool;

    /// Updates the parameters of `group` and their state in place. `gradients` are in the order of
    /// the group's parameters.
    fn step(&self, group: &ParamGroup, gradients: &[Tensor], update: &Update) -> Result<()>;
}

/// Returns the update rule of a resolved configuration.
pub fn update_rule(config: &residual_spec::Optimizer) -> Box<dyn UpdateRule> {
    use residual_spec::Optimizer as Config;
    match config {
        Config::Sgd(config) => Box::new(config.clone()),
        Config::Adam(config) => Box::new(AdamRule::adam(config)),
        Config::AdamW(config) => Box::new(AdamRule::adamw(config)),
        Config::Lars(config) => Box::new(config.clone()),
    }
}

/// Parameters with the same hyperparameters, and their state. Element `i` of every list belongs to
/// parameter `i` of the group.
pub struct ParamGroup {
    pub names: Vec<String>,
    /// Index of each parameter in the optimizer's list of all parameters.
    pub indices: Vec<usize>,
    pub parameters: Vec<Tensor>,
    /// State tensors: a list with one tensor per parameter for each of [`UpdateRule::state_names`].
    pub state: Vec<Vec<Tensor>>,
    /// Whether weight decay applies to the group.
    pub has_decay: bool,
}

impl ParamGroup {
    pub(crate) fn new(has_decay: bool) -> ParamGroup {
        ParamGroup {
            names: Vec::new(),
            indices: Vec::new(),
            parameters: Vec::new(),
            state: Vec::new(),
            has_decay,
        }
    }

    /// Returns the weight decay of the group: `weight_decay`, or 0 if the group is exempt.
    pub fn weight_decay(&self, weight_decay: f64) -> f64 {
        if self.has_decay { weight_decay } else { 0.0 }
    }
}

/// Values of one update that are the same for all parameter groups.
pub struct Update<'a> {
    /// Learning rate and step number.
    pub scalars: OptimizerScalars<'a>,
    /// Whether no update has been made before, so that the state is still zero.
    pub is_first: bool,
    /// Present if the device decides whether the update is made.
    pub skip: Option<SkipTensors<'a>>,
}
