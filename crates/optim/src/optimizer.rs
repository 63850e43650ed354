//! The optimizer of a training run, the counterpart of `torch.optim.Optimizer`.

use residual_spec::Result;
use residual_torch::{OptimizerScalars, torch_error};
use tch::Tensor;

use crate::update_rule::{ParamGroup, Update, UpdateRule, update_rule};

/// An [`UpdateRule`] with its parameter groups and state, as in `torch.optim`, except that the
/// learning rate is an argument of [`Optimizer::step`].
pub struct Optimizer {
    rule: Box<dyn UpdateRule>,
    /// Parameters with weight decay, then parameters without weight decay.
    groups: [ParamGroup; 2],
    parameters: Vec<Tensor>,
    steps: u64,
}

/// Tensors from which the device decides whether to skip a step, without synchronization with the
/// host. Each is a scalar fp32 tensor on the device of the parameters.
#[derive(Clone, Copy)]
pub struct SkipTensors<'a> {
    /// 1 to skip the step, otherwise 0.
    pub found_inf: &'a Tensor,
    /// Number of steps skipped before, which bias corrections do not count; `None` for 0.
    pub skipped_steps: Option<&'a Tensor>,
}

impl Optimizer {
    /// Creates an optimizer for named parameters. Parameters with at most one dimension are treated
    /// as parameters of normalization layers and biases, which may be exempt from weight decay.
    pub fn new<'p>(
        config: &residual_spec::Optimizer,
        named_parameters: impl IntoIterator<Item = (&'p str, &'p Tensor)>,
    ) -> Result<Optimizer> {
        let rule = update_rule(config);
        let mut parameters = Vec::new();
        let mut groups = [ParamGroup::new(true), ParamGroup::new(false)];
        for (index, (name, parameter)) in named_parameters.into_iter().enumerate() {
            let is_exempt = !rule.decays_norms() && parameter.dim() <= 1;
            let group = &mut groups[usize::from(is_exempt)];
            group.names.push(name.to_string());
            group.indices.push(index);
            group.parameters.push(parameter.shallow_clone());
            parameters.push(parameter.shallow_clone());
        }
        for group in &mut groups {
            let zeros = |p: &Tensor| p.detach().f_zeros_like();
            group.state = rule
                .state_names()
                .iter()
                .map(|_| group.parameters.iter().map(zeros).collect())
                .collect::<std::result::Result<_, _>>()
                .map_err(torch_error)?;
        }
        Ok(Optimizer { rule, groups, parameters, steps: 0 })
    }

    /// Returns the gradients of `loss`, in the order of the parameters. Gradients are not stored on
    /// the parameters, so there is nothing to reset to zero.
    pub fn gradients(&self, loss: &Tensor) -> Result<Vec<Tensor>> {
        Tensor::f_run_backward(&[loss], &self.parameters, false, false).map_err(torch_error)
    }

    /// Updates the parameters in place and increments the step count. The device may skip the step,
    /// see [`SkipTensors`].
    pub fn step(&mut self, gradients: &[Tensor], lr: f64, skip: Option<SkipTensors>) -> Result<()> {
        self.apply(gradients, OptimizerScalars::Host { lr, step: self.steps + 1 }, skip)?;
        self.count_step();
        Ok(())
    }

    /// Updates the parameters as [`Optimizer::step`] does, without incrementing the step count. For
    /// deferred steps and steps that are captured in a CUDA graph.
    pub fn apply(
        &self,
        gradients: &[Tensor],
        scalars: OptimizerScalars,
        skip: Option<SkipTensors>,
    ) -> Result<()> {
        let update = Update { scalars, is_first: self.steps == 0, skip };
        for group in self.groups.iter().filter(|group| !group.parameters.is_empty()) {
            let gradients: Vec<Tensor> =
                group.indices.iter().map(|&index| gradients[index].shallow_clone()).collect();
            self.rule.step(group, &gradients, &update)?;
        }
        Ok(())
    }

    /// Returns the trainable parameters, in the order of the gradients.
    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    /// Returns the state tensors by name, such as `momentum.layer1.0.conv1.weight`.
    pub fn state(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.groups.iter().flat_map(|group| {
            self.rule.state_names().iter().zip(&group.state).flat_map(|(state, tensors)| {
                group.names.iter().zip(tensors).map(move |(name, t)| (format!("{state}.{name}"), t))
            })
        })
    }

    /// Increments the step count: after a CUDA graph replay, a deferred step, or a step skipped by
    /// the loss scaler.
    pub fn count_step(&mut self) {
        self.steps += 1;
    }

    /// Decrements the step count after deferred steps were discarded because training diverged.
    pub fn discard_steps(&mut self, steps: u64) {
        self.steps -= steps;
    }

    /// Returns the step count, which includes skipped steps and the steps before a resume.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Restores the state after `steps` steps. `load_tensor` returns a saved state tensor by name.
    pub fn load_state(
        &mut self,
        steps: u64,
        mut load_tensor: impl FnMut(&str) -> Result<Tensor>,
    ) -> Result<()> {
        self.steps = steps;
        let _no_grad = tch::no_grad_guard();
        for group in &mut self.groups {
            for (state, tensors) in self.rule.state_names().iter().zip(&mut group.state) {
                for (name, tensor) in group.names.iter().zip(tensors) {
                    let saved = load_tensor(&format!("{state}.{name}"))?;
                    tensor.f_copy_(&saved).map_err(torch_error)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use residual_spec::Sgd;
    use tch::{Device, Kind};

    fn sgd(decay_norms: bool) -> residual_spec::Optimizer {
        residual_spec::Optimizer::Sgd(Sgd {
            lr: 1.0,
            momentum: 0.0,
            weight_decay: 0.5,
            nesterov: false,
            decay_norms,
        })
    }

    /// Returns the means of a convolution weight and a batch norm weight, both initially 1, after
    /// one step with zero gradients.
    fn means_after_decay(decay_norms: bool) -> [f64; 2] {
        let ones = |shape: &[i64]| Tensor::ones(shape, (Kind::Double, Device::Cpu));
        let (weight, norm) = (ones(&[2, 2]), ones(&[2]));
        let named_parameters = [("bn.weight", &norm), ("conv.weight", &weight)];
        let mut optimizer = Optimizer::new(&sgd(decay_norms), named_parameters).unwrap();
        optimizer.step(&[norm.zeros_like(), weight.zeros_like()], 1.0, None).unwrap();
        [weight, norm].map(|tensor| tensor.mean(Kind::Double).double_value(&[]))
    }

    #[test]
    fn weight_decay_skips_norms_unless_decay_norms_is_set() {
        assert_eq!(means_after_decay(true), [0.5, 0.5]);
        assert_eq!(means_after_decay(false), [0.5, 1.0]);
    }
}
