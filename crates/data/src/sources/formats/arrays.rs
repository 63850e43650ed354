//! Data sets that the calling program passes as arrays in memory.

use std::sync::Arc;

use residual_spec::{DataFormat, Error, ErrorCode, Result};

use crate::sources::memory::MAX_BYTES;
use crate::{Dataset, MemorySource, Split};

/// The source name of a data set in memory.
pub const ARRAYS: &str = "arrays";

/// The images of one split. Clones share the arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArraySplit {
    /// `labels.len() * height * width * channels` bytes: rows from the top, channels innermost.
    pub images: Arc<Vec<u8>>,
    pub labels: Arc<Vec<u32>>,
    pub height: u32,
    pub width: u32,
    /// 1 (gray) or 3 (RGB).
    pub channels: u32,
}

/// A data set in memory. All images have the same size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrays {
    pub train: ArraySplit,
    pub val: Option<ArraySplit>,
    pub test: Option<ArraySplit>,
    /// Class names in the order of labels. Default: the label numbers.
    pub classes: Option<Vec<String>>,
}

impl Arrays {
    /// Validates the arrays and opens them as a data set.
    ///
    /// # Errors
    /// `E_USAGE` with the key of an array of the wrong length, or of a label without a class;
    /// `E_DATA_UNUSABLE` for fewer than two classes.
    pub fn open(self) -> Result<Dataset> {
        let shape = [self.train.height, self.train.width, self.train.channels];
        let mut splits = [Some(self.train), self.val, self.test];
        let labels = splits.iter().flatten().flat_map(|split| split.labels.iter());
        let num_classes = labels.max().map_or(0, |&label| label as usize + 1);
        let classes = match self.classes {
            Some(classes) => check_names(classes)?,
            // At most as many classes as images: one large label would require billions of names.
            None => {
                let images: usize = splits.iter().flatten().map(|split| split.labels.len()).sum();
                if num_classes > images {
                    let message = format!(
                        "the largest label is {}, but there are {images} images and no class names",
                        num_classes - 1
                    );
                    return Err(invalid("arrays.classes", message).hint(
                        "Number the classes from 0, or list all class names in `arrays.classes`.",
                    ));
                }
                (0..num_classes).map(|class| class.to_string()).collect()
            }
        };
        let mut bytes = 0;
        for (split, images) in Split::ALL.into_iter().zip(&splits) {
            let Some(images) = images else { continue };
            check_split(split, images, shape, classes.len())?;
            bytes += images.images.len() as u64;
        }
        if bytes > MAX_BYTES {
            let message =
                format!("the images take {} GiB, more than the limit of 4 GiB", bytes >> 30);
            return Err(invalid("arrays", message).hint(
                "Write the images to an image folder or to shards, which are read on demand.",
            ));
        }
        let mut source = |split: Split| {
            let (images, labels) = match splits[split as usize].take() {
                Some(arrays) => (arrays.images, arrays.labels),
                None => Default::default(),
            };
            MemorySource::shared(split, shape, images, labels)
        };
        let sources = Split::ALL.map(&mut source);
        Dataset::in_memory(ARRAYS, DataFormat::Arrays, classes, sources).map_err(|error| {
            error.key("arrays.train").hint("Add training images of at least two classes.")
        })
    }
}

fn check_names(classes: Vec<String>) -> Result<Vec<String>> {
    for (i, class) in classes.iter().enumerate() {
        if class.is_empty() || classes[..i].contains(class) {
            let message = if class.is_empty() {
                format!("class {i} has no name")
            } else {
                format!("two classes have the name '{class}'")
            };
            return Err(invalid(&format!("arrays.classes[{i}]"), message)
                .hint("Give each class a unique name, in the order of labels."));
        }
    }
    Ok(classes)
}

fn check_split(split: Split, images: &ArraySplit, shape: [u32; 3], classes: usize) -> Result<()> {
    let key = |field: &str| format!("arrays.{}.{field}", split.as_str());
    let ArraySplit { height, width, channels, .. } = *images;
    if height == 0 || width == 0 || !matches!(channels, 1 | 3) {
        let message =
            format!("images of {width}x{height} pixels with {channels} channels are not supported");
        return Err(invalid(&key("channels"), message)
            .hint("Use sides of at least 1 pixel, and 1 channel (gray) or 3 channels (RGB)."));
    }
    if [height, width, channels] != shape {
        let [h, w, c] = shape;
        let message = format!(
            "the {} images are {width}x{height}x{channels}, the training images {w}x{h}x{c}",
            split.as_str()
        );
        return Err(invalid(&key("width"), message).hint("Resize all images to one size."));
    }
    let count = images.labels.len();
    let image_bytes = u128::from(height) * u128::from(width) * u128::from(channels);
    if images.images.len() as u128 != image_bytes * count as u128 {
        let message = format!(
            "{count} images of {width}x{height} with {channels} channels take {} bytes, not {}",
            image_bytes * count as u128,
            images.images.len()
        );
        return Err(invalid(&key("images"), message).hint(
            "Use the layout [images, height, width, channels] with one byte per value, and one \
             label per image.",
        ));
    }
    match images.labels.iter().position(|&label| label as usize >= classes) {
        None => Ok(()),
        Some(i) => {
            let message = format!(
                "image {i} has the label {}, but there are {classes} classes",
                images.labels[i]
            );
            Err(invalid(&format!("{}[{i}]", key("labels")), message)
                .hint("Number the classes from 0, and list all class names in `arrays.classes`."))
        }
    }
}

fn invalid(key: &str, message: String) -> Error {
    Error::new(ErrorCode::Usage, message).key(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Image;

    fn array_split(labels: &[u32]) -> ArraySplit {
        let images = Arc::new((0..labels.len() * 6).map(|i| i as u8).collect());
        ArraySplit { images, labels: labels.to_vec().into(), height: 1, width: 2, channels: 3 }
    }

    fn arrays(labels: &[u32]) -> Arrays {
        Arrays { train: array_split(labels), val: None, test: None, classes: None }
    }

    fn error_key(arrays: Arrays) -> String {
        let error = arrays.open().err().expect("an error");
        assert!(error.hint.is_some(), "{error}");
        error.at.key.unwrap()
    }

    #[test]
    fn opens_arrays() {
        let mut arrays = arrays(&[0, 300, 1]);
        arrays.test = Some(array_split(&[2, 0]));
        arrays.classes = Some((0..301).map(|i| format!("class {i}")).collect());
        let set = arrays.open().unwrap();
        let facts = set.facts();
        assert_eq!((facts.train, facts.val, facts.test), (3, 0, 2));
        assert_eq!((facts.image_size, facts.channels), (Some([1, 2]), 3));
        assert_eq!((facts.source.as_str(), facts.format), ("arrays", DataFormat::Arrays));
        let train = set.source(Split::Train);
        assert_eq!((train.label(1), &*facts.classes[300]), (300, "class 300"));
        let mut image = Image::default();
        train.read_into(1, 3, &mut image).unwrap();
        assert_eq!(image.pixels, [6, 7, 8, 9, 10, 11]);
    }

    #[test]
    fn class_names_default_to_the_label_numbers() {
        assert_eq!(arrays(&[1, 0, 2]).open().unwrap().facts().classes, ["0", "1", "2"]);
    }

    #[test]
    fn reports_the_key_of_inconsistent_arrays() {
        let key = |change: &dyn Fn(&mut Arrays)| {
            let mut arrays = arrays(&[0, 1]);
            change(&mut arrays);
            error_key(arrays)
        };
        let images = |a: &mut Arrays| Arc::make_mut(&mut a.train.images).truncate(11);
        assert_eq!(key(&images), "arrays.train.images");
        assert_eq!(key(&|a| a.train.labels = vec![0].into()), "arrays.train.images");
        assert_eq!(key(&|a| a.train.channels = 4), "arrays.train.channels");
        assert_eq!(key(&|a| a.train.width = 0), "arrays.train.channels");
        assert_eq!(key(&|a| a.train.width = u32::MAX), "arrays.train.images");
        assert_eq!(key(&|a| a.train.labels = vec![0, u32::MAX].into()), "arrays.classes");
        assert_eq!(key(&|a| a.train.labels = vec![0, 0].into()), "arrays.train");
        assert_eq!(key(&|a| a.classes = Some(vec!["a".into()])), "arrays.train.labels[1]");
        let twice = |a: &mut Arrays| a.classes = Some(vec!["a".into(), "a".into()]);
        assert_eq!(key(&twice), "arrays.classes[1]");
        let other =
            |a: &mut Arrays| a.val = Some(ArraySplit { height: 2, width: 1, ..array_split(&[0]) });
        assert_eq!(key(&other), "arrays.val.width");
        let none =
            |a: &mut Arrays| a.train = ArraySplit { images: vec![].into(), ..array_split(&[]) };
        assert_eq!(key(&none), "arrays.train");
    }
}
