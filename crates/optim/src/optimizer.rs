//! The update rules, over a network's parameters.

use residual_model::Model;
use residual_spec::{Optimizer as Rule, Result};
use residual_torch::{FusedAdam, FusedSgd, OptimizerScalars, torch_error};
use tch::Tensor;

use crate::lars::scaled_layer_by_layer;

/// A rule with the parameters that it moves and what it remembers of each.
///
/// The rules are `torch.optim`'s, with the rate given at each update:
///
/// - `sgd`: `g += weight_decay p; v = momentum v + g; p -= lr v`, or with Nesterov
///   `p -= lr (g + momentum v)`;
/// - `adam`, `adamw`: as Kingma & Ba 2014 and Loshchilov & Hutter 2017, both with the moments'
///   bias corrected;
/// - `lars`: see [`lars`].
pub struct Optimizer {
    rule: Rule,
    /// Parameters with weight decay, and those without.
    groups: [Group; 2],
    parameters: Vec<Tensor>,
    updates: u64,
}

/// Parameters that are treated alike, with their state. All lists run in parallel.
#[derive(Default)]
struct Group {
    names: Vec<String>,
    /// Places in the list of all parameters.
    places: Vec<usize>,
    parameters: Vec<Tensor>,
    /// One list for each of [`state_names`].
    state: Vec<Vec<Tensor>>,
}

/// Updates that the device makes or skips by itself. Tensors of one fp32 number, on the device.
#[derive(Clone, Copy)]
pub struct Skip<'a> {
    /// 1 if this one is skipped, else 0.
    pub now: &'a Tensor,
    /// How many of those before it were, and do not count; none of them if it is not there.
    pub before: Option<&'a Tensor>,
}

/// What a rule remembers of each parameter, as PyTorch names it.
fn state_names(rule: &Rule) -> &'static [&'static str] {
    match rule {
        Rule::Sgd(_) | Rule::Lars(_) => &["momentum"],
        Rule::Adam(_) | Rule::AdamW(_) => &["exp_avg", "exp_avg_sq"],
    }
}

/// How many numbers a rule remembers of each parameter.
pub fn states(rule: &Rule) -> usize {
    state_names(rule).len()
}

impl Optimizer {
    pub fn new(rule: &Rule, model: &Model) -> Result<Optimizer> {
        Optimizer::over(rule, model.parameters().map(|(name, p)| (name, p.shallow_clone())))
    }

    /// Over any parameters, by name. Those of one dimension are norms and biases.
    pub fn over<'n>(
        rule: &Rule,
        parameters: impl IntoIterator<Item = (&'n str, Tensor)>,
    ) -> Result<Optimizer> {
        let decay_norms = match rule {
            Rule::Sgd(sgd) => sgd.decay_norms,
            Rule::Adam(adam) | Rule::AdamW(adam) => adam.decay_norms,
            Rule::Lars(lars) => lars.decay_norms,
        };
        let mut all = Vec::new();
        let mut groups = [Group::default(), Group::default()];
        for (place, (name, parameter)) in parameters.into_iter().enumerate() {
            let group = &mut groups[usize::from(!decay_norms && parameter.dim() <= 1)];
            group.names.push(name.to_string());
            group.places.push(place);
            group.parameters.push(parameter.shallow_clone());
            all.push(parameter);
        }
        for group in &mut groups {
            let zeros = |p: &Tensor| p.detach().f_zeros_like();
            group.state = state_names(rule)
                .iter()
                .map(|_| group.parameters.iter().map(zeros).collect())
                .collect::<std::result::Result<_, _>>()
                .map_err(torch_error)?;
        }
        Ok(Optimizer { rule: rule.clone(), groups, parameters: all, updates: 0 })
    }

    /// Gradients of `loss`, in the order of the parameters. Nothing is accumulated, so there is
    /// nothing to set to zero.
    pub fn gradients(&self, loss: &Tensor) -> Result<Vec<Tensor>> {
        Tensor::f_run_backward(&[loss], &self.parameters, false, false).map_err(torch_error)
    }

    /// One update in place, or none if the device says so.
    pub fn step(&mut self, gradients: &[Tensor], lr: f64, skip: Option<Skip>) -> Result<()> {
        self.step_by(gradients, OptimizerScalars::Host { lr, step: self.updates + 1 }, skip)?;
        self.count();
        Ok(())
    }

    /// The same, not counted: what is captured here is made, and counted, later.
    pub fn step_by(
        &self,
        gradients: &[Tensor],
        rate: OptimizerScalars,
        skip: Option<Skip>,
    ) -> Result<()> {
        let (skip, skipped) = (skip.map(|skip| skip.now), skip.and_then(|skip| skip.before));
        let first_step = self.updates == 0;
        for (group, decays) in self.groups.iter().zip([true, false]) {
            if group.parameters.is_empty() {
                continue;
            }
            let gradients: Vec<Tensor> =
                group.places.iter().map(|&place| gradients[place].shallow_clone()).collect();
            let decay = |weight_decay: f64| if decays { weight_decay } else { 0.0 };
            let sgd = |momentum: f64, weight_decay: f64, nesterov: bool| FusedSgd {
                scalars: rate,
                momentum,
                weight_decay,
                nesterov,
                first_step,
                found_inf: skip,
            };
            match &self.rule {
                Rule::Sgd(rule) => {
                    let fused = sgd(rule.momentum, decay(rule.weight_decay), rule.nesterov);
                    fused.step(&group.parameters, &gradients, &group.state[0])?;
                }
                Rule::Adam(rule) | Rule::AdamW(rule) => {
                    let fused = FusedAdam {
                        scalars: rate,
                        betas: rule.betas,
                        eps: rule.eps,
                        weight_decay: decay(rule.weight_decay),
                        decoupled: matches!(self.rule, Rule::AdamW(_)),
                        found_inf: skip,
                        num_skipped: skipped,
                    };
                    let (first, second) = (&group.state[0], &group.state[1]);
                    fused.step(&group.parameters, &gradients, first, second)?;
                }
                Rule::Lars(rule) => {
                    let gradients = match decays {
                        true => scaled_layer_by_layer(rule, &group.parameters, &gradients)?,
                        false => gradients,
                    };
                    let fused = sgd(rule.momentum, 0.0, false);
                    fused.step(&group.parameters, &gradients, &group.state[0])?;
                }
            }
        }
        Ok(())
    }

    /// What has to be saved besides the weights: `momentum.layer1.0.conv1.weight` and the like.
    pub fn state(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.groups.iter().flat_map(|group| {
            state_names(&self.rule).iter().zip(&group.state).flat_map(|(state, tensors)| {
                group.names.iter().zip(tensors).map(move |(name, t)| (format!("{state}.{name}"), t))
            })
        })
    }

    /// An update that was made or skipped elsewhere. It counts, too.
    pub fn count(&mut self) {
        self.updates += 1;
    }

    /// The last updates were skipped, and do not count.
    pub fn take_back(&mut self, updates: u64) {
        self.updates -= updates;
    }

    /// Updates made or skipped, those before a resumption included.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Goes on where another left off after `updates`: with its state, by name.
    pub fn restore(
        &mut self,
        updates: u64,
        mut saved: impl FnMut(&str) -> Result<Tensor>,
    ) -> Result<()> {
        self.updates = updates;
        let _no_grad = tch::no_grad_guard();
        for group in &mut self.groups {
            for (state, tensors) in state_names(&self.rule).iter().zip(&mut group.state) {
                for (name, own) in group.names.iter().zip(tensors) {
                    own.f_copy_(&saved(&format!("{state}.{name}"))?).map_err(torch_error)?;
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

    fn sgd(decay_norms: bool) -> Rule {
        Rule::Sgd(Sgd { lr: 1.0, momentum: 0.0, weight_decay: 0.5, nesterov: false, decay_norms })
    }

    /// A weight and a norm of ones after one update with gradients of zero.
    fn decayed(decay_norms: bool) -> [f64; 2] {
        let ones = |shape: &[i64]| Tensor::ones(shape, (Kind::Double, Device::Cpu));
        let (weight, norm) = (ones(&[2, 2]), ones(&[2]));
        let named = [("bn.weight", norm.shallow_clone()), ("conv.weight", weight.shallow_clone())];
        let mut optimizer = Optimizer::over(&sgd(decay_norms), named).unwrap();
        optimizer.step(&[norm.zeros_like(), weight.zeros_like()], 1.0, None).unwrap();
        [weight, norm].map(|tensor| tensor.mean(Kind::Double).double_value(&[]))
    }

    #[test]
    fn norms_decay_as_weights_do_unless_they_are_not_to() {
        assert_eq!(decayed(true), [0.5, 0.5]);
        assert_eq!(decayed(false), [0.5, 1.0]);
    }
}
