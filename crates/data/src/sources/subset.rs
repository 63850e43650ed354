//! Subsets of a source's images.

use std::sync::Arc;

use residual_spec::{Error, ErrorCode, Result, Split};

use super::listing::check_cancelled;
use super::source::{OpenedImage, ReadBuffers, Source};
use crate::{DecodeRequest, Image, ImageView};

/// A selection of a source's images.
#[derive(Clone)]
pub struct Subset {
    pub source: Arc<dyn Source>,
    /// Indices into `source`.
    pub indices: Arc<[u32]>,
}

impl Subset {
    /// Selects all images of a source, in their order.
    pub fn full(source: Arc<dyn Source>) -> Self {
        let indices = (0..source.len() as u32).collect();
        Subset { source, indices }
    }

    pub fn len(&self) -> usize {
        self.indices.len()
    }

    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Checks that at least one image can be decoded, because the metrics of a split without one
    /// would describe nothing. Decodes images only up to the first that succeeds.
    ///
    /// # Errors
    /// `E_DATA_UNUSABLE` with the error of the first image; `E_ABORTED` once `cancelled` returns
    /// true.
    pub fn check_decodable(&self, split: Split, cancelled: &dyn Fn() -> bool) -> Result<()> {
        let mut buffers = ReadBuffers::default();
        let mut first_error = None;
        for &index in self.indices.iter() {
            check_cancelled(cancelled)?;
            match self.source.read(index as usize, 3, &mut buffers) {
                Ok(_) => return Ok(()),
                Err(error) => first_error.get_or_insert(error),
            };
        }
        let Some(first) = first_error else { return Ok(()) };
        let (split, count) = (split.as_str(), self.len());
        let message =
            format!("no image of the {split} split ({count}) can be decoded: {}", first.message);
        let mut error = Error::new(ErrorCode::DataUnusable, message)
            .key("data")
            .hint("Replace the damaged images, or remove the split.");
        error.at.file = first.at.file;
        Err(error)
    }

    /// Returns the number of images of each class.
    pub fn class_counts(&self, classes: usize) -> Vec<u64> {
        let mut counts = vec![0; classes];
        for &index in self.indices.iter() {
            counts[self.source.label(index as usize) as usize] += 1;
        }
        counts
    }

    /// Replaces each label by `map[label]`, for a model with the same classes in another order.
    pub fn remap_labels(self, map: Vec<u32>) -> Self {
        Subset { source: Arc::new(RemappedLabels { source: self.source, map }), ..self }
    }

    /// Returns at most `count` evenly spaced indices.
    pub fn evenly_spaced(&self, count: usize) -> Vec<u32> {
        let count = count.min(self.len());
        (0..count).map(|n| self.indices[(2 * n + 1) * self.len() / (2 * count)]).collect()
    }
}

/// A source with the images of another source and remapped labels.
struct RemappedLabels {
    source: Arc<dyn Source>,
    map: Vec<u32>,
}

impl Source for RemappedLabels {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn label(&self, i: usize) -> u32 {
        self.map[self.source.label(i) as usize]
    }

    fn name(&self, i: usize) -> String {
        self.source.name(i)
    }

    fn open<'a>(
        &'a self,
        i: usize,
        channels: u32,
        buffer: &'a mut Vec<u8>,
    ) -> Result<OpenedImage<'a>> {
        self.source.open(i, channels, buffer)
    }

    fn decode<'a>(
        &'a self,
        i: usize,
        opened: OpenedImage<'a>,
        request: DecodeRequest,
        buffer: &'a mut Image,
    ) -> Result<ImageView<'a>> {
        self.source.decode(i, opened, request, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemorySource;
    use crate::sources::{DiskSource, ImageLocation};

    fn subset(indices: &[u32]) -> Subset {
        let source = MemorySource::new(Split::Test, [1, 1, 1], vec![0; 5], vec![0, 1, 2, 1, 0]);
        Subset { source: Arc::new(source), indices: indices.into() }
    }

    #[test]
    fn remap_labels_changes_only_the_labels() {
        let (before, after) = (subset(&[1, 4]), subset(&[1, 4]).remap_labels(vec![2, 0, 1]));
        let labels: Vec<u32> = (0..5).map(|i| after.source.label(i)).collect();
        assert_eq!(labels, [2, 0, 1, 0, 2]);
        assert_eq!(after.indices, before.indices);
        assert_eq!(after.source.name(3), before.source.name(3));
    }

    #[test]
    fn a_split_without_a_decodable_image_is_refused() {
        let png = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images/picture.png"));
        let (png, folder) = (png.unwrap(), tempfile::tempdir().unwrap());
        let check = |files: &[&[u8]]| {
            let mut source = DiskSource::default();
            for (index, bytes) in files.iter().enumerate() {
                let file = folder.path().join(index.to_string());
                std::fs::write(&file, bytes).unwrap();
                source.locations.push(ImageLocation::File(file.into()));
                source.labels.push(0);
            }
            Subset::full(Arc::new(source)).check_decodable(Split::Val, &|| false)
        };
        // The first 60 bytes contain the whole header, but not all pixels.
        assert!(check(&[&png[..60], &png]).is_ok() && check(&[]).is_ok());
        let error = check(&[&png[..60], &png[..60]]).unwrap_err();
        assert_eq!(error.code, ErrorCode::DataUnusable);
        assert!(error.message.starts_with("no image of the val split (2) can be decoded: "));
        assert!(error.at.file.unwrap().ends_with("/0"));
    }

    #[test]
    fn evenly_spaced_indices_cover_the_subset() {
        let many = subset(&(100..200).collect::<Vec<_>>());
        assert_eq!(many.evenly_spaced(4), [112, 137, 162, 187]);
        assert_eq!(subset(&[1, 4]).evenly_spaced(9), [1, 4]);
        assert!(subset(&[]).evenly_spaced(3).is_empty());
        assert!(many.evenly_spaced(0).is_empty());
    }
}
