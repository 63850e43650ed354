//! Dynamic loss scaling for fp16 (Micikevicius et al. 2017), with the rules and constants of
//! `torch.amp.GradScaler`.
//!
//! fp16 rounds values below about 3e-8 to zero, and many gradients of activations are that small.
//! The loss is therefore multiplied by a scale before the backward pass, and the gradients are
//! divided by the scale afterwards. If a gradient overflows, the update is skipped and the scale is
//! halved. After a number of updates without overflow, the scale is doubled. All values stay on the
//! device, so the host never waits for them.

use residual_spec::Result;
use residual_torch::{foreach_unscale, torch_error};
use tch::{Device, Kind, Tensor};

/// The lowest scale. Gradients that overflow at this scale also overflow without scaling.
pub const MIN_SCALE: f64 = 1.0;

/// Parameters of the growth and the backoff of the scale.
#[derive(Clone, Copy)]
struct Policy {
    growth_factor: f64,
    backoff_factor: f64,
    /// Number of consecutive updates without overflow before the scale grows.
    growth_interval: i64,
}

const INITIAL_SCALE: f64 = 65536.0;
const POLICY: Policy = Policy { growth_factor: 2.0, backoff_factor: 0.5, growth_interval: 2000 };

const STATE_LEN: usize = 3;
/// Names of the state tensors in a checkpoint.
const STATE_NAMES: [&str; STATE_LEN] =
    ["grad_scaler.scale", "grad_scaler.growth_tracker", "grad_scaler.skipped_steps"];

/// Scales losses and unscales gradients. All tensors are scalars on the device, and are only
/// written in place, because a CUDA graph may refer to them.
pub struct GradScaler {
    policy: Policy,
    scale: Tensor,
    /// Updates without overflow since the scale last changed.
    growth_tracker: Tensor,
    /// Updates skipped since the start of the run.
    skipped_steps: Tensor,
}

impl GradScaler {
    pub fn new(device: Device) -> Result<GradScaler> {
        GradScaler::with_policy(POLICY, device)
    }

    fn with_policy(policy: Policy, device: Device) -> Result<GradScaler> {
        let scalar =
            |value: f64, kind| Tensor::f_full([], value, (kind, device)).map_err(torch_error);
        Ok(GradScaler {
            policy,
            scale: scalar(INITIAL_SCALE, Kind::Float)?,
            growth_tracker: scalar(0.0, Kind::Int)?,
            skipped_steps: scalar(0.0, Kind::Float)?,
        })
    }

    /// Returns `loss` times the scale, for the backward pass.
    pub fn scale_loss(&self, loss: &Tensor) -> Result<Tensor> {
        loss.f_mul(&self.scale).map_err(torch_error)
    }

    /// Divides gradients by the scale, in place. Returns `found_inf`: 1 if a gradient is not
    /// finite, otherwise 0.
    pub fn unscale(&self, gradients: &[Tensor]) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let found_inf = self.scale.f_zeros_like().map_err(torch_error)?;
        let inverse = self
            .scale
            .f_to_kind(Kind::Double)
            .and_then(|scale| scale.f_reciprocal()?.f_to_kind(Kind::Float))
            .map_err(torch_error)?;
        foreach_unscale(gradients, &found_inf, &inverse)?;
        Ok(found_inf)
    }

    /// Adjusts the scale after an update that was skipped (`found_inf` is 1) or made (0).
    pub fn update(&self, found_inf: &Tensor) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        let Policy { growth_factor, backoff_factor, growth_interval } = self.policy;
        let (mut scale, tracker) = (self.scale.shallow_clone(), &self.growth_tracker);
        scale
            .f_internal_amp_update_scale_(
                tracker,
                found_inf,
                growth_factor,
                backoff_factor,
                growth_interval,
            )
            .and_then(|_| self.skipped_steps.shallow_clone().f_add_(found_inf))
            .map(drop)
            .map_err(torch_error)
    }

    pub fn scale(&self) -> &Tensor {
        &self.scale
    }

    /// Returns the number of updates skipped since the start of the run.
    pub fn skipped_steps(&self) -> &Tensor {
        &self.skipped_steps
    }

    /// Returns a copy of the state as one fp64 vector, for [`GradScaler::restore_snapshot`].
    pub fn snapshot(&self) -> Result<Tensor> {
        let double = |tensor: &Tensor| tensor.f_to_kind(Kind::Double);
        let values: std::result::Result<Vec<_>, _> =
            self.tensors().map(double).into_iter().collect();
        values.and_then(|values| Tensor::f_stack(&values, 0)).map_err(torch_error)
    }

    /// Restores the state that [`GradScaler::snapshot`] returned.
    pub fn restore_snapshot(&self, snapshot: &[f64]) -> Result<()> {
        for (tensor, &value) in self.tensors().into_iter().zip(snapshot) {
            let _ = tensor.shallow_clone().f_fill_(value).map_err(torch_error)?;
        }
        Ok(())
    }

    fn tensors(&self) -> [&Tensor; STATE_LEN] {
        [&self.scale, &self.growth_tracker, &self.skipped_steps]
    }

    /// Returns the state tensors by name.
    pub fn state(&self) -> impl Iterator<Item = (String, &Tensor)> {
        STATE_NAMES.into_iter().map(String::from).zip(self.tensors())
    }

    /// Restores the state. `load_tensor` returns a saved state tensor by name.
    pub fn load_state(
        &mut self,
        mut load_tensor: impl FnMut(&str) -> Result<Tensor>,
    ) -> Result<()> {
        for (name, tensor) in STATE_NAMES.into_iter().zip(self.tensors()) {
            let saved = load_tensor(name)?.f_reshape(tensor.size()).map_err(torch_error)?;
            tensor.shallow_clone().f_copy_(&saved).map_err(torch_error)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Optimizer, SkipTensors};
    use residual_spec::{Adam, Sgd};
    use serde_json::Value;

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    fn to_vec(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.detach().to_kind(Kind::Double).view([-1])).unwrap()
    }

    /// Makes the updates of a fixture and compares scale and weights after each update. The loss is
    /// `sum(c half(p))`, whose gradients overflow in fp16 if scale and `c` are large. Halfway
    /// through, a new scaler is created from the saved state.
    fn assert_matches(case: &Value, config: &residual_spec::Optimizer) {
        let policy = Policy { growth_interval: 3, ..POLICY };
        let mut scaler = GradScaler::with_policy(policy, Device::Cpu).unwrap();
        let start: Vec<f32> = numbers(&case["start"]).iter().map(|&x| x as f32).collect();
        let p = Tensor::from_slice(&start).set_requires_grad(true);
        let mut optimizer = Optimizer::new(config, [("p", &p)]).unwrap();
        let steps = case["steps"].as_array().unwrap();
        for (index, step) in steps.iter().enumerate() {
            if index == steps.len() / 2 {
                let saved: Vec<(String, Tensor)> =
                    scaler.state().map(|(name, tensor)| (name, tensor.copy())).collect();
                scaler = GradScaler::with_policy(policy, Device::Cpu).unwrap();
                let load_tensor = |name: &str| {
                    Ok(saved.iter().find(|(key, _)| key == name).unwrap().1.to_kind(Kind::Float))
                };
                scaler.load_state(load_tensor).unwrap();
            }
            let c: Vec<f32> = numbers(&step["c"]).iter().map(|&x| x as f32).collect();
            let half = p.to_kind(Kind::Half) * Tensor::from_slice(&c).to_kind(Kind::Half);
            let loss = half.to_kind(Kind::Float).sum(Kind::Float);
            let gradients = optimizer.gradients(&scaler.scale_loss(&loss).unwrap()).unwrap();
            let found_inf = scaler.unscale(&gradients).unwrap();
            let skipped = scaler.skipped_steps().copy();
            scaler.update(&found_inf).unwrap();
            let skip = SkipTensors { found_inf: &found_inf, skipped_steps: Some(&skipped) };
            optimizer.step(&gradients, 0.05, Some(skip)).unwrap();
            assert_eq!(to_vec(scaler.scale()), [step["scale"].as_f64().unwrap()], "step {index}");
            for (found, expected) in to_vec(&p).iter().zip(numbers(&step["weights"])) {
                assert!(
                    (found - expected).abs() < 1e-7,
                    "step {index}: {found}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn matches_pytorch_scales_and_weights() {
        let fixture = include_str!("../tests/fixtures/grad_scaler.json");
        let fixture: Value = serde_json::from_str(fixture).unwrap();
        let sgd =
            Sgd { lr: 0.05, momentum: 0.9, weight_decay: 1e-2, nesterov: false, decay_norms: true };
        let betas = [0.9, 0.999];
        let adam = Adam { lr: 0.05, betas, eps: 1e-8, weight_decay: 1e-2, decay_norms: true };
        assert_matches(&fixture["sgd"], &residual_spec::Optimizer::Sgd(sgd));
        assert_matches(&fixture["adamw"], &residual_spec::Optimizer::AdamW(adam));
    }

    #[test]
    fn halves_on_overflow_and_doubles_after_the_growth_interval() {
        let scaler = GradScaler::new(Device::Cpu).unwrap();
        let [finite, overflow] = [0f32, 1.0].map(Tensor::from);
        scaler.update(&overflow).unwrap();
        assert_eq!(to_vec(scaler.scale()), [32768.0]);
        for _ in 0..1999 {
            scaler.update(&finite).unwrap();
        }
        assert_eq!(to_vec(scaler.scale()), [32768.0]);
        scaler.update(&finite).unwrap();
        assert_eq!(to_vec(scaler.scale()), [65536.0]);
        assert_eq!(to_vec(scaler.skipped_steps()), [1.0]);
    }
}
