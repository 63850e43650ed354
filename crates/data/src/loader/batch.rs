//! Batches of normalized images.

use std::sync::Arc;

use residual_spec::Error;

use crate::{CropWindow, MixedLabels};

/// The input of the network and its labels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// `[n, size, size, channels]` (NHWC), normalized. Shared, so that a tensor may borrow the
    /// memory.
    pub images: Arc<Vec<f32>>,
    /// The label of each of the `n` images.
    pub labels: Vec<i64>,
    /// The index of each image in its source.
    pub indices: Vec<u32>,
    /// Height and width of all views of all images, if each image has several; `images` holds the
    /// views one after another.
    pub views: Option<Vec<[u32; 2]>>,
    /// The partner labels, if the images were mixed.
    pub mixed: Option<MixedLabels>,
    /// The crop window of each image, if the images are in device memory. `images` is empty then.
    pub crop_windows: Option<Vec<CropWindow>>,
}

impl Batch {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The buffer for images. Reuses the memory of earlier images unless it is still shared.
    pub fn images_mut(&mut self) -> &mut Vec<f32> {
        if Arc::get_mut(&mut self.images).is_none() {
            self.images = Arc::default();
        }
        Arc::make_mut(&mut self.images)
    }

    /// The label with the larger weight for each image: its own, or its partner's in a mixed batch
    /// with `lambda < 0.5`.
    pub fn dominant_labels(&self) -> &[i64] {
        match &self.mixed {
            Some(mixed) if mixed.lambda < 0.5 => &mixed.labels,
            _ => &self.labels,
        }
    }
}

/// A batch and the images that could not be loaded for it.
#[derive(Debug, Default)]
pub struct LoadedBatch {
    /// Empty if no image could be loaded.
    pub batch: Batch,
    /// Name and error of each image that could not be read.
    pub failed: Vec<(String, Error)>,
}
