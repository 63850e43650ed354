//! Graph capture: device work that is recorded once and replayed with the current tensor values.

use residual_spec::Result;
use tch::Device;

use crate::cuda::CapturedGraph;
#[cfg(feature = "recorder")]
use crate::recorder::Recording;

/// A captured graph of operations (`torch.cuda.CUDAGraph`).
///
/// The graph refers to tensors by their addresses. The tensors that it reads and writes must stay
/// alive, and new inputs must be copied into them. Host values are captured as constants. With the
/// feature `recorder`, tests capture graphs on the CPU.
pub struct CudaGraph(Backend);

enum Backend {
    Cuda(CapturedGraph),
    #[cfg(feature = "recorder")]
    Recorder(Recording),
}

impl Backend {
    fn begin(device: Device) -> Result<Backend> {
        match device {
            #[cfg(feature = "recorder")]
            Device::Cpu => Recording::begin().map(Backend::Recorder),
            _ => CapturedGraph::begin().map(Backend::Cuda),
        }
    }

    fn end(&mut self) -> Result<()> {
        match self {
            Backend::Cuda(graph) => graph.end(),
            #[cfg(feature = "recorder")]
            Backend::Recorder(recording) => recording.end(),
        }
    }
}

impl CudaGraph {
    /// Captures `work` without executing it. The tensors that `work` returns have valid values
    /// after a [`CudaGraph::replay`]. `work` must not read tensor values on the host or copy from
    /// host memory, and should have run once on the side stream ([`crate::cuda::on_side_stream`]),
    /// which loads its kernels and allocates its workspaces.
    ///
    /// # Errors
    /// `E_DEVICE` if the device does not support graphs; the errors of `work`; `E_MEMORY`,
    /// `E_TORCH`. The graph is freed.
    pub fn capture<T>(device: Device, work: impl FnOnce() -> Result<T>) -> Result<(CudaGraph, T)> {
        /// Ends the capture also if `work` fails or panics.
        struct Guard(Option<Backend>);
        impl Drop for Guard {
            fn drop(&mut self) {
                if let Some(backend) = &mut self.0 {
                    let _ = backend.end(); // the error of `work` is returned instead
                }
            }
        }
        let mut guard = Guard(Some(Backend::begin(device)?));
        let result = work()?;
        let mut backend = guard.0.take().expect("the capture has started");
        backend.end()?;
        Ok((CudaGraph(backend), result))
    }

    /// Launches the captured work asynchronously on the current stream.
    pub fn replay(&self) -> Result<()> {
        match &self.0 {
            Backend::Cuda(graph) => graph.replay(),
            #[cfg(feature = "recorder")]
            Backend::Recorder(recording) => recording.replay(),
        }
    }
}

#[cfg(all(test, feature = "recorder"))]
mod tests {
    use residual_spec::{Error, ErrorCode};
    use tch::{Kind, TchError, Tensor};

    use super::*;
    use crate::torch_error;

    fn capture<T>(
        work: impl FnOnce() -> std::result::Result<T, TchError>,
    ) -> Result<(CudaGraph, T)> {
        CudaGraph::capture(Device::Cpu, || work().map_err(torch_error))
    }

    fn value(tensor: &Tensor) -> f64 {
        tensor.double_value(&[])
    }

    #[test]
    fn replay_runs_the_captured_work_on_current_values() {
        let (mut x, mut sum) = (Tensor::from(3.0), Tensor::from(1.0));
        let (graph, square) = capture(|| {
            let square = x.f_mul(&x)?;
            let _ = sum.f_add_(&square)?;
            Ok(square)
        })
        .unwrap();
        assert_eq!(value(&sum), 1.0);
        graph.replay().unwrap();
        assert_eq!((value(&square), value(&sum)), (9.0, 10.0));
        let _ = x.fill_(2.0);
        graph.replay().unwrap();
        assert_eq!((value(&square), value(&sum)), (4.0, 14.0));
    }

    #[test]
    fn captures_the_backward_pass() {
        let mut w = Tensor::from_slice(&[1.0, 2.0]).set_requires_grad(true);
        let (graph, gradient) = capture(|| {
            let loss = w.f_square()?.f_sum(Kind::Double)?;
            Tensor::f_run_backward(&[loss], &[&w], false, false)
        })
        .unwrap();
        let _ = tch::no_grad(|| w.fill_(5.0));
        graph.replay().unwrap();
        assert_eq!(Vec::<f64>::try_from(&gradient[0]).unwrap(), [10.0, 10.0]);
    }

    #[test]
    fn host_values_are_captured_and_replaced_tensors_have_no_effect() {
        let (mut scalar, mut tensor) = (3.0, Tensor::from(1.0));
        let (graph, product) = capture(|| tensor.f_mul_scalar(scalar)).unwrap();
        (scalar, tensor) = (scalar + 1.0, Tensor::from(7.0));
        graph.replay().unwrap();
        assert_eq!((value(&product), scalar, value(&tensor)), (3.0, 4.0, 7.0));
    }

    #[test]
    fn reading_a_value_or_an_error_ends_the_capture() {
        let mut x = Tensor::from(3.0);
        let reading = capture(|| {
            let _ = x.f_add_scalar_(1.0)?;
            x.f_double_value(&[])
        });
        assert_eq!(reading.err().unwrap().code, ErrorCode::Torch);
        assert_eq!(value(&x), 3.0);
        let failed = CudaGraph::capture(Device::Cpu, || -> Result<()> {
            let _ = x.f_add_scalar_(1.0).map_err(torch_error)?;
            Err(Error::new(ErrorCode::Memory, "full"))
        });
        assert_eq!(failed.err().unwrap().code, ErrorCode::Memory);
        assert_eq!(value(&x), 3.0);
        // Later operations are executed normally.
        let _ = x.f_add_scalar_(1.0).unwrap();
        assert_eq!(value(&x), 4.0);
    }
}
