//! The input of a step: images and targets in device memory.

use residual_data::Batch;
use residual_model::{DeviceDataset, Model, model_input};
use residual_spec::Result;
use residual_torch::torch_error;
use tch::Tensor;

use crate::loss::{MixTargets, Targets};

/// A batch in device memory.
pub(super) struct StepInput {
    pub images: Tensor,
    pub targets: Targets,
}

impl StepInput {
    /// Copies a batch to the device of `model`. `images` are the images in device memory, for a
    /// batch of crop windows.
    pub fn from_batch(
        model: &Model,
        images: Option<&DeviceDataset>,
        batch: &Batch,
    ) -> Result<StepInput> {
        let images = model_input(model, images, batch)?;
        Ok(StepInput { images, targets: Targets::from_batch(batch, model)? })
    }

    fn tensors(&self) -> Vec<&Tensor> {
        let Targets { labels, mix } = &self.targets;
        let mix = mix.iter().flat_map(|mix| {
            let MixTargets { labels, shares, dominant } = mix;
            [labels, shares, dominant]
        });
        [&self.images, labels].into_iter().chain(mix).collect()
    }

    /// Returns a copy with its own memory.
    pub fn deep_copy(&self) -> Result<StepInput> {
        let copy = |tensor: &Tensor| {
            let copy = tensor.f_zeros_like().map_err(torch_error)?;
            copy.shallow_clone().f_copy_(tensor).map_err(torch_error)?;
            Ok(copy)
        };
        let copy_mix = |MixTargets { labels, shares, dominant }: &MixTargets| -> Result<_> {
            let (labels, shares, dominant) = (copy(labels)?, copy(shares)?, copy(dominant)?);
            Ok(MixTargets { labels, shares, dominant })
        };
        let Targets { labels, mix } = &self.targets;
        let mix = mix.as_ref().map(copy_mix).transpose()?;
        let targets = Targets { labels: copy(labels)?, mix };
        Ok(StepInput { images: copy(&self.images)?, targets })
    }

    /// Overwrites the tensors with those of another input of the same shape.
    pub fn copy_from(&self, other: &StepInput) -> Result<()> {
        for (to, from) in self.tensors().into_iter().zip(other.tensors()) {
            to.shallow_clone().f_copy_(from).map_err(torch_error)?;
        }
        Ok(())
    }
}

/// The shape of a batch. A CUDA graph accepts inputs of one shape.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct BatchShape {
    pub images: usize,
    values: usize,
    is_mixed: bool,
}

impl BatchShape {
    pub fn from_batch(batch: &Batch) -> BatchShape {
        BatchShape {
            images: batch.len(),
            values: batch.images.len(),
            is_mixed: batch.mixed.is_some(),
        }
    }
}
