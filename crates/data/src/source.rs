//! Where images come from, one at a time, by index.

use std::sync::Arc;

use residual_spec::Result;

use crate::Image;

/// A part of a data set: images in a fixed order, each with its class.
pub trait Source: Send + Sync {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of image `i`, an index into the data set's class names.
    fn label(&self, i: usize) -> u32;

    /// What to call image `i` in a message: its file's path, or `train/123`.
    fn name(&self, i: usize) -> String;

    /// Decodes image `i` into `into`, as grey (1 channel) or RGB (3). The buffer is reused.
    ///
    /// # Errors
    /// `E_IMAGE` or `E_IO`, with the file.
    fn read(&self, i: usize, channels: u32, into: &mut Image) -> Result<()>;
}

/// The parts that a data set may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Train,
    Val,
    Test,
}

impl Part {
    pub const ALL: [Part; 3] = [Part::Train, Part::Val, Part::Test];

    pub fn as_str(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Val => "val",
            Part::Test => "test",
        }
    }
}

/// Some of a source's images.
#[derive(Clone)]
pub struct Subset {
    pub source: Arc<dyn Source>,
    /// Indices into `source`.
    pub indices: Arc<[u32]>,
}

impl Subset {
    /// All of a source's images, in its order.
    pub fn all(source: Arc<dyn Source>) -> Self {
        let indices = (0..source.len() as u32).collect();
        Subset { source, indices }
    }

    pub fn len(&self) -> usize {
        self.indices.len()
    }

    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The images of each of so many classes.
    pub fn class_counts(&self, classes: usize) -> Vec<u64> {
        let mut counts = vec![0; classes];
        for &index in self.indices.iter() {
            counts[self.source.label(index as usize) as usize] += 1;
        }
        counts
    }
}
