//! A loss that is multiplied before the backward pass: half precision (fp16) has no numbers below
//! 6e-8, and the gradients of activations often are. The gradients are divided by it again; where
//! one came out as infinite the update is skipped and the factor halved, and after a while without
//! one it is doubled (Micikevicius et al. 2017; the rule and its numbers are `torch.amp.GradScaler`'s).
//!
//! All of it stays on the device, which so can go on without being asked for a number.

use residual_spec::Result;
use residual_torch::{foreach_unscale, torch_error};
use tch::{Device, Kind, Tensor};

/// Gradients that overflow at this factor are too large in themselves.
pub const LEAST: f64 = 1.0;

/// When and by how much the factor moves.
#[derive(Clone, Copy)]
struct Rule {
    growth: f64,
    backoff: f64,
    /// Updates in a row that were not skipped.
    interval: i64,
}

const INITIAL: f64 = 65536.0;
const RULE: Rule = Rule { growth: 2.0, backoff: 0.5, interval: 2000 };

const STATES: usize = 3;
/// Names of the state, as a checkpoint has them.
const NAMES: [&str; STATES] =
    ["loss_scale.factor", "loss_scale.growth_tracker", "loss_scale.skipped"];

/// Its tensors, of single numbers on the device, are written to and never replaced, for they may be
/// part of a graph.
pub struct LossScale {
    rule: Rule,
    /// What losses are multiplied by.
    factor: Tensor,
    /// Updates since one was skipped, or since the factor grew.
    tracker: Tensor,
    /// Updates that were skipped since the beginning.
    skipped: Tensor,
}

impl LossScale {
    pub fn new(device: Device) -> Result<LossScale> {
        LossScale::by(RULE, device)
    }

    fn by(rule: Rule, device: Device) -> Result<LossScale> {
        let number =
            |value: f64, kind| Tensor::f_full([], value, (kind, device)).map_err(torch_error);
        Ok(LossScale {
            rule,
            factor: number(INITIAL, Kind::Float)?,
            tracker: number(0.0, Kind::Int)?,
            skipped: number(0.0, Kind::Float)?,
        })
    }

    /// The loss that gradients are taken of.
    pub fn scaled(&self, loss: &Tensor) -> Result<Tensor> {
        loss.f_mul(&self.factor).map_err(torch_error)
    }

    /// Divides gradients by the factor, in place. Gives 1 where one of them is not finite, else 0.
    pub fn unscale(&self, gradients: &[Tensor]) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let found = self.factor.f_zeros_like().map_err(torch_error)?;
        let inverse = self
            .factor
            .f_to_kind(Kind::Double)
            .and_then(|factor| factor.f_reciprocal()?.f_to_kind(Kind::Float))
            .map_err(torch_error)?;
        foreach_unscale(gradients, &found, &inverse)?;
        Ok(found)
    }

    /// An update was skipped where `found` is 1, and made where it is 0.
    pub fn update(&self, found: &Tensor) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        let Rule { growth, backoff, interval } = self.rule;
        let mut factor = self.factor.shallow_clone();
        factor
            .f_internal_amp_update_scale_(&self.tracker, found, growth, backoff, interval)
            .and_then(|_| self.skipped.shallow_clone().f_add_(found))
            .map(drop)
            .map_err(torch_error)
    }

    /// What losses are multiplied by.
    pub fn factor(&self) -> &Tensor {
        &self.factor
    }

    /// Updates that were skipped since the beginning.
    pub fn skipped(&self) -> &Tensor {
        &self.skipped
    }

    /// As it is now, to go back to: as many numbers of fp64 as the state has.
    pub fn now(&self) -> Result<Tensor> {
        let double = |tensor: &Tensor| tensor.f_to_kind(Kind::Double);
        let numbers: std::result::Result<Vec<_>, _> =
            self.tensors().map(double).into_iter().collect();
        numbers.and_then(|numbers| Tensor::f_stack(&numbers, 0)).map_err(torch_error)
    }

    pub fn go_back(&self, before: &[f64]) -> Result<()> {
        for (own, &number) in self.tensors().into_iter().zip(before) {
            let _ = own.shallow_clone().f_fill_(number).map_err(torch_error)?;
        }
        Ok(())
    }

    fn tensors(&self) -> [&Tensor; STATES] {
        [&self.factor, &self.tracker, &self.skipped]
    }

    /// What has to be saved.
    pub fn state(&self) -> impl Iterator<Item = (String, &Tensor)> {
        NAMES.into_iter().map(String::from).zip(self.tensors())
    }

    pub fn restore(&mut self, mut saved: impl FnMut(&str) -> Result<Tensor>) -> Result<()> {
        for (name, own) in NAMES.into_iter().zip(self.tensors()) {
            let saved = saved(name)?.f_reshape(own.size()).map_err(torch_error)?;
            own.shallow_clone().f_copy_(&saved).map_err(torch_error)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Optimizer;
    use crate::optimizer::Skip;
    use residual_spec::{Adam, Optimizer as Kinds, Sgd};
    use serde_json::Value;

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    fn floats(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.detach().to_kind(Kind::Double).view([-1])).unwrap()
    }

    /// Updates of `sum(c half(p))`, whose gradients overflow in fp16 where factor and `c` are large.
    /// Halfway, it goes on from what would have been saved.
    fn follow(case: &Value, kinds: &Kinds) {
        let rule = Rule { interval: 3, ..RULE };
        let mut scale = LossScale::by(rule, Device::Cpu).unwrap();
        let start: Vec<f32> = numbers(&case["start"]).iter().map(|&x| x as f32).collect();
        let p = Tensor::from_slice(&start).set_requires_grad(true);
        let mut optimizer = Optimizer::over(kinds, [("p", p.shallow_clone())]).unwrap();
        let steps = case["steps"].as_array().unwrap();
        for (number, step) in steps.iter().enumerate() {
            if number == steps.len() / 2 {
                let saved: Vec<(String, Tensor)> =
                    scale.state().map(|(name, tensor)| (name, tensor.copy())).collect();
                scale = LossScale::by(rule, Device::Cpu).unwrap();
                let of = |name: &str| {
                    Ok(saved.iter().find(|(own, _)| own == name).unwrap().1.to_kind(Kind::Float))
                };
                scale.restore(of).unwrap();
            }
            let c: Vec<f32> = numbers(&step["c"]).iter().map(|&x| x as f32).collect();
            let half = p.to_kind(Kind::Half) * Tensor::from_slice(&c).to_kind(Kind::Half);
            let loss = half.to_kind(Kind::Float).sum(Kind::Float);
            let gradients = optimizer.gradients(&scale.scaled(&loss).unwrap()).unwrap();
            let found = scale.unscale(&gradients).unwrap();
            let before = scale.skipped().copy();
            scale.update(&found).unwrap();
            let skip = Skip { now: &found, before: Some(&before) };
            optimizer.step(&gradients, 0.05, Some(skip)).unwrap();
            assert_eq!(floats(scale.factor()), [step["scale"].as_f64().unwrap()], "{number}");
            for (found, wanted) in floats(&p).iter().zip(numbers(&step["weights"])) {
                assert!((found - wanted).abs() < 1e-7, "{number}: {found} for {wanted}");
            }
        }
    }

    #[test]
    fn factors_and_weights_are_those_of_pytorchs_grad_scaler() {
        let fixture = include_str!("../tests/fixtures/grad_scaler.json");
        let fixture: Value = serde_json::from_str(fixture).unwrap();
        let sgd =
            Sgd { lr: 0.05, momentum: 0.9, weight_decay: 1e-2, nesterov: false, decay_norms: true };
        let betas = [0.9, 0.999];
        let adam = Adam { lr: 0.05, betas, eps: 1e-8, weight_decay: 1e-2, decay_norms: true };
        follow(&fixture["sgd"], &Kinds::Sgd(sgd));
        follow(&fixture["adamw"], &Kinds::AdamW(adam));
    }

    #[test]
    fn it_begins_and_moves_by_the_defaults() {
        let scale = LossScale::new(Device::Cpu).unwrap();
        let [good, bad] = [0f32, 1.0].map(Tensor::from);
        scale.update(&bad).unwrap();
        assert_eq!(floats(scale.factor()), [32768.0]);
        for _ in 0..1999 {
            scale.update(&good).unwrap();
        }
        assert_eq!(floats(scale.factor()), [32768.0]);
        scale.update(&good).unwrap();
        assert_eq!(floats(scale.factor()), [65536.0]);
        assert_eq!(floats(scale.skipped()), [1.0]);
    }
}
