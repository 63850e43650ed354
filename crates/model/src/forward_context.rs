//! One pass through a network: how it is made, and what is watched on the way.

use std::cell::RefCell;

use residual_spec::Result;
use residual_torch::torch_error;
use tch::{Kind, Tensor};

/// What goes with an input through every layer.
pub(crate) struct ForwardContext {
    pub training: bool,
    responses: Option<RefCell<Vec<ResponseStats>>>,
}

/// The sums of a 3x3 convolution's outputs, behind its normalisation and before ReLU and addition.
/// Those of several batches can be added up.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseStats {
    /// The convolution's.
    pub name: String,
    pub count: f64,
    pub sum: f64,
    pub squares: f64,
}

impl ResponseStats {
    /// Adds another batch's.
    pub fn add(&mut self, other: &ResponseStats) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    /// The standard deviation over all images, channels and places.
    pub fn std(&self) -> f64 {
        let mean = self.sum / self.count;
        (self.squares / self.count - mean * mean).max(0.0).sqrt()
    }
}

impl ForwardContext {
    pub fn new(training: bool) -> ForwardContext {
        ForwardContext { training, responses: None }
    }

    /// In evaluation mode, with an eye on the responses.
    pub fn watching() -> ForwardContext {
        ForwardContext { training: false, responses: Some(RefCell::default()) }
    }

    /// Whether [`ForwardContext::record`] keeps anything.
    pub fn is_watching(&self) -> bool {
        self.responses.is_some()
    }

    pub fn record(&self, name: &str, output: &Tensor) -> Result<()> {
        let Some(responses) = &self.responses else { return Ok(()) };
        let sums = output.f_to_kind(Kind::Double).and_then(|output| {
            let sum = output.f_sum(Kind::Double)?.f_double_value(&[])?;
            let squares = output.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?;
            Ok((sum, squares))
        });
        let (sum, squares) = sums.map_err(torch_error)?;
        let count = output.numel() as f64;
        responses.borrow_mut().push(ResponseStats { name: name.into(), count, sum, squares });
        Ok(())
    }

    /// In the order in which the image passed the layers.
    pub fn responses(self) -> Vec<ResponseStats> {
        self.responses.map(RefCell::into_inner).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_add_up_to_the_deviation_of_the_whole() {
        let pass = ForwardContext::watching();
        pass.record("a", &Tensor::from_slice(&[1.0, 2.0])).unwrap();
        pass.record("a", &Tensor::from_slice(&[3.0, 6.0])).unwrap();
        let responses = pass.responses();
        let mut whole = responses[0].clone();
        whole.add(&responses[1]);
        assert!((whole.std() - 3.5f64.sqrt()).abs() < 1e-12);
    }
}
