//! Some images of a data set, to be looked at: as they are, or as training sees them.

use residual_spec::{
    resolve, DataPart, Error, ErrorCode, MachineFacts, ResolvedConfig, Result, ShowConfig,
    ShowOrder, TrainConfig,
};

use crate::random::shuffle_epoch;
use crate::resize::{region_of_resized, Region};
use crate::{Dataset, Image, Part, Pipeline, SampleRng, Source};

/// How many images are shown where nobody says: of all, or of each class, up to a picture's worth.
const COUNT: u32 = 40;
const OF_EACH_CLASS: u32 = 8;
const PICTURE: u32 = 200;
const MOST: u32 = 1000;
/// Images as they are are shrunk to this; nobody looks at forty photographs in full size.
const LONGEST_SIDE: u32 = 320;

/// Chosen images.
pub struct Preview {
    pub part: Part,
    pub images: Vec<PreviewImage>,
}

pub struct PreviewImage {
    /// In its part.
    pub index: u32,
    /// A file's path, or `train/123`.
    pub name: String,
    /// An index into the data set's class names.
    pub label: u32,
    pub image: Image,
}

/// Chooses images of a part and decodes them, shrunk to 320 pixels; or, if they are to be
/// augmented, passes them through the training's own transforms and takes the normalisation back.
/// (Mixtures of two images are made from whole batches, and not shown.) Broken images are passed
/// over.
///
/// # Errors
/// `E_USAGE` for a part without images or a count out of range, what `resolve` refuses, and
/// `E_IMAGE` or `E_IO` if no image can be decoded.
pub fn preview(dataset: &Dataset, request: &ShowConfig) -> Result<Preview> {
    let order = request.order.unwrap_or(ShowOrder::Random);
    let classes = dataset.facts().classes.len() as u32;
    let count = request.count.unwrap_or(match order {
        ShowOrder::Random => COUNT,
        ShowOrder::ByClass => classes.saturating_mul(OF_EACH_CLASS).min(PICTURE),
    });
    if !(1..=MOST).contains(&count) {
        let message = format!("`count` must be from 1 to {MOST}, not {count}");
        return Err(Error::new(ErrorCode::Usage, message).key("count"));
    }
    let part = match request.part.unwrap_or(DataPart::Train) {
        DataPart::Train => Part::Train,
        DataPart::Val => Part::Val,
        DataPart::Test => Part::Test,
    };
    let source = dataset.part(part);
    if source.is_empty() {
        let message = format!("{} has no {} part", dataset.facts().source, part.as_str());
        return Err(Error::new(ErrorCode::Usage, message)
            .key("part")
            .hint("Show another part. A validation part that training splits off is in `train`."));
    }
    let augment = match request.augmented.unwrap_or(false) {
        true => Some(Augment::new(dataset, request)?),
        false => None,
    };
    let seed = request.seed.unwrap_or(0);
    let wanted = match order {
        ShowOrder::Random => vec![count; 1],
        ShowOrder::ByClass => shares(count, classes),
    };
    let groups = shuffled(source.as_ref(), wanted.len(), seed);
    let mut images = Vec::with_capacity(count as usize);
    let mut failed = None;
    for (candidates, wanted) in groups.into_iter().zip(wanted) {
        let mut left = wanted;
        for index in candidates {
            if left == 0 {
                break;
            }
            let mut image = Image::default();
            let channels = augment.as_ref().map_or(dataset.facts().channels, Augment::channels);
            match source.read(index as usize, channels, &mut image) {
                Ok(()) => {
                    let image = match &augment {
                        Some(augment) => augment.apply(&image, seed, index),
                        None => shrunk(image),
                    };
                    let (name, label) = (source.name(index as usize), source.label(index as usize));
                    images.push(PreviewImage { index, name, label, image });
                    left -= 1;
                }
                Err(error) => failed = Some(error),
            }
        }
    }
    match (images.is_empty(), failed) {
        (true, Some(error)) => Err(error),
        _ => Ok(Preview { part, images }),
    }
}

/// How many of each class: as many of each, and of the first ones where they do not divide.
fn shares(count: u32, classes: u32) -> Vec<u32> {
    (0..classes).map(|class| count / classes + u32::from(class < count % classes)).collect()
}

/// All indices in the order of a seed, by class, or all together in one group.
fn shuffled(source: &dyn Source, groups: usize, seed: u64) -> Vec<Vec<u32>> {
    let mut indices: Vec<u32> = (0..source.len() as u32).collect();
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

/// The training's transforms, to be looked at.
struct Augment {
    pipeline: Pipeline,
    config: ResolvedConfig,
}

impl Augment {
    fn new(dataset: &Dataset, request: &ShowConfig) -> Result<Augment> {
        let asked = TrainConfig {
            data: request.data.clone(),
            transform: request.transform.clone(),
            ..TrainConfig::default()
        };
        // What the machine is does not change a picture.
        let machine = MachineFacts { cores: 1, bf16: false, cuda: false };
        let mut config = resolve(&asked, dataset.facts(), &machine)?;
        // The mean image would be subtracted, and added again here.
        config.transform.pixel_mean = false;
        Ok(Augment { pipeline: Pipeline::train(&config, None), config })
    }

    fn channels(&self) -> u32 {
        self.config.data.channels
    }

    /// As in the first epoch of a training with this seed.
    fn apply(&self, image: &Image, seed: u64, index: u32) -> Image {
        let mut values = vec![0.0; self.pipeline.len()];
        self.pipeline.apply(image, &mut SampleRng::new(seed, 0, index), &mut values);
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

fn shrunk(image: Image) -> Image {
    let longest = image.width.max(image.height);
    if longest <= LONGEST_SIDE {
        return image;
    }
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(LONGEST_SIDE) / u64::from(longest);
        scaled.max(1) as u32
    };
    let (width, height) = (side(image.width), side(image.height));
    let region = Region { left: 0, top: 0, width, height };
    let pixels = region_of_resized(&image, (width, height), region);
    Image { width, height, channels: image.channels, pixels }
}

#[cfg(test)]
mod tests {
    use residual_spec::{Auto, CropConfig, DataFormat, NoCropConfig, TransformConfig};

    use super::*;
    use crate::MemorySource;

    /// Twelve images of 4x4 in three classes; image i has values from 10 * i on.
    fn dataset() -> Dataset {
        let labels: Vec<u32> = (0..12).map(|i| i % 3).collect();
        let pixels = (0..12u8).flat_map(|i| (0..16u8).map(move |j| 10 * i + j)).collect();
        let train = MemorySource::new(Part::Train, [4, 4, 1], pixels, labels);
        let empty = |part| MemorySource::new(part, [4, 4, 1], vec![], vec![]);
        let classes = ["ant", "bee", "cat"].map(String::from).to_vec();
        let parts = [train, empty(Part::Val), empty(Part::Test)];
        Dataset::in_memory("tiny", DataFormat::Idx, classes, parts).unwrap()
    }

    fn labels(preview: &Preview) -> Vec<u32> {
        preview.images.iter().map(|image| image.label).collect()
    }

    #[test]
    fn images_are_chosen_by_seed() {
        let shown = |seed| {
            let request = ShowConfig { count: Some(6), seed: Some(seed), ..ShowConfig::default() };
            let shown = preview(&dataset(), &request).unwrap();
            shown.images.into_iter().map(|image| image.index).collect::<Vec<_>>()
        };
        assert_eq!(shown(1), shown(1));
        assert_ne!(shown(1), shown(2));
        let mut all = shown(1);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn by_class_shows_as_many_of_each_class_after_each_other() {
        let order = Some(ShowOrder::ByClass);
        let request = ShowConfig { count: Some(7), order, ..ShowConfig::default() };
        assert_eq!(labels(&preview(&dataset(), &request).unwrap()), [0, 0, 0, 1, 1, 2, 2]);
        // There are no more.
        let request = ShowConfig { count: Some(30), order, ..ShowConfig::default() };
        assert_eq!(preview(&dataset(), &request).unwrap().images.len(), 12);
    }

    #[test]
    fn an_image_is_shown_with_the_pixels_that_it_has() {
        let shown = preview(&dataset(), &ShowConfig::default()).unwrap();
        assert_eq!(shown.images.len(), 12);
        for PreviewImage { index, name, image, .. } in &shown.images {
            assert_eq!(name, &format!("train/{index}"));
            let first = 10 * *index as u8;
            assert_eq!(image.pixels, (first..first + 16).collect::<Vec<_>>());
        }
    }

    #[test]
    fn augmented_images_are_the_trainings_with_their_normalisation_taken_back() {
        let none = CropConfig::None(NoCropConfig {});
        let transform = TransformConfig {
            crop: Some(Auto::Is(none)),
            flip: Some(Auto::Is(true)),
            ..TransformConfig::default()
        };
        let data = residual_spec::DataConfig {
            source: Some("tiny".into()),
            image_size: Some(Auto::Is(8)),
            ..Default::default()
        };
        let request = ShowConfig {
            data: Some(residual_spec::NameOr::Full(data)),
            transform: Some(transform),
            augmented: Some(true),
            ..ShowConfig::default()
        };
        let shown = preview(&dataset(), &request).unwrap();
        let mut mirrored = 0;
        for PreviewImage { index, image, .. } in &shown.images {
            assert_eq!((image.width, image.height), (8, 8));
            // The corners are those of the image, the right ones first where it was mirrored.
            let first = 10 * *index as u8;
            let corners = [image.pixels[0], image.pixels[7]];
            if corners == [first + 3, first] {
                mirrored += 1;
            } else {
                assert_eq!(corners, [first, first + 3]);
            }
        }
        assert!((1..12).contains(&mirrored), "{mirrored} of 12");
    }

    #[test]
    fn a_photograph_is_shrunk_with_its_proportions() {
        let image = Image::new(1000, 10, 3, vec![7; 30_000]).unwrap();
        let small = shrunk(image);
        assert_eq!((small.width, small.height), (320, 3));
        assert_eq!(small.pixels, vec![7; 320 * 3 * 3]);
    }

    #[test]
    fn a_part_without_images_and_a_wild_count_are_refused() {
        let refused = |request| preview(&dataset(), &request).err().unwrap();
        let error = refused(ShowConfig { part: Some(DataPart::Test), ..ShowConfig::default() });
        assert_eq!((error.code, error.at.key.as_deref()), (ErrorCode::Usage, Some("part")));
        for count in [0, 1001] {
            let error = refused(ShowConfig { count: Some(count), ..ShowConfig::default() });
            assert_eq!(error.at.key.as_deref(), Some("count"));
        }
    }
}
