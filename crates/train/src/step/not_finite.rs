//! Finds the first value of a step that is not finite, by repeating the step.

use std::fmt;

use residual_data::Batch;
use residual_model::NotFiniteOutput;
use residual_spec::Result;
use residual_torch::torch_error;

use super::context::StepContext;

/// The first value of a step that is not finite, in the order of the computation.
#[derive(Debug, Clone, PartialEq)]
pub struct NotFinite {
    pub value: NotFiniteValue,
    /// Indices of the images in their source: those for which an input or output is not finite,
    /// otherwise all images of the batch.
    pub images: Vec<u32>,
}

/// A value of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum NotFiniteValue {
    /// The normalized images.
    Input,
    /// The output of a layer.
    Output(String),
    Loss,
    /// The gradient of a parameter, or its norm.
    Gradient(String),
}

impl fmt::Display for NotFiniteValue {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            NotFiniteValue::Input => f.write_str("the input of the network"),
            NotFiniteValue::Output(layer) => write!(f, "the output of `{layer}`"),
            NotFiniteValue::Loss => f.write_str("the loss"),
            NotFiniteValue::Gradient(parameter) => write!(f, "the gradient of `{parameter}`"),
        }
    }
}

/// Repeats the forward and backward pass of a batch, and returns the first value that is not finite.
/// `batch_index` is the position of the batch in its step. Changes the running statistics.
pub(super) fn find(
    context: &mut StepContext,
    batch: &Batch,
    batch_index: u32,
) -> Result<Option<NotFinite>> {
    context.run_micro_batches(
        batch,
        batch_index == 0,
        |context, found: &mut Option<NotFinite>, micro_batch, index| {
            if found.is_none() {
                context.seed_dropout(batch_index, index);
                *found = find_in_pass(context, micro_batch)?;
            }
            Ok(())
        },
        &mut |_| false,
    )
}

fn find_in_pass(context: &StepContext, batch: &Batch) -> Result<Option<NotFinite>> {
    let model = &context.state.model;
    let input = context.input(batch)?;
    let (logits, not_finite) = model.forward_checked(&input.images)?;
    if let Some(NotFiniteOutput { layer, images }) = not_finite {
        let images = images.into_iter().filter_map(|image| batch.indices.get(image).copied());
        let value = layer.map_or(NotFiniteValue::Input, NotFiniteValue::Output);
        return Ok(Some(NotFinite { value, images: images.collect() }));
    }
    let in_whole_batch = |value| Ok(Some(NotFinite { value, images: batch.indices.clone() }));
    if context.loss.batch_weight(batch) == 0.0 {
        return Ok(None); // the step does not use the loss
    }
    let loss = context.loss.mean(&logits, &input.targets)?;
    if !loss.f_double_value(&[]).map_err(torch_error)?.is_finite() {
        return in_whole_batch(NotFiniteValue::Loss);
    }
    let gradients = context.backward(&loss)?;
    let parameters: Vec<&str> = model.parameters().map(|(name, _)| name).collect();
    // The backward pass starts at the last parameter.
    for (name, gradient) in parameters.iter().zip(&gradients).rev() {
        let norm = gradient.f_norm().and_then(|norm| norm.f_double_value(&[]));
        if !norm.map_err(torch_error)?.is_finite() {
            return in_whole_batch(NotFiniteValue::Gradient(name.to_string()));
        }
    }
    Ok(None)
}
