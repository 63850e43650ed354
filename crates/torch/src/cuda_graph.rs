//! Work that a device is given once and then repeats, with the numbers that lie in its tensors by then.

use residual_spec::Result;
use tch::Device;

use crate::cuda::Captured;
#[cfg(feature = "recorder")]
use crate::recorder::Recorded;

/// Recorded work. It names tensors by where they lie: those that it reads and writes have to stay, and
/// what is to change has to be written into them. What the host knew when it was recorded is part of it.
pub struct CudaGraph(Work);

enum Work {
    Cuda(Captured),
    #[cfg(feature = "recorder")]
    Recorded(Recorded),
}

impl Work {
    fn begin(device: Device) -> Result<Work> {
        match device {
            #[cfg(feature = "recorder")]
            Device::Cpu => Recorded::begin().map(Work::Recorded),
            _ => Captured::begin().map(Work::Cuda),
        }
    }

    fn end(&mut self) -> Result<()> {
        match self {
            Work::Cuda(captured) => captured.end(),
            #[cfg(feature = "recorder")]
            Work::Recorded(recorded) => recorded.end(),
        }
    }
}

impl CudaGraph {
    /// Records `work`, of which nothing is done. The tensors that it makes hold their numbers after a
    /// [`CudaGraph::replay`]. It must not ask for any of them, nor take anything from the host's memory;
    /// all kernels and workspaces that it needs should be there ([`crate::cuda::aside`]).
    ///
    /// # Errors
    /// `E_DEVICE` where there are no graphs; whatever `work` fails with; `E_MEMORY`, `E_TORCH`. Nothing
    /// is left of it then.
    pub fn capture<T>(device: Device, work: impl FnOnce() -> Result<T>) -> Result<(CudaGraph, T)> {
        /// Ends it where `work` fails or panics, too.
        struct Open(Option<Work>);
        impl Drop for Open {
            fn drop(&mut self) {
                if let Some(work) = &mut self.0 {
                    let _ = work.end(); // what it was for has failed already
                }
            }
        }
        let mut open = Open(Some(Work::begin(device)?));
        let made = work()?;
        let mut work = open.0.take().expect("it was begun");
        work.end()?;
        Ok((CudaGraph(work), made))
    }

    /// Does the work once more, in its turn; nobody waits for it.
    pub fn replay(&self) -> Result<()> {
        match &self.0 {
            Work::Cuda(captured) => captured.replay(),
            #[cfg(feature = "recorder")]
            Work::Recorded(recorded) => recorded.replay(),
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

    fn number(tensor: &Tensor) -> f64 {
        tensor.double_value(&[])
    }

    #[test]
    fn what_is_recorded_is_done_when_it_is_replayed_on_what_lies_there_by_then() {
        let (mut x, mut sum) = (Tensor::from(3.0), Tensor::from(1.0));
        let (graph, square) = capture(|| {
            let square = x.f_mul(&x)?;
            let _ = sum.f_add_(&square)?;
            Ok(square)
        })
        .unwrap();
        assert_eq!(number(&sum), 1.0);
        graph.replay().unwrap();
        assert_eq!((number(&square), number(&sum)), (9.0, 10.0));
        let _ = x.fill_(2.0);
        graph.replay().unwrap();
        assert_eq!((number(&square), number(&sum)), (4.0, 14.0));
    }

    #[test]
    fn a_backward_pass_is_part_of_it() {
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
    fn what_the_host_knew_is_part_of_it_and_a_tensor_in_anothers_place_is_not() {
        let (mut rate, mut factor) = (3.0, Tensor::from(1.0));
        let (graph, product) = capture(|| factor.f_mul_scalar(rate)).unwrap();
        (rate, factor) = (rate + 1.0, Tensor::from(7.0));
        graph.replay().unwrap();
        assert_eq!((number(&product), rate, number(&factor)), (3.0, 4.0, 7.0));
    }

    #[test]
    fn a_number_that_is_asked_for_ends_it_and_so_does_any_failure() {
        let mut x = Tensor::from(3.0);
        let asked = capture(|| {
            let _ = x.f_add_scalar_(1.0)?;
            x.f_double_value(&[])
        });
        assert_eq!(asked.err().unwrap().code, ErrorCode::Torch);
        assert_eq!(number(&x), 3.0);
        let failed = CudaGraph::capture(Device::Cpu, || -> Result<()> {
            let _ = x.f_add_scalar_(1.0).map_err(torch_error)?;
            Err(Error::new(ErrorCode::Memory, "full"))
        });
        assert_eq!(failed.err().unwrap().code, ErrorCode::Memory);
        assert_eq!(number(&x), 3.0);
        // And what follows is done as ever.
        let _ = x.f_add_scalar_(1.0).unwrap();
        assert_eq!(number(&x), 4.0);
    }
}
