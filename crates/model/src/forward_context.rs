//! Context of one forward pass: its mode, the response statistics that it records, and the first
//! output that is not finite.

use std::cell::RefCell;

use residual_spec::Result;
use residual_torch::torch_error;
use tch::{Kind, TchError, Tensor};

/// Mode of a forward pass, passed to every layer.
pub(crate) struct ForwardContext {
    pub training: bool,
    responses: Option<RefCell<Vec<ResponseStats>>>,
    /// The first output that is not finite; `None` if the pass does not check its outputs.
    not_finite: Option<RefCell<Option<NotFiniteOutput>>>,
}

/// The first output of a forward pass that contains NaN or infinity.
#[derive(Debug, Clone, PartialEq)]
pub struct NotFiniteOutput {
    /// Name of the layer, such as `layer1.0.conv1`; `None` for the input of the network.
    pub layer: Option<String>,
    /// Positions in the batch of the images for which the output is not finite.
    pub images: Vec<usize>,
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
        ForwardContext { training, responses: None, not_finite: None }
    }

    /// Creates a context in evaluation mode that records response statistics.
    pub fn recording() -> ForwardContext {
        ForwardContext { responses: Some(RefCell::default()), ..ForwardContext::new(false) }
    }

    /// Creates a context in training mode that finds the first output that is not finite.
    pub fn checking() -> ForwardContext {
        ForwardContext { not_finite: Some(RefCell::default()), ..ForwardContext::new(true) }
    }

    /// Checks an output `[n, ...]` of a layer, or the input of the network, unless an earlier output
    /// is not finite.
    pub fn check(&self, layer: Option<&str>, output: &Tensor) -> Result<()> {
        let Some(found) = self.not_finite.as_ref().filter(|found| found.borrow().is_none()) else {
            return Ok(());
        };
        let images = not_finite_images(output).map_err(torch_error)?;
        if !images.is_empty() {
            let layer = layer.map(str::to_string);
            *found.borrow_mut() = Some(NotFiniteOutput { layer, images });
        }
        Ok(())
    }

    /// Returns the first output that is not finite.
    pub fn first_not_finite(self) -> Option<NotFiniteOutput> {
        self.not_finite.and_then(RefCell::into_inner)
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

/// Returns the positions of the images for which a tensor `[n, ...]` is not finite.
fn not_finite_images(output: &Tensor) -> std::result::Result<Vec<usize>, TchError> {
    let images = output
        .f_isfinite()?
        .f_flatten(1, -1)?
        .f_all_dim(1, false)?
        .f_logical_not()?
        .f_nonzero()?
        .f_flatten(0, -1)?;
    Ok(Vec::<i64>::try_from(images)?.into_iter().map(|image| image as usize).collect())
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

    #[test]
    fn the_first_output_that_is_not_finite_is_kept_with_its_images() {
        let finite = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).view([3, 2, 1, 1]);
        let infinite = Tensor::from_slice(&[1.0, f32::INFINITY, 3.0, 4.0, f32::NAN, 6.0]);
        let context = ForwardContext::checking();
        context.check(None, &finite).unwrap();
        context.check(Some("conv1"), &infinite.view([3, 2])).unwrap();
        context.check(Some("fc"), &infinite.view([1, 6])).unwrap();
        let expected = NotFiniteOutput { layer: Some("conv1".into()), images: vec![0, 2] };
        assert_eq!(context.first_not_finite(), Some(expected));
        // Other passes do not check.
        let context = ForwardContext::new(true);
        context.check(Some("conv1"), &infinite.view([3, 2])).unwrap();
        assert_eq!(context.first_not_finite(), None);
    }
}
