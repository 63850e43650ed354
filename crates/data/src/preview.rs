//! Previews of a data set: its images, or the images after training augmentation.

use residual_spec::{
    Error, ErrorCode, PreviewConfig, PreviewOptions, PreviewOrder, ResolvedConfig, Result, Split,
    resolve_preview,
};

use crate::loader::shuffle_epoch;
use crate::{Dataset, Image, Pipeline, SampleRng, Source, Subset, thumbnail};

/// Longest side of previewed images in pixels.
const MAX_SIDE: u32 = 320;

/// The images of a preview.
pub struct Preview {
    pub split: Split,
    pub images: Vec<PreviewImage>,
}

pub struct PreviewImage {
    /// Index in the split.
    pub index: u32,
    /// A file path, or for example `train/123`.
    pub name: String,
    /// Index into the class names of the data set.
    pub label: u32,
    pub image: Image,
}

/// Selects images of a split and decodes them, scaled down to at most 320 pixels per side. The
/// splits are those of a run with the same `data.validation` and `data.limit`. With `augmented`,
/// applies the training transforms instead of scaling and reverts the normalization; mixup and
/// CutMix are not applied, because they need a batch. Skips images that cannot be read.
///
/// # Errors
/// `E_USAGE` for a split without images or a count out of range; the errors of `resolve`; `E_IMAGE`
/// or `E_IO` if no image can be read.
pub fn preview(dataset: &Dataset, request: &PreviewConfig) -> Result<Preview> {
    let PreviewOptions { config, split, count, order, seed, augmented } =
        resolve_preview(request, dataset.facts())?;
    let splits = dataset.splits(&config.data);
    let (split, subset) = match split {
        Split::Train => (Split::Train, Some(splits.train)),
        Split::Val => (Split::Val, splits.val),
        Split::Test => (Split::Test, splits.test),
    };
    let Some(Subset { source, indices }) = subset else {
        let message = format!("{} has no {} split", dataset.facts().source, split.as_str());
        return Err(Error::new(ErrorCode::Usage, message)
            .key("split")
            .hint("Choose another split."));
    };
    let augmenter = augmented.then(|| Augmenter::new(config));
    let quotas = match order {
        PreviewOrder::Random => vec![count; 1],
        PreviewOrder::ByClass => class_quotas(count, dataset.facts().classes.len() as u32),
    };
    let groups = shuffle_into_groups(source.as_ref(), indices.to_vec(), quotas.len(), seed);
    let mut images = Vec::with_capacity(count as usize);
    let mut last_error = None;
    for (candidates, quota) in groups.into_iter().zip(quotas) {
        let mut remaining = quota;
        for index in candidates {
            if remaining == 0 {
                break;
            }
            let mut image = Image::default();
            let channels = augmenter.as_ref().map_or(dataset.facts().channels, Augmenter::channels);
            match source.read_into(index as usize, channels, &mut image) {
                Ok(()) => {
                    let image = match &augmenter {
                        Some(augmenter) => augmenter.apply(&image, seed, index),
                        None => thumbnail(&image, MAX_SIDE),
                    };
                    let (name, label) = (source.name(index as usize), source.label(index as usize));
                    images.push(PreviewImage { index, name, label, image });
                    remaining -= 1;
                }
                Err(error) => last_error = Some(error),
            }
        }
    }
    match (images.is_empty(), last_error) {
        (true, Some(error)) => Err(error),
        _ => Ok(Preview { split, images }),
    }
}

/// Divides `count` evenly among classes; the first classes get the remainder.
fn class_quotas(count: u32, classes: u32) -> Vec<u32> {
    (0..classes).map(|class| count / classes + u32::from(class < count % classes)).collect()
}

/// Shuffles indices and returns them in one group, or grouped by class if `groups` is above 1.
fn shuffle_into_groups(
    source: &dyn Source,
    mut indices: Vec<u32>,
    groups: usize,
    seed: u64,
) -> Vec<Vec<u32>> {
    shuffle_epoch(&mut indices, seed, 0);
    if groups == 1 {
        return vec![indices];
    }
    let mut by_class = vec![Vec::new(); groups];
    for index in indices {
        by_class[source.label(index as usize) as usize].push(index);
    }
    by_class
}

/// Training transforms followed by the inverse of the normalization, so that the result is an
/// image.
struct Augmenter {
    pipeline: Pipeline,
    config: ResolvedConfig,
}

impl Augmenter {
    fn new(mut config: ResolvedConfig) -> Augmenter {
        // Reverting the normalization would have to add the mean image again.
        config.transform.pixel_mean = false;
        Augmenter { pipeline: Pipeline::train(&config, None), config }
    }

    fn channels(&self) -> u32 {
        self.config.data.channels
    }

    /// Returns the image as augmented in the first epoch of a run with this seed.
    fn apply(&self, image: &Image, seed: u64, index: u32) -> Image {
        let mut values = vec![0.0; self.pipeline.len()];
        let plan = self.pipeline.plan(image.view().size(), SampleRng::new(seed, 0, index));
        self.pipeline.apply(image.view(), plan, &mut values);
        let (mean, std) = (&self.config.transform.mean, &self.config.transform.std);
        let channels = self.pipeline.channels();
        let pixel = |(i, &value): (usize, &f32)| {
            let channel = i % channels;
            ((f64::from(value) * std[channel] + mean[channel]) * 255.0).round() as u8
        };
        let pixels = values.iter().enumerate().map(pixel).collect();
        let side = self.pipeline.size() as u32;
        Image { width: side, height: side, channels: channels as u32, pixels }
    }
}

#[cfg(test)]
mod tests {
    use residual_spec::{Auto, CropConfig, DataConfig, DataFormat, NameOr, TransformConfig};

    use super::*;
    use crate::MemorySource;

    /// Requests the training split of a data set without a validation split.
    fn all_images() -> PreviewConfig {
        request(DataConfig { validation: Some(Auto::Value(0.0)), ..DataConfig::default() })
    }

    fn request(data: DataConfig) -> PreviewConfig {
        let data = DataConfig { source: Some("tiny".into()), ..data };
        PreviewConfig { data: Some(NameOr::Config(data)), ..PreviewConfig::default() }
    }

    /// Twelve 8x8 images in three classes; the pixels of image i count up from 10 * i.
    fn dataset() -> Dataset {
        let labels: Vec<u32> = (0..12).map(|i| i % 3).collect();
        let pixels = (0..12u8).flat_map(|i| (0..64u8).map(move |j| 10 * i + j)).collect();
        let train = MemorySource::new(Split::Train, [8, 8, 1], pixels, labels);
        let empty = |split| MemorySource::new(split, [8, 8, 1], vec![], vec![]);
        let classes = ["ant", "bee", "cat"].map(String::from).to_vec();
        let sources = [train, empty(Split::Val), empty(Split::Test)];
        Dataset::in_memory("tiny", DataFormat::Idx, classes, sources).unwrap()
    }

    fn labels(preview: &Preview) -> Vec<u32> {
        preview.images.iter().map(|image| image.label).collect()
    }

    #[test]
    fn the_seed_determines_the_images() {
        let indices = |seed| {
            let request = PreviewConfig { count: Some(6), seed: Some(seed), ..all_images() };
            let preview = preview(&dataset(), &request).unwrap();
            preview.images.into_iter().map(|image| image.index).collect::<Vec<_>>()
        };
        assert_eq!(indices(1), indices(1));
        assert_ne!(indices(1), indices(2));
        let mut distinct = indices(1);
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 6);
    }

    #[test]
    fn by_class_divides_the_count_evenly_among_classes() {
        let order = Some(PreviewOrder::ByClass);
        let request = PreviewConfig { count: Some(7), order, ..all_images() };
        assert_eq!(labels(&preview(&dataset(), &request).unwrap()), [0, 0, 0, 1, 1, 2, 2]);
        // The data set has only 12 images.
        let request = PreviewConfig { count: Some(30), order, ..all_images() };
        assert_eq!(preview(&dataset(), &request).unwrap().images.len(), 12);
    }

    #[test]
    fn splits_are_those_of_a_run_with_the_same_settings() {
        let data = |limit, split_seed| DataConfig {
            validation: Some(Auto::Value(0.25)),
            limit,
            split_seed,
            ..DataConfig::default()
        };
        let indices = |limit, split_seed, split| {
            let request = PreviewConfig { split: Some(split), ..request(data(limit, split_seed)) };
            let preview = preview(&dataset(), &request).unwrap();
            let mut indices: Vec<u32> = preview.images.iter().map(|image| image.index).collect();
            indices.sort_unstable();
            indices
        };
        for (limit, seed) in [(None, None), (Some(5), None), (Some(5), Some(9))] {
            let request = request(data(limit, seed));
            let splits = dataset()
                .splits(&resolve_preview(&request, dataset().facts()).unwrap().config.data);
            assert_eq!(indices(limit, seed, Split::Train), *splits.train.indices);
            assert_eq!(indices(limit, seed, Split::Val), *splits.val.unwrap().indices);
        }
        assert_eq!(indices(Some(5), None, Split::Train).len(), 5);
        assert_eq!(indices(None, None, Split::Val).len(), 3);
        let error = preview(&dataset(), &request(data(Some(1), None))).err().unwrap();
        assert_eq!(error.at.key.as_deref(), Some("data.limit"));
    }

    #[test]
    fn shows_unmodified_pixels() {
        let preview = preview(&dataset(), &all_images()).unwrap();
        assert_eq!(preview.images.len(), 12);
        for PreviewImage { index, name, image, .. } in &preview.images {
            assert_eq!(name, &format!("train/{index}"));
            let first = 10 * *index as u8;
            assert_eq!(image.pixels, (first..first + 64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn augmented_previews_revert_the_normalization() {
        let transform = TransformConfig {
            crop: Some(Auto::Value(CropConfig::None)),
            flip: Some(Auto::Value(true)),
            ..TransformConfig::default()
        };
        let data = DataConfig {
            validation: Some(Auto::Value(0.0)),
            image_size: Some(Auto::Value(16)),
            ..DataConfig::default()
        };
        let request =
            PreviewConfig { transform: Some(transform), augmented: Some(true), ..request(data) };
        let preview = preview(&dataset(), &request).unwrap();
        let mut mirrored = 0;
        for PreviewImage { index, image, .. } in &preview.images {
            assert_eq!((image.width, image.height), (16, 16));
            // The top corners, in reverse order if the image was flipped.
            let first = 10 * *index as u8;
            let corners = [image.pixels[0], image.pixels[15]];
            if corners == [first + 7, first] {
                mirrored += 1;
            } else {
                assert_eq!(corners, [first, first + 7]);
            }
        }
        assert!((1..12).contains(&mirrored), "{mirrored} of 12");
    }

    #[test]
    fn rejects_an_empty_split_and_a_count_out_of_range() {
        let preview_error = |request| preview(&dataset(), &request).err().unwrap();
        let error =
            preview_error(PreviewConfig { split: Some(Split::Test), ..PreviewConfig::default() });
        assert_eq!((error.code, error.at.key.as_deref()), (ErrorCode::Usage, Some("split")));
        for count in [0, 1001] {
            let error =
                preview_error(PreviewConfig { count: Some(count), ..PreviewConfig::default() });
            assert_eq!(error.at.key.as_deref(), Some("count"));
        }
    }
}
