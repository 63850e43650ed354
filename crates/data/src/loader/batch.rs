//! Batches of normalized images.

use std::sync::Arc;

use residual_spec::Error;

use crate::{CropWindow, MixedLabels};

/// Normalized images with their labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// `[n, size, size, channels]` (NHWC), normalized. Shared, so that a tensor may borrow the
    /// memory.
    pub images: Arc<Vec<f32>>,
    /// The label of each of the `n` images.
    pub labels: Vec<i64>,
    /// The index of each image in its source.
    pub indices: Vec<u32>,
    /// Height and width of every view, image by image, with test-time augmentation. `images` then
    /// holds the views one after another.
    pub views: Option<Vec<[u32; 2]>>,
    /// Labels and weight of the mixup or CutMix partners, if the batch was mixed.
    pub mixed: Option<MixedLabels>,
    /// The crop window of each image, if the images are in device memory. `images` is empty then.
    pub crop_windows: Option<Vec<CropWindow>>,
}

impl Batch {
    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns the image buffer for writing; an empty one if a tensor still shares the previous
    /// buffer.
    pub fn images_mut(&mut self) -> &mut Vec<f32> {
        if Arc::get_mut(&mut self.images).is_none() {
            self.images = Arc::default();
        }
        Arc::make_mut(&mut self.images)
    }

    /// Returns the label with the larger weight for each image: the partner's in a mixed batch with
    /// `lambda < 0.5`, otherwise its own.
    pub fn dominant_labels(&self) -> &[i64] {
        match &self.mixed {
            Some(mixed) if mixed.lambda < 0.5 => &mixed.labels,
            _ => &self.labels,
        }
    }
}

/// A batch and the errors of images that could not be loaded.
#[derive(Debug, Default)]
pub struct LoadedBatch {
    /// Empty if no image could be loaded.
    pub batch: Batch,
    /// Name and error of each image that could not be loaded.
    pub failed: Vec<(String, Error)>,
}
