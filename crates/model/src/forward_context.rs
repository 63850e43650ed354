//! Context of one forward pass: its mode and the response statistics that it records.

use std::cell::RefCell;

use residual_spec::Result;
use residual_torch::torch_error;
use tch::{Kind, Tensor};

/// Mode of a forward pass, passed to every layer.
pub(crate) struct ForwardContext {
    pub training: bool,
    responses: Option<RefCell<Vec<ResponseStats>>>,
}

/// Sums over the outputs of a 3x3 convolution, after its batch norm and before ReLU and addition.
/// The statistics of several batches can be added.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseStats {
    /// Name of the convolution.
    pub name: String,
    pub count: f64,
    pub sum: f64,
    pub sum_of_squares: f64,
}

impl ResponseStats {
    /// Adds the statistics of another batch.
    pub fn add(&mut self, other: &ResponseStats) {
        self.count += other.count;
        self.sum += other.sum;
        self.sum_of_squares += other.sum_of_squares;
    }

    /// Returns the standard deviation over all images, channels and positions.
    pub fn std(&self) -> f64 {
        let mean = self.sum / self.count;
        (self.sum_of_squares / self.count - mean * mean).max(0.0).sqrt()
    }
}

impl ForwardContext {
    /// Creates a context that records nothing.
    pub fn new(training: bool) -> ForwardContext {
        ForwardContext { training, responses: None }
    }

    /// Creates a context in evaluation mode that records response statistics.
    pub fn recording() -> ForwardContext {
        ForwardContext { training: false, responses: Some(RefCell::default()) }
    }

    /// Returns whether [`ForwardContext::record`] has an effect.
    pub fn is_recording(&self) -> bool {
        self.responses.is_some()
    }

    /// Records the output of the 3x3 convolution `name`.
    pub fn record(&self, name: &str, output: &Tensor) -> Result<()> {
        let Some(responses) = &self.responses else { return Ok(()) };
        let sums = output.f_to_kind(Kind::Double).and_then(|output| {
            let sum = output.f_sum(Kind::Double)?.f_double_value(&[])?;
            let sum_of_squares = output.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?;
            Ok((sum, sum_of_squares))
        });
        let (sum, sum_of_squares) = sums.map_err(torch_error)?;
        let count = output.numel() as f64;
        let stats = ResponseStats { name: name.into(), count, sum, sum_of_squares };
        responses.borrow_mut().push(stats);
        Ok(())
    }

    /// Returns the recorded statistics in execution order.
    pub fn responses(self) -> Vec<ResponseStats> {
        self.responses.map(RefCell::into_inner).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_batches_have_the_standard_deviation_of_all_images() {
        let context = ForwardContext::recording();
        context.record("a", &Tensor::from_slice(&[1.0, 2.0])).unwrap();
        context.record("a", &Tensor::from_slice(&[3.0, 6.0])).unwrap();
        let responses = context.responses();
        let mut total = responses[0].clone();
        total.add(&responses[1]);
        assert!((total.std() - 3.5f64.sqrt()).abs() < 1e-12);
    }
}
