//! Where images come from, one at a time, by index.

use std::sync::Arc;

use residual_spec::Result;

use crate::{Image, Region};

/// How an image is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// 1, 2, 4 or 8: a pixel is made of a square of so many to the side, where the format allows that (a JPEG's
    /// sides are divided by it, and rounded up). Other images come at their own size.
    pub scale: u32,
    /// What is looked at of the image at this scale.
    pub region: Region,
}

impl Look {
    /// At all pixels of an image.
    pub fn whole(width: u32, height: u32) -> Look {
        Look::all_at(1, width, height)
    }

    /// At all of an image of this size, at a scale.
    pub fn all_at(scale: u32, width: u32, height: u32) -> Look {
        Look { scale, region: Region::whole(width.div_ceil(scale), height.div_ceil(scale)) }
    }
}

/// Says how an image of a width and a height will be looked at.
pub type Wanted<'a> = &'a dyn Fn(u32, u32) -> Look;

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

    /// Image `i` as `read` gives it: where it is kept, or read into `room`. Of its pixels only those
    /// that are wanted have to be right.
    ///
    /// # Errors
    /// As [`read`](Self::read), whatever is wanted.
    fn look<'a>(
        &'a self,
        i: usize,
        channels: u32,
        wanted: Wanted,
        room: &'a mut Image,
    ) -> Result<&'a Image> {
        let _ = wanted;
        self.read(i, channels, room)?;
        Ok(room)
    }
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

    /// A part by the names that people give it.
    pub(crate) fn named(name: &str) -> Option<Part> {
        Some(match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Part::Train,
            "val" | "valid" | "validation" => Part::Val,
            "test" => Part::Test,
            _ => return None,
        })
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

    /// The same images with class `map[label]` instead of `label`: for a model that counts the
    /// same classes in another order.
    pub fn relabelled(self, map: Vec<u32>) -> Self {
        Subset { source: Arc::new(Relabelled { source: self.source, map }), ..self }
    }

    /// So many of its indices, spread evenly; all, where there are no more.
    pub fn spread(&self, count: usize) -> Vec<u32> {
        let count = count.min(self.len());
        (0..count).map(|n| self.indices[(2 * n + 1) * self.len() / (2 * count)]).collect()
    }
}

struct Relabelled {
    source: Arc<dyn Source>,
    map: Vec<u32>,
}

impl Source for Relabelled {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.map[self.source.label(i) as usize]
    }

    fn name(&self, i: usize) -> String {
        self.source.name(i)
    }

    fn read(&self, i: usize, channels: u32, into: &mut Image) -> Result<()> {
        self.source.read(i, channels, into)
    }

    fn look<'a>(
        &'a self,
        i: usize,
        channels: u32,
        wanted: Wanted,
        room: &'a mut Image,
    ) -> Result<&'a Image> {
        self.source.look(i, channels, wanted, room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemorySource;

    fn subset(indices: &[u32]) -> Subset {
        let source = MemorySource::new(Part::Test, [1, 1, 1], vec![0; 5], vec![0, 1, 2, 1, 0]);
        Subset { source: Arc::new(source), indices: indices.into() }
    }

    #[test]
    fn a_relabelled_image_is_the_same_image_of_another_class() {
        let (before, after) = (subset(&[1, 4]), subset(&[1, 4]).relabelled(vec![2, 0, 1]));
        let labels: Vec<u32> = (0..5).map(|i| after.source.label(i)).collect();
        assert_eq!(labels, [2, 0, 1, 0, 2]);
        assert_eq!(after.indices, before.indices);
        assert_eq!(after.source.name(3), before.source.name(3));
    }

    #[test]
    fn a_spread_of_indices_reaches_from_one_end_to_the_other() {
        let many = subset(&(100..200).collect::<Vec<_>>());
        assert_eq!(many.spread(4), [112, 137, 162, 187]);
        assert_eq!(subset(&[1, 4]).spread(9), [1, 4]);
        assert!(subset(&[]).spread(3).is_empty());
        assert!(many.spread(0).is_empty());
    }
}
