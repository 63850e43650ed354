//! Update rules that ATen has a kernel for, over all parameters at once.

use residual_spec::Result;
use tch::Tensor;
use torch_sys::C_tensor;

use crate::{checked, pointer, pointers};

unsafe extern "C" {
    fn residual_fused_sgd(
        parameters: *const *const C_tensor,
        gradients: *const *const C_tensor,
        momenta: *const *const C_tensor,
        count: usize,
        lr: f64,
        lr_there: *const C_tensor,
        momentum: f64,
        weight_decay: f64,
        nesterov: bool,
        first_step: bool,
        skip: *const C_tensor,
    ) -> bool;
    fn residual_fused_adam(
        parameters: *const *const C_tensor,
        gradients: *const *const C_tensor,
        exp_avgs: *const *const C_tensor,
        exp_avg_sqs: *const *const C_tensor,
        count: usize,
        step: u64,
        step_there: *const C_tensor,
        lr: f64,
        lr_there: *const C_tensor,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
        decoupled: bool,
        skip: *const C_tensor,
        skipped: *const C_tensor,
    ) -> bool;
}

/// What changes from one update to the next.
#[derive(Clone, Copy)]
pub enum OptimizerScalars<'a> {
    Host {
        lr: f64,
        /// The number of this update, from 1.
        step: u64,
    },
    /// As tensors of one fp32 number on the parameters' device: a [`crate::CudaGraph`] reads what lies there
    /// when it is replayed.
    Device { lr: &'a Tensor, step: &'a Tensor },
}

impl OptimizerScalars<'_> {
    /// As the shim takes them: numbers, or the tensors in their place.
    fn parts(&self) -> (f64, *const C_tensor, u64, *const C_tensor) {
        match self {
            OptimizerScalars::Host { lr, step } => (*lr, pointer(None), *step, pointer(None)),
            OptimizerScalars::Device { lr, step } => (0.0, lr.as_ptr(), 0, step.as_ptr()),
        }
    }
}

/// `torch.optim.SGD` in one kernel.
pub struct FusedSgd<'a> {
    pub scalars: OptimizerScalars<'a>,
    pub momentum: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    /// Momenta have no history yet: they begin as the gradients.
    pub first_step: bool,
    /// On the parameters' device, of fp32: where it is 1, nothing is updated.
    pub found_inf: Option<&'a Tensor>,
}

impl FusedSgd<'_> {
    /// Updates `parameters` and `momenta` in place. All three lists run in parallel.
    pub fn step(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        momenta: &[Tensor],
    ) -> Result<()> {
        assert!(parameters.len() == gradients.len() && parameters.len() == momenta.len());
        let (p, g, m) = (pointers(parameters), pointers(gradients), pointers(momenta));
        let (lr, lr_there, ..) = self.scalars.parts();
        // SAFETY: the lists are alive and of the length given.
        checked(unsafe {
            residual_fused_sgd(
                p.as_ptr(),
                g.as_ptr(),
                m.as_ptr(),
                p.len(),
                lr,
                lr_there,
                self.momentum,
                self.weight_decay,
                self.nesterov,
                self.first_step,
                pointer(self.found_inf),
            )
        })
    }
}

/// `torch.optim.Adam` or, with decoupled weight decay, `AdamW` in one kernel.
pub struct FusedAdam<'a> {
    pub scalars: OptimizerScalars<'a>,
    pub betas: [f64; 2],
    pub eps: f64,
    pub weight_decay: f64,
    /// Decay the weights themselves (AdamW) and not their gradients.
    pub decoupled: bool,
    /// As of [`FusedSgd`].
    pub found_inf: Option<&'a Tensor>,
    /// Likewise: how many of the updates before this one were skipped, and do not count.
    pub num_skipped: Option<&'a Tensor>,
}

impl FusedAdam<'_> {
    /// Updates `parameters` and both moments in place. All four lists run in parallel.
    pub fn step(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        exp_avgs: &[Tensor],
        exp_avg_sqs: &[Tensor],
    ) -> Result<()> {
        let count = parameters.len();
        assert!([gradients, exp_avgs, exp_avg_sqs].iter().all(|list| list.len() == count));
        let (p, g) = (pointers(parameters), pointers(gradients));
        let (m, v) = (pointers(exp_avgs), pointers(exp_avg_sqs));
        let (lr, lr_there, step, step_there) = self.scalars.parts();
        // SAFETY: the lists are alive and of the length given.
        checked(unsafe {
            residual_fused_adam(
                p.as_ptr(),
                g.as_ptr(),
                m.as_ptr(),
                v.as_ptr(),
                count,
                step,
                step_there,
                lr,
                lr_there,
                self.betas[0],
                self.betas[1],
                self.eps,
                self.weight_decay,
                self.decoupled,
                pointer(self.found_inf),
                pointer(self.num_skipped),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.contiguous().view([-1])).unwrap()
    }

    #[test]
    fn sgd_without_momentum_is_gradient_descent() {
        let p = [Tensor::from_slice(&[1.0f64, 2.0])];
        let g = [Tensor::from_slice(&[0.5f64, -0.5])];
        let m = [Tensor::zeros([2], (Kind::Double, Device::Cpu))];
        let sgd = FusedSgd {
            found_inf: None,
            scalars: OptimizerScalars::Host { lr: 0.1, step: 1 },
            momentum: 0.0,
            weight_decay: 0.0,
            nesterov: false,
            first_step: true,
        };
        sgd.step(&p, &g, &m).unwrap();
        assert_eq!(values(&p[0]), [0.95, 2.05]);
    }

    #[test]
    fn adams_first_update_is_the_rate_against_the_gradients_sign() {
        let p = [Tensor::from_slice(&[1.0f64, 2.0])];
        let g = [Tensor::from_slice(&[0.5f64, -0.5])];
        let zeros = || [Tensor::zeros([2], (Kind::Double, Device::Cpu))];
        let adam = FusedAdam {
            found_inf: None,
            num_skipped: None,
            scalars: OptimizerScalars::Host { lr: 0.1, step: 1 },
            betas: [0.9, 0.999],
            eps: 0.0,
            weight_decay: 0.0,
            decoupled: false,
        };
        adam.step(&p, &g, &zeros(), &zeros()).unwrap();
        values(&p[0]).iter().zip([0.9, 2.1]).for_each(|(a, b)| assert!((a - b).abs() < 1e-12));
    }

    #[test]
    fn a_rate_that_lies_in_a_tensor_is_the_same_rate() {
        let [lr, step] = [0.25f32, 3.0].map(Tensor::from);
        let known = OptimizerScalars::Host { lr: 0.25, step: 3 };
        let [known, there] =
            [known, OptimizerScalars::Device { lr: &lr, step: &step }].map(|rate| {
                let p = [Tensor::from_slice(&[1.0f64, 2.0])];
                let g = [Tensor::from_slice(&[0.5f64, -0.5])];
                let state = || [Tensor::from_slice(&[0.25f64, 0.5])];
                let adam = FusedAdam {
                    found_inf: None,
                    num_skipped: None,
                    scalars: rate,
                    betas: [0.9, 0.999],
                    eps: 1e-8,
                    weight_decay: 0.1,
                    decoupled: true,
                };
                adam.step(&p, &g, &state(), &state()).unwrap();
                let sgd = FusedSgd {
                    found_inf: None,
                    scalars: rate,
                    momentum: 0.9,
                    weight_decay: 0.1,
                    nesterov: true,
                    first_step: false,
                };
                let adams = values(&p[0]);
                sgd.step(&p, &g, &state()).unwrap();
                (adams, values(&p[0]))
            });
        assert_eq!(known, there);
        assert!(known.0 != [1.0, 2.0] && known.0 != known.1);
    }

    #[test]
    fn a_gradient_of_another_layout_moves_the_same_weights() {
        let plain = Tensor::arange(24, (Kind::Double, Device::Cpu)).view([1, 2, 3, 4]);
        let p = [crate::channels_last(&plain.zeros_like()).unwrap()];
        let m = [p[0].zeros_like()];
        let sgd = FusedSgd {
            found_inf: None,
            scalars: OptimizerScalars::Host { lr: 1.0, step: 1 },
            momentum: 0.0,
            weight_decay: 0.0,
            nesterov: false,
            first_step: true,
        };
        sgd.step(&p, &[plain], &m).unwrap();
        assert_eq!(values(&p[0]), (0..24).map(|i| -f64::from(i)).collect::<Vec<_>>());
    }
}
