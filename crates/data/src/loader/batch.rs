//! Batches of images as the network takes them.

use std::sync::Arc;

use residual_spec::Error;

use crate::{CropWindow, MixedLabels};

/// Images as the network takes them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// `[n, size, size, channels]` (NHWC), normalised. Shared, so that a tensor may lie in them.
    pub images: Arc<Vec<f32>>,
    /// The class of each of the `n` images.
    pub labels: Vec<i64>,
    /// Each image's index in its source.
    pub indices: Vec<u32>,
    /// Height and width of every view of every image, where each is seen more than once; `images`
    /// has them one after another.
    pub views: Option<Vec<[u32; 2]>>,
    /// What the images were mixed with, where they were.
    pub mixed: Option<MixedLabels>,
    /// Where each image is to be cut, in place of `images`, which then are elsewhere.
    pub windows: Option<Vec<CropWindow>>,
}

impl Batch {
    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Where images are written: into what held others before, unless somebody still has it.
    pub fn images_mut(&mut self) -> &mut Vec<f32> {
        if Arc::get_mut(&mut self.images).is_none() {
            self.images = Arc::default();
        }
        Arc::make_mut(&mut self.images)
    }

    /// The class that each image shows most of: its own, or its partner's where that has the
    /// larger share of a mixture.
    pub fn dominant_labels(&self) -> &[i64] {
        match &self.mixed {
            Some(mixed) if mixed.lambda < 0.5 => &mixed.labels,
            _ => &self.labels,
        }
    }
}

/// A batch, and what had to be left out of it.
#[derive(Debug, Default)]
pub struct LoadedBatch {
    /// Empty if every image of it was broken.
    pub batch: Batch,
    /// Name and failure of each image that could not be read.
    pub failed: Vec<(String, Error)>,
}
