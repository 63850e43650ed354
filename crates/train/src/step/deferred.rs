//! Updates whose outcome is read later. A device that is asked for a number has to finish all that it
//! was given before; so it is asked for none: what is to be known sets out for this side by itself,
//! and the device decides alone that no update is made of numbers that are not finite.

use residual_spec::{Gradient, Result};
use residual_torch::{foreach_clamp, foreach_mul_tensor, foreach_norm, torch_error};
use tch::{Device, Kind, TchError, Tensor};

use residual_optim::{LEAST, LossScale, Skip};

/// Updates that may be under way before the outcome of the first of them is read.
pub const AHEAD: usize = 2;

pub struct Late {
    /// 1 once something was not finite: there is no update any more. It is written to and never replaced,
    /// for it may be part of a graph.
    over: Tensor,
}

impl Late {
    pub fn new(device: Device) -> Result<Late> {
        Ok(Late { over: Tensor::f_zeros([], (Kind::Float, device)).map_err(torch_error)? })
    }

    /// Makes an update by `step`, with clipped gradients. `told` are numbers to be read of it: they and
    /// the norm of the gradients (the number that comes behind them) have to be finite, or nothing is
    /// updated any more. With a scaled loss, gradients that are not finite skip this update alone; its
    /// factor, which comes then, must not fall too low; last is what [`LossScale::now`] was before.
    pub fn update(
        &self,
        gradients: &[Tensor],
        config: &Gradient,
        told: &Tensor,
        scale: Option<&LossScale>,
        step: impl FnOnce(Skip) -> Result<()>,
    ) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let found = scale.map(|scale| scale.unscale(gradients)).transpose()?;
        let norm = common_norm(gradients)?;
        clip(gradients, &norm, config)?;
        let norm = norm.f_view([1]).map_err(torch_error)?;
        let all = Tensor::f_cat(&[told, &norm], 0).map_err(torch_error)?;
        let (Some(scale), Some(found)) = (scale, found) else {
            self.end_if(not_finite(&all))?;
            step(Skip { now: &self.over, before: None })?;
            return Ok(all);
        };
        let found = not_finite(&norm).and_then(|bad| found.f_maximum(&bad)).map_err(torch_error)?;
        let (before, skipped) = (scale.now()?, scale.skipped().copy());
        scale.update(&found)?;
        self.end_if(not_finite(told))?;
        self.end_if(scale.factor().f_lt(LEAST).and_then(|low| low.f_to_kind(Kind::Float)))?;
        let now = self.over.f_maximum(&found).map_err(torch_error)?;
        step(Skip { now: &now, before: Some(&skipped) })?;
        let factor = scale.factor().f_to_kind(Kind::Double).and_then(|factor| factor.f_view([1]));
        Tensor::f_cat(&[all, factor.map_err(torch_error)?, before], 0).map_err(torch_error)
    }

    /// No more updates where `bad` is 1.
    fn end_if(&self, bad: Result<Tensor, TchError>) -> Result<()> {
        let over = bad.and_then(|bad| self.over.f_maximum(&bad));
        over.and_then(|over| self.over.shallow_clone().f_copy_(&over)).map_err(torch_error)
    }

    /// Updates are made again.
    pub fn begin_anew(&self) -> Result<()> {
        self.over.shallow_clone().f_zero_().map(drop).map_err(torch_error)
    }
}

/// 1 where a number is not finite, else 0.
fn not_finite(numbers: &Tensor) -> Result<Tensor, TchError> {
    numbers.f_isfinite()?.f_all()?.f_logical_not()?.f_to_kind(Kind::Float)
}

/// [`residual_optim::common_norm`], which stays where it is.
fn common_norm(gradients: &[Tensor]) -> Result<Tensor> {
    foreach_norm(gradients)?
        .f_to_kind(Kind::Double)
        .and_then(|norms| norms.f_norm())
        .map_err(torch_error)
}

/// [`residual_optim::clip`] without looking at a number.
fn clip(gradients: &[Tensor], norm: &Tensor, config: &Gradient) -> Result<()> {
    let mut norm = norm.shallow_clone();
    if let Some(bound) = config.clip_value {
        foreach_clamp(gradients, bound)?;
        norm = common_norm(gradients)?;
    }
    if let Some(bound) = config.clip_norm {
        let factor = norm
            .f_add_scalar(1e-6)
            .and_then(|norm| norm.f_full_like(bound)?.f_div(&norm)?.f_clamp_max(1.0))
            .map_err(torch_error)?;
        foreach_mul_tensor(gradients, &factor)?;
    }
    Ok(())
}
