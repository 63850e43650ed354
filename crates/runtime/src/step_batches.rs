//! Training batches for measurements that discard the weights.

use std::sync::Arc;

use residual_data::{Loader, LoaderOptions, NextBatch, Pipeline, Subset};
use residual_spec::{ResolvedConfig, Result};
use residual_train::{BATCH_TIMEOUT, StepOutcome, TrainStep, epoch_order};

/// The result of computing the gradients of a step.
pub(crate) enum StepGradients {
    /// The gradients of all batches of the step are accumulated. The last step of an epoch may have
    /// fewer batches.
    Complete,
    /// The loss is not finite.
    NotFinite,
    /// No image could be read in an epoch.
    NoImages,
    Cancelled,
}

/// Loads the batches of a run, starting with its first epoch.
pub(crate) struct StepBatches<'a> {
    config: &'a ResolvedConfig,
    images: &'a Subset,
    pipeline: Arc<Pipeline>,
    /// Whether the images are in device memory, so that a batch contains only image indices and
    /// crops.
    has_device_images: bool,
    epoch: u32,
    loader: Loader,
    /// Number of steps so far in the current epoch.
    steps: u32,
}

impl<'a> StepBatches<'a> {
    pub fn new(
        config: &'a ResolvedConfig,
        images: &'a Subset,
        pipeline: Pipeline,
        has_device_images: bool,
    ) -> StepBatches<'a> {
        let pipeline = Arc::new(pipeline);
        let loader = loader(config, images, &pipeline, has_device_images, 0);
        StepBatches { config, images, pipeline, has_device_images, epoch: 0, loader, steps: 0 }
    }

    /// Computes the gradients of the next step. `is_cancelled` is called before each batch.
    pub fn forward_backward(
        &mut self,
        step: &mut TrainStep,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<StepGradients> {
        loop {
            if is_cancelled() {
                return Ok(StepGradients::Cancelled);
            }
            let loaded = match self.loader.next_within(BATCH_TIMEOUT)? {
                NextBatch::Ready(loaded) => loaded,
                NextBatch::Pending => continue,
                NextBatch::End if step.has_gradients() => return Ok(self.complete()),
                NextBatch::End if self.steps == 0 => return Ok(StepGradients::NoImages),
                NextBatch::End => {
                    self.start_next_epoch();
                    continue;
                }
            };
            // Batch normalization cannot be trained on a single image.
            if loaded.batch.len() > 1
                && let StepOutcome::Diverged(_) = step.forward_backward(&loaded.batch)?
            {
                return Ok(StepGradients::NotFinite);
            }
            self.loader.recycle(loaded.batch);
            if step.is_full() {
                return Ok(self.complete());
            }
        }
    }

    fn complete(&mut self) -> StepGradients {
        self.steps += 1;
        StepGradients::Complete
    }

    fn start_next_epoch(&mut self) {
        self.epoch += 1;
        self.steps = 0;
        let StepBatches { config, images, pipeline, has_device_images, epoch, .. } = self;
        self.loader = loader(config, images, pipeline, *has_device_images, *epoch);
    }
}

fn loader(
    config: &ResolvedConfig,
    images: &Subset,
    pipeline: &Arc<Pipeline>,
    has_device_images: bool,
    epoch: u32,
) -> Loader {
    let order = epoch_order(config, epoch);
    let options =
        LoaderOptions { crops_only: has_device_images, ..LoaderOptions::train(config, order) };
    Loader::new(images, Arc::clone(pipeline), options)
}
