//! Ends a run whose loss, gradients or weights are not finite.

use residual_data::NextBatch;
use residual_spec::{CheckpointKind, Error, ErrorCode, Result};

use super::Trainer;
use super::epoch::BATCH_TIMEOUT;
use crate::step::{Divergence, NotFinite, NotFiniteValue};

/// Maximum number of images that an error names.
const MAX_NAMED_IMAGES: usize = 4;

/// A batch of the epoch, and its first value that is not finite.
struct NotFiniteBatch {
    /// Number of the batch in its epoch, from 1.
    number: u32,
    not_finite: NotFinite,
}

impl Trainer<'_> {
    /// Restores and saves the state after the last successful update. Returns the `E_DIVERGED` error,
    /// which names the first value of the step that is not finite, and its images.
    pub(super) fn roll_back(&mut self, Divergence { quantity, value }: &Divergence) -> Error {
        let (epoch, step) = (self.position.epoch + 1, self.position.step + 1);
        self.in_flight.clear();
        let message = format!("{quantity} became {value} in epoch {epoch} at step {step}");
        // A later error must not replace the `E_DIVERGED` error, the first cause. If the state cannot
        // be restored, nothing is saved or searched, and the last checkpoint remains the older one.
        let saved = self.step.roll_back().and_then(|is_finite| {
            // A resume repeats the batches of updates that were not made.
            if is_finite && self.position.step > 0 {
                self.save(&[CheckpointKind::Last])
            } else {
                Ok(())
            }
        });
        if let Err(error) = saved {
            return self.diverged_error(format!(
                "{message}; the state before the step could not be saved: {}",
                error.message
            ));
        }
        let found = self.find_not_finite().ok().flatten();
        // The search changed the running statistics. The run ends even if they cannot be restored.
        let _ = self.step.roll_back();
        match found {
            None => self.diverged_error(message),
            Some(found) => {
                let error = self.diverged_error(format!("{message}: {}", self.describe(&found)));
                match found.not_finite.value {
                    NotFiniteValue::Input => {
                        error.hint("Check these images, `transform.mean` and `transform.std`.")
                    }
                    NotFiniteValue::Output(_)
                    | NotFiniteValue::Loss
                    | NotFiniteValue::Gradient(_) => error,
                }
            }
        }
    }

    /// Repeats the batches of the step after the current position, which diverged, and returns the
    /// first value that is not finite.
    fn find_not_finite(&mut self) -> Result<Option<NotFiniteBatch>> {
        let mut loader = self.train_loader();
        let (mut number, mut batch_index) = (self.position.batch, 0);
        while number < self.position.batch + self.config.gradient.accumulate {
            let batch = match loader.next_within(BATCH_TIMEOUT)? {
                NextBatch::Ready(loaded) => loaded.batch,
                NextBatch::Pending if self.control.is_stopping() => return Ok(None),
                NextBatch::Pending => continue,
                NextBatch::End => return Ok(None),
            };
            number += 1;
            // A batch of one image is not used.
            if batch.len() > 1 {
                if let Some(not_finite) = self.step.find_not_finite(&batch, batch_index)? {
                    return Ok(Some(NotFiniteBatch { number, not_finite }));
                }
                batch_index += 1;
            }
            loader.recycle(batch);
        }
        Ok(None)
    }

    fn describe(&self, NotFiniteBatch { number, not_finite }: &NotFiniteBatch) -> String {
        let NotFinite { value, images } = not_finite;
        let source = &self.data.splits.train.source;
        let named = images.iter().take(MAX_NAMED_IMAGES);
        let mut names: Vec<String> = named.map(|&image| source.name(image as usize)).collect();
        match images.len().saturating_sub(MAX_NAMED_IMAGES) {
            0 => {}
            1 => names.push("1 more image".into()),
            more => names.push(format!("{more} more images")),
        }
        let names = names.join(", ");
        format!(
            "{value} is the first value that is not finite, in batch {number} of the epoch ({names})"
        )
    }

    /// Returns an `E_DIVERGED` error that refers to the last checkpoint, if it exists.
    pub(super) fn diverged_error(&self, message: String) -> Error {
        let error = Error::new(ErrorCode::Diverged, message)
            .hint("Lower `optimizer.lr`, or increase it slowly with `warmup: { epochs: 1 }`.");
        let last = self.dir.checkpoint_path(CheckpointKind::Last, self.position.epoch);
        if last.is_file() { error.file(last) } else { error }
    }
}
