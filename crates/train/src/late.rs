//! Updates whose outcome is read later. A device that is asked for a number has to finish all that it
//! was given before; so it is asked for none: what is to be known sets out for this side by itself,
//! and the device decides alone that no update is made of numbers that are not finite.

use residual_spec::{Gradient, Result};
use residual_torch::cuda::Fetched;
use residual_torch::{clamp, failure, norms, scale_by};
use tch::{Device, Kind, TchError, Tensor};

use crate::loss_scale::{LossScale, LEAST};
use crate::optimizer::{Optimizer, Skip};

/// Updates that may be under way before the outcome of the first of them is read.
pub const AHEAD: usize = 2;

pub struct Late {
    /// 1 once something was not finite: there is no update any more.
    over: Tensor,
}

impl Late {
    pub fn new(device: Device) -> Result<Late> {
        Ok(Late { over: Tensor::f_zeros([], (Kind::Float, device)).map_err(failure)? })
    }

    /// Makes an update. `told` are numbers to be read with it: they and the norm of the gradients (the
    /// number that comes behind them) have to be finite, or nothing is updated any more. With a scaled
    /// loss, gradients that are not finite skip this update alone; its factor, which then comes last,
    /// must not fall too low.
    pub fn update(
        &mut self,
        optimizer: &mut Optimizer,
        gradients: &[Tensor],
        config: &Gradient,
        told: &Tensor,
        lr: f64,
        scale: Option<&mut LossScale>,
    ) -> Result<Fetched> {
        let _no_grad = tch::no_grad_guard();
        let found = scale.as_ref().map(|scale| scale.unscale(gradients)).transpose()?;
        let norm = common_norm(gradients)?;
        clip(gradients, &norm, config)?;
        let norm = norm.f_view([1]).map_err(failure)?;
        let all = Tensor::f_cat(&[told, &norm], 0).map_err(failure)?;
        let (Some(scale), Some(found)) = (scale, found) else {
            self.end_if(not_finite(&all))?;
            let skip = Skip { now: &self.over, before: None };
            optimizer.step(gradients, lr, Some(skip))?;
            return Fetched::new(&all);
        };
        let found = not_finite(&norm).and_then(|bad| found.f_maximum(&bad)).map_err(failure)?;
        let before = scale.skipped().shallow_clone();
        scale.update(&found)?;
        self.end_if(not_finite(told))?;
        self.end_if(scale.factor().f_lt(LEAST).and_then(|low| low.f_to_kind(Kind::Float)))?;
        let now = self.over.f_maximum(&found).map_err(failure)?;
        optimizer.step(gradients, lr, Some(Skip { now: &now, before: Some(&before) }))?;
        let factor = scale.factor().f_to_kind(Kind::Double).and_then(|factor| factor.f_view([1]));
        Fetched::new(&Tensor::f_cat(&[all, factor.map_err(failure)?], 0).map_err(failure)?)
    }

    /// No more updates where `bad` is 1.
    fn end_if(&mut self, bad: Result<Tensor, TchError>) -> Result<()> {
        self.over = bad.and_then(|bad| self.over.f_maximum(&bad)).map_err(failure)?;
        Ok(())
    }

    /// Updates are made again.
    pub fn begin_anew(&mut self) -> Result<()> {
        self.over = self.over.f_zeros_like().map_err(failure)?;
        Ok(())
    }
}

/// 1 where a number is not finite, else 0.
fn not_finite(numbers: &Tensor) -> Result<Tensor, TchError> {
    numbers.f_isfinite()?.f_all()?.f_logical_not()?.f_to_kind(Kind::Float)
}

/// [`crate::gradient::common_norm`], which stays where it is.
fn common_norm(gradients: &[Tensor]) -> Result<Tensor> {
    norms(gradients)?.f_to_kind(Kind::Double).and_then(|norms| norms.f_norm()).map_err(failure)
}

/// [`crate::gradient::clip`] without looking at a number.
fn clip(gradients: &[Tensor], norm: &Tensor, config: &Gradient) -> Result<()> {
    let mut norm = norm.shallow_clone();
    if let Some(bound) = config.clip_value {
        clamp(gradients, bound)?;
        norm = common_norm(gradients)?;
    }
    if let Some(bound) = config.clip_norm {
        let factor = norm
            .f_add_scalar(1e-6)
            .and_then(|norm| norm.f_full_like(bound)?.f_div(&norm)?.f_clamp_max(1.0))
            .map_err(failure)?;
        scale_by(gradients, &factor)?;
    }
    Ok(())
}
