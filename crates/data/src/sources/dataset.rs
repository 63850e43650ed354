//! An opened data set: the sources of its splits, its properties, and warnings.

use std::sync::Arc;

use residual_spec::{DataFormat, DatasetInfo, Error, ErrorCode, Result, WarningEvent};
use xxhash_rust::xxh3::Xxh3;

use super::disk::DiskSource;
use super::memory::MemorySource;
use super::source::Source;
use super::split::Split;

/// An opened data set.
pub struct Dataset {
    facts: DatasetInfo,
    warnings: Vec<WarningEvent>,
    sources: [Arc<dyn Source>; 3],
}

impl Dataset {
    pub(crate) fn new(
        facts: DatasetInfo,
        warnings: Vec<WarningEvent>,
        sources: [Arc<dyn Source>; 3],
    ) -> Self {
        Dataset { facts, warnings, sources }
    }

    /// Creates a data set in memory. `sources` is indexed by [`Split`]; the source of a missing
    /// split is empty.
    ///
    /// # Errors
    /// As [`check_classes`].
    pub(crate) fn in_memory(
        source: &str,
        format: DataFormat,
        classes: Vec<String>,
        sources: [MemorySource; 3],
    ) -> Result<Self> {
        let train = &sources[Split::Train as usize];
        let mut counts = vec![0; classes.len()];
        for &label in train.labels() {
            counts[label as usize] += 1;
        }
        let warnings = check_classes(source, &classes, &counts)?;
        let [height, width, channels] = train.shape();
        let (mean, std) = train.mean_and_std();
        // Normalization divides by the standard deviation, so a constant channel has no statistics.
        let has_variance = std.iter().all(|&std| std > 0.0);
        let mut hash = Xxh3::new();
        hash.update(&[height, width, channels].map(u32::to_le_bytes).concat());
        for label in train.labels() {
            hash.update(&label.to_le_bytes());
        }
        hash.update(train.pixels());
        let facts = DatasetInfo {
            source: source.into(),
            format,
            flip_preserves_label: flip_preserves_label(&classes),
            classes,
            channels,
            image_size: Some([height, width]),
            median_short_side: Some(height.min(width)),
            train: sources[0].len() as u32,
            val: sources[1].len() as u32,
            test: sources[2].len() as u32,
            mean: has_variance.then_some(mean),
            std: has_variance.then_some(std),
            decoded_bytes: None,
            fingerprint: fingerprint(&hash),
        };
        Ok(Dataset::new(facts, warnings, sources.map(|source| Arc::new(source) as Arc<dyn Source>)))
    }

    /// Replaces the class names, if their number matches.
    pub(crate) fn set_class_names(&mut self, names: Vec<String>) {
        if names.len() == self.facts.classes.len() {
            self.facts.flip_preserves_label = flip_preserves_label(&names);
            self.facts.classes = names;
        }
    }

    /// Replaces the path of the data set in its properties.
    pub(crate) fn set_source_path(&mut self, source: String) {
        self.facts.source = source;
    }

    pub fn facts(&self) -> &DatasetInfo {
        &self.facts
    }

    /// Returns warnings about skipped files and suspicious properties.
    pub fn warnings(&self) -> &[WarningEvent] {
        &self.warnings
    }

    pub(crate) fn add_warnings(&mut self, warnings: Vec<WarningEvent>) {
        self.warnings.extend(warnings);
    }

    /// Removes the test split, whose images cannot be decoded, and adds a warning with the `cause`.
    pub fn ignore_test_split(&mut self, cause: Error) {
        self.sources[Split::Test as usize] = Arc::new(DiskSource::default());
        self.facts.test = 0;
        self.warnings.push(WarningEvent {
            code: cause.code,
            message: cause.message,
            file: cause.at.file,
            hint: Some("The split was ignored. Replace the damaged images, or remove it.".into()),
        });
    }

    /// Returns the source of a split as it is stored, before [`splits`](Self::splits) holds out
    /// images. The source may be empty.
    pub fn source(&self, split: Split) -> Arc<dyn Source> {
        self.sources[split as usize].clone()
    }

    /// Replaces the source of a split, for example by a cache of it.
    pub(crate) fn set_source(&mut self, split: Split, source: Arc<dyn Source>) {
        self.sources[split as usize] = source;
    }
}

/// Returns warnings for classes without training images.
///
/// # Errors
/// `E_DATA_UNUSABLE` if fewer than two classes have training images.
pub(crate) fn check_classes(
    source: &str,
    classes: &[String],
    counts: &[usize],
) -> Result<Vec<WarningEvent>> {
    let non_empty = counts.iter().filter(|&&count| count > 0).count();
    if non_empty < 2 {
        let message = match non_empty {
            0 => format!("{source} has no training images"),
            _ => format!("{source} has training images of one class only; a classifier needs two"),
        };
        return Err(Error::new(ErrorCode::DataUnusable, message).key("data").hint(
            "Put the images of each class into a separate folder: photos/cats/*.jpg, \
                 photos/dogs/*.jpg.",
        ));
    }
    let empty = classes.iter().zip(counts).filter(|&(_, &count)| count == 0);
    Ok(empty
        .map(|(class, _)| WarningEvent {
            code: ErrorCode::DataUnusable,
            message: format!("{source}: class '{class}' has no training images"),
            file: None,
            hint: None,
        })
        .collect())
}

/// Returns whether a horizontal flip preserves the class of an image. Classes whose names are all
/// single characters are assumed to be digits or letters, for which it does not.
pub(crate) fn flip_preserves_label(classes: &[String]) -> bool {
    !classes.iter().all(|class| class.chars().count() == 1)
}

/// Formats a hash as the fingerprint of a data set.
pub(crate) fn fingerprint(hash: &Xxh3) -> String {
    format!("{:032x}", hash.digest128())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn tiny_dataset(labels: &[u32], first_pixel: u8) -> Result<Dataset> {
        let mut pixels: Vec<u8> = (0..labels.len() as u8).collect();
        pixels[0] = first_pixel;
        let empty = |split| MemorySource::new(split, [1, 1, 1], vec![], vec![]);
        let train = MemorySource::new(Split::Train, [1, 1, 1], pixels, labels.to_vec());
        let sources = [train, empty(Split::Val), empty(Split::Test)];
        Dataset::in_memory("tiny", DataFormat::Idx, names(&["ant", "bee", "cat"]), sources)
    }

    #[test]
    fn refuses_one_class_and_warns_of_empty_classes() {
        assert_eq!(tiny_dataset(&[1, 1], 0).err().unwrap().code, ErrorCode::DataUnusable);
        let set = tiny_dataset(&[1, 0], 0).unwrap();
        assert_eq!(set.warnings().len(), 1);
        assert!(set.warnings()[0].message.contains("'cat'"), "{:?}", set.warnings());
    }

    #[test]
    fn an_ignored_test_split_is_a_warning() {
        let mut set = tiny_dataset(&[1, 0, 2], 0).unwrap();
        set.facts.test = 3;
        set.ignore_test_split(Error::new(ErrorCode::DataUnusable, "no image can be decoded"));
        assert_eq!((set.facts().test, set.source(Split::Test).len()), (0, 0));
        let [warning] = set.warnings() else { panic!("{:?}", set.warnings()) };
        assert_eq!(warning.message, "no image can be decoded");
    }

    #[test]
    fn the_fingerprint_depends_on_labels_and_pixels() {
        let fingerprint = |labels: &[u32], first_pixel| {
            tiny_dataset(labels, first_pixel).unwrap().facts().fingerprint.clone()
        };
        assert_eq!(fingerprint(&[0, 1, 2], 0), fingerprint(&[0, 1, 2], 0));
        assert_ne!(fingerprint(&[0, 1, 2], 0), fingerprint(&[0, 2, 1], 0));
        assert_ne!(fingerprint(&[0, 1, 2], 0), fingerprint(&[0, 1, 2], 9));
    }

    #[test]
    fn flips_do_not_preserve_digits_and_letters() {
        assert!(!flip_preserves_label(&names(&["0", "1"])));
        assert!(!flip_preserves_label(&names(&["a", "é"])));
        assert!(flip_preserves_label(&names(&["0", "ant"])));
    }

    #[test]
    fn constant_images_have_no_normalization_statistics() {
        let set = tiny_dataset(&[0, 1], 1).unwrap();
        assert_eq!((&set.facts().mean, &set.facts().std), (&None, &None));
    }
}
