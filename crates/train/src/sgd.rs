//! Stochastic gradient descent with momentum.

use residual_model::Model;
use residual_spec::{Error, ErrorCode, Optimizer, Result};
use residual_torch::{failure, FusedSgd};
use tch::Tensor;

/// `torch.optim.SGD` over a model's parameters: `v = momentum v + g + weight_decay p;
/// p = p - lr v` (with Nesterov, `p - lr (g + weight_decay p + momentum v)`).
pub struct Sgd {
    config: residual_spec::Sgd,
    /// In the order of the parameters.
    parameters: Vec<Tensor>,
    momenta: Vec<Tensor>,
    names: Vec<String>,
    updates: u64,
}

impl Sgd {
    pub fn new(optimizer: &Optimizer, model: &Model) -> Result<Sgd> {
        let Optimizer::Sgd(config) = optimizer else {
            return Err(Error::new(ErrorCode::Config, "only 'sgd' can be used").key("optimizer"));
        };
        let (names, parameters): (Vec<String>, Vec<Tensor>) =
            model.parameters().map(|(name, p)| (name.to_string(), p.shallow_clone())).unzip();
        let momenta = parameters
            .iter()
            .map(|p| p.detach().f_zeros_like())
            .collect::<std::result::Result<_, _>>()
            .map_err(failure)?;
        Ok(Sgd { config: config.clone(), parameters, momenta, names, updates: 0 })
    }

    /// Gradients of `loss`, in the order of the parameters. Nothing is accumulated, so there is
    /// nothing to set to zero.
    pub fn gradients(&self, loss: &Tensor) -> Result<Vec<Tensor>> {
        Tensor::f_run_backward(&[loss], &self.parameters, false, false).map_err(failure)
    }

    /// One update in place.
    pub fn step(&mut self, gradients: &[Tensor], lr: f64) -> Result<()> {
        let fused = FusedSgd {
            lr,
            momentum: self.config.momentum,
            weight_decay: self.config.weight_decay,
            nesterov: self.config.nesterov,
            first_step: self.updates == 0,
        };
        fused.step(&self.parameters, gradients, &self.momenta)?;
        self.updates += 1;
        Ok(())
    }

    /// What has to be saved besides the weights, by the parameter's name.
    pub fn momenta(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.names.iter().map(String::as_str).zip(&self.momenta)
    }

    /// Goes on where another left off: its momenta by the parameter's name, after `updates`.
    pub fn restore(
        &mut self,
        updates: u64,
        mut momentum: impl FnMut(&str) -> Result<Tensor>,
    ) -> Result<()> {
        self.updates = updates;
        let _no_grad = tch::no_grad_guard();
        for (name, own) in self.names.iter().zip(&mut self.momenta) {
            own.f_copy_(&momentum(name)?).map_err(failure)?;
        }
        Ok(())
    }
}
