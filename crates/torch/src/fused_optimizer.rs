//! Optimizer updates of all parameters by ATen's fused kernels.

use residual_spec::Result;
use tch::Tensor;
use torch_sys::C_tensor;

use crate::{check, optional_ptr, tensor_ptrs};

unsafe extern "C" {
    fn residual_fused_sgd(
        parameters: *const *const C_tensor,
        gradients: *const *const C_tensor,
        momentum_buffers: *const *const C_tensor,
        count: usize,
        lr: f64,
        lr_tensor: *const C_tensor,
        momentum: f64,
        weight_decay: f64,
        nesterov: bool,
        first_step: bool,
        found_inf: *const C_tensor,
    ) -> bool;
    fn residual_fused_adam(
        parameters: *const *const C_tensor,
        gradients: *const *const C_tensor,
        exp_avgs: *const *const C_tensor,
        exp_avg_sqs: *const *const C_tensor,
        count: usize,
        step: u64,
        step_tensor: *const C_tensor,
        lr: f64,
        lr_tensor: *const C_tensor,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
        decoupled: bool,
        found_inf: *const C_tensor,
        num_skipped: *const C_tensor,
    ) -> bool;
}

/// Learning rate and step number of an update.
#[derive(Clone, Copy)]
pub enum OptimizerScalars<'a> {
    /// Values on the host.
    Host {
        lr: f64,
        /// Number of this update, from 1.
        step: u64,
    },
    /// Scalar fp32 tensors on the parameters' device. A [`crate::CudaGraph`] reads their current
    /// values at each replay (`capturable=True` in `torch.optim`).
    Device { lr: &'a Tensor, step: &'a Tensor },
}

impl OptimizerScalars<'_> {
    /// Returns the arguments of the shim: each value, followed by the tensor that replaces the
    /// value or null.
    fn to_args(self) -> (f64, *const C_tensor, u64, *const C_tensor) {
        match self {
            OptimizerScalars::Host { lr, step } => {
                (lr, optional_ptr(None), step, optional_ptr(None))
            }
            OptimizerScalars::Device { lr, step } => (0.0, lr.as_ptr(), 0, step.as_ptr()),
        }
    }
}

/// `torch.optim.SGD(fused=True)`.
pub struct FusedSgd<'a> {
    pub scalars: OptimizerScalars<'a>,
    pub momentum: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    /// Whether the momentum buffers are initialized with the gradients instead of read.
    pub first_step: bool,
    /// Scalar fp32 tensor on the parameters' device. The update is skipped if its value is 1.
    pub found_inf: Option<&'a Tensor>,
}

impl FusedSgd<'_> {
    /// Updates `parameters` and the momentum buffers in place. The lists have the same length.
    pub fn step(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        momentum_buffers: &[Tensor],
    ) -> Result<()> {
        assert!(parameters.len() == gradients.len() && parameters.len() == momentum_buffers.len());
        let (p, g, m) =
            (tensor_ptrs(parameters), tensor_ptrs(gradients), tensor_ptrs(momentum_buffers));
        let (lr, lr_tensor, ..) = self.scalars.to_args();
        // SAFETY: the tensors are alive, and the lists have the given length.
        check(unsafe {
            residual_fused_sgd(
                p.as_ptr(),
                g.as_ptr(),
                m.as_ptr(),
                p.len(),
                lr,
                lr_tensor,
                self.momentum,
                self.weight_decay,
                self.nesterov,
                self.first_step,
                optional_ptr(self.found_inf),
            )
        })
    }
}

/// `torch.optim.Adam(fused=True)` or, with decoupled weight decay, `AdamW`.
pub struct FusedAdam<'a> {
    pub scalars: OptimizerScalars<'a>,
    pub betas: [f64; 2],
    pub eps: f64,
    pub weight_decay: f64,
    /// Whether the weights are decayed directly (AdamW) instead of by an L2 term in the gradients.
    pub decoupled: bool,
    /// As [`FusedSgd::found_inf`].
    pub found_inf: Option<&'a Tensor>,
    /// Scalar fp32 tensor: number of skipped updates, which is subtracted from the step number.
    pub num_skipped: Option<&'a Tensor>,
}

impl FusedAdam<'_> {
    /// Updates `parameters`, `exp_avgs` and `exp_avg_sqs` in place. The lists have the same length.
    pub fn step(
        &self,
        parameters: &[Tensor],
        gradients: &[Tensor],
        exp_avgs: &[Tensor],
        exp_avg_sqs: &[Tensor],
    ) -> Result<()> {
        let count = parameters.len();
        assert!([gradients, exp_avgs, exp_avg_sqs].iter().all(|list| list.len() == count));
        let (p, g) = (tensor_ptrs(parameters), tensor_ptrs(gradients));
        let (m, v) = (tensor_ptrs(exp_avgs), tensor_ptrs(exp_avg_sqs));
        let (lr, lr_tensor, step, step_tensor) = self.scalars.to_args();
        // SAFETY: the tensors are alive, and the lists have the given length.
        check(unsafe {
            residual_fused_adam(
                p.as_ptr(),
                g.as_ptr(),
                m.as_ptr(),
                v.as_ptr(),
                count,
                step,
                step_tensor,
                lr,
                lr_tensor,
                self.betas[0],
                self.betas[1],
                self.eps,
                self.weight_decay,
                self.decoupled,
                optional_ptr(self.found_inf),
                optional_ptr(self.num_skipped),
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
    fn first_adam_update_is_minus_lr_times_the_sign_of_the_gradient() {
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
    fn device_scalars_give_the_same_update_as_host_scalars() {
        let [lr, step] = [0.25f32, 3.0].map(Tensor::from);
        let host = OptimizerScalars::Host { lr: 0.25, step: 3 };
        let [host, device] =
            [host, OptimizerScalars::Device { lr: &lr, step: &step }].map(|scalars| {
                let p = [Tensor::from_slice(&[1.0f64, 2.0])];
                let g = [Tensor::from_slice(&[0.5f64, -0.5])];
                let state = || [Tensor::from_slice(&[0.25f64, 0.5])];
                let adam = FusedAdam {
                    found_inf: None,
                    num_skipped: None,
                    scalars,
                    betas: [0.9, 0.999],
                    eps: 1e-8,
                    weight_decay: 0.1,
                    decoupled: true,
                };
                adam.step(&p, &g, &state(), &state()).unwrap();
                let sgd = FusedSgd {
                    found_inf: None,
                    scalars,
                    momentum: 0.9,
                    weight_decay: 0.1,
                    nesterov: true,
                    first_step: false,
                };
                let after_adam = values(&p[0]);
                sgd.step(&p, &g, &state()).unwrap();
                (after_adam, values(&p[0]))
            });
        assert_eq!(host, device);
        assert!(host.0 != [1.0, 2.0] && host.0 != host.1);
    }

    #[test]
    fn gradients_may_have_another_memory_format_than_the_weights() {
        let gradient = Tensor::arange(24, (Kind::Double, Device::Cpu)).view([1, 2, 3, 4]);
        let p = [crate::channels_last(&gradient.zeros_like()).unwrap()];
        let m = [p[0].zeros_like()];
        let sgd = FusedSgd {
            found_inf: None,
            scalars: OptimizerScalars::Host { lr: 1.0, step: 1 },
            momentum: 0.0,
            weight_decay: 0.0,
            nesterov: false,
            first_step: true,
        };
        sgd.step(&p, &[gradient], &m).unwrap();
        assert_eq!(values(&p[0]), (0..24).map(|i| -f64::from(i)).collect::<Vec<_>>());
    }
}
