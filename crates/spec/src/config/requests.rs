//! Options of all functions except `train()`.

use super::{Auto, DataConfig, Device, Model, ModelConfig, NameOr, Precision, TransformConfig};
use crate::macros::{config, request, string_enum};

config! {
    /// Options of `inspect()`: network and input shape.
    InspectConfig => InspectTarget {
        /// Network: a name, or an object with further settings.
        model: NameOr<ModelConfig> => Model,
        /// Input channels, 1 to 1024. Default: 3.
        channels: u32 => u32,
        /// Input height and width, in pixels, 8 to 1024. Default: 32 for CIFAR networks, else 224.
        image_size: u32 => u32,
        /// Number of classes, 1 to 1,000,000. Default: 10 for CIFAR networks, else 1000.
        classes: u32 => u32,
    }
}

request! {
    /// Options of `evaluate()`.
    EvaluateConfig {
        /// Data set, as in `TrainConfig`. Default: the data set that the model was trained on.
        data: NameOr<DataConfig>,
        /// Split. Default: the first of test, val and train that exists.
        split: Split,
        /// Images per batch. Default: as in training.
        batch_size: u32,
        /// Test-time augmentation. Default: `center`.
        crops: TestCrops,
        /// Short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
        scales: Vec<u32>,
        /// Number of images with the highest losses to report in `topLosses`. Default: 0.
        top_losses: u32,
        /// Number of evenly spaced images to report in `samples`. Default: 0.
        samples: u32,
        /// Maximum side length in pixels, 8 to 256, of the thumbnails in `topLosses` and `samples`.
        /// Default: no thumbnails.
        thumbnails: u32,
    }
}

request! {
    /// Options of `export()` to ONNX.
    ExportConfig {
        /// Append a softmax: the output is probabilities instead of logits. Default: false.
        softmax: bool,
        /// Prepend the normalization: the input is pixels from 0 to 1 instead of normalized pixels.
        /// Default: false.
        normalization: bool,
    }
}

request! {
    /// Options of `loadModel()`. A checkpoint of residual contains its network, classes, image size
    /// and transform, which cannot be overridden. For weights without metadata, `info.assumed`
    /// lists the defaults that were used.
    LoadConfig {
        /// Network. Default: inferred from the names and shapes of the tensors.
        model: NameOr<ModelConfig>,
        /// Class names in index order. Default: those of CIFAR-10 for ten classes and a CIFAR stem,
        /// else `class 0`, `class 1`, ...
        classes: Vec<String>,
        /// Height and width of the network's input, in pixels. Default: 32 with a CIFAR stem, else
        /// 224.
        image_size: u32,
        /// Preprocessing: `mean`, `std`, `evalResize`. Default: ImageNet's values.
        transform: TransformConfig,
        /// Data type of the computation. Default: as in training; `fp32` for weights without
        /// metadata.
        precision: Precision,
        /// Device. Default: as in training, or for weights without metadata `cuda`; `cpu` if CUDA
        /// is not available.
        device: Device,
    }
}

request! {
    /// Options of `predict()`.
    PredictConfig {
        /// Number of classes to return, most probable first. Default: 5.
        top: u32,
        /// Test-time augmentation; probabilities are averaged. Default: `center`.
        crops: TestCrops,
        /// Short sides of `multi-scale`, in pixels. Default: [224, 256, 384, 480, 640].
        scales: Vec<u32>,
        /// Maximum side length in pixels, 8 to 256, of the thumbnail in each prediction. Default:
        /// no thumbnails.
        thumbnails: u32,
    }
}

request! {
    /// Options of `plan()`.
    PlanConfig {
        /// Estimate the training time by measuring training steps of a temporary network (at least
        /// two, for about three seconds). Default: true.
        measure: bool,
    }
}

request! {
    /// Options of `bench()`.
    BenchConfig {
        /// Network: a name, or an object with further settings. Default: `resnet20`.
        model: NameOr<ModelConfig>,
        /// Input height and width, in pixels. Default: 32 for CIFAR networks, else 224.
        image_size: u32,
        /// Input channels. Default: 3.
        channels: u32,
        /// Number of classes. Default: 10 for CIFAR networks, else 1000.
        classes: u32,
        /// Images per batch. Default: as in `TrainConfig`.
        batch_size: Auto<u32>,
        /// Data type of the computation. Default: as in `TrainConfig`.
        precision: Auto<Precision>,
        /// Device. Default: as in `TrainConfig`.
        device: Auto<Device>,
        /// Threads for tensor operations. Default: as in `TrainConfig`.
        threads: Auto<u32>,
        /// Number of rounds, 1 to 1000; each measures training and then inference. Default: 5.
        rounds: u32,
        /// Approximate length of each measurement in seconds, 0 to 600. Default: 1.
        seconds: f64,
    }
}

request! {
    /// Options of `findLr()`. The learning rate increases exponentially from step to step.
    FindLrConfig {
        /// Learning rate of the first step. Default: 1e-7.
        start_lr: f64,
        /// Learning rate of the last step. Default: 10.
        end_lr: f64,
        /// Number of steps, 10 to 100,000. Default: 100.
        steps: u32,
    }
}

string_enum! {
    /// Test-time augmentation: crops of an image whose probabilities are averaged.
    TestCrops {
        /// The center crop.
        "center" Center,
        /// The center crop and its mirror image.
        "flip" Flip,
        /// Corner crops and center crop, and their mirror images (Krizhevsky et al. 2012).
        "ten" Ten,
        /// The entire image and its mirror image at several sizes (He et al. 2015, section 3.4).
        /// The network is fully convolutional: its head is applied at every position.
        "multi-scale" MultiScale,
    }
}

request! {
    /// Options of `previewDataset()`.
    PreviewConfig {
        /// Data set, as in `TrainConfig`, including `limit` and `validation`.
        data: NameOr<DataConfig>,
        /// Split. Default: train.
        split: Split,
        /// Number of images, 1 to 1000. Default: 40; with `by-class`, 8 per class, at most 200.
        count: u32,
        /// Selection and order. Default: `random`.
        order: PreviewOrder,
        /// Random seed of the selection, of augmentation and, without `data.splitSeed`, of the
        /// validation split. Default: 0.
        seed: u64,
        /// Apply the random augmentation of training. Default: false.
        augmented: bool,
        /// Resizing and augmentation, as in `TrainConfig`; used if `augmented` is true.
        transform: TransformConfig,
    }
}

string_enum! {
    /// Selection and order of previewed images.
    PreviewOrder {
        /// Random images in random order.
        "random" Random,
        /// The same number of images of each class, sorted by class.
        "by-class" ByClass,
    }
}

string_enum! {
    /// Split of a data set.
    Split {
        "train" Train,
        "val" Val,
        "test" Test,
    }
}

impl Split {
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// Parses the name of a folder, or a value in a manifest: one of the usual words for a split,
    /// alone or with words such as `set` and `images`, as in `Training`, `test_set`, `valid`,
    /// `seg_train` and `val2`.
    pub fn from_name(name: &str) -> Option<Split> {
        let name = name.to_lowercase();
        let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let mut split = None;
        for word in words {
            let word = word.trim_end_matches(|c: char| c.is_ascii_digit());
            if word.is_empty() || GENERIC_WORDS.contains(&word) {
                continue;
            }
            let stem = GENERIC_WORDS.iter().find_map(|suffix| word.strip_suffix(suffix));
            let parsed = Split::from_word(word).or_else(|| Split::from_word(stem?))?;
            if split.is_some_and(|split| split != parsed) {
                return None;
            }
            split = Some(parsed);
        }
        split
    }

    fn from_word(word: &str) -> Option<Split> {
        Some(match word {
            "train" | "training" | "trn" => Split::Train,
            "val" | "valid" | "validation" | "validate" | "dev" | "devel" | "development"
            | "eval" | "evaluation" => Split::Val,
            "test" | "testing" | "tst" => Split::Test,
            _ => return None,
        })
    }
}

/// Words that names of splits contain beside the word for the split.
const GENERIC_WORDS: [&str; 14] = [
    "set", "sets", "dataset", "data", "images", "image", "imgs", "img", "photos", "pictures",
    "samples", "split", "part", "seg",
];

#[cfg(test)]
mod tests {
    use super::Split;

    #[test]
    fn parses_the_usual_names_of_splits() {
        for (split, names) in [
            (Split::Train, "train Training TRAIN train_set training-set trainset seg_train Train1"),
            (Split::Val, "val valid Validation dev eval val_images validset VAL val2017"),
            (Split::Test, "test Testing test_set test-data seg_test testset images.test"),
        ] {
            for name in names.split(' ') {
                assert_eq!(Split::from_name(name), Some(split), "{name}");
            }
        }
        for name in
            ["", "set", "images", "trains", "bullet_train", "test-multiple", "train_test", "latest"]
        {
            assert_eq!(Split::from_name(name), None, "{name}");
        }
    }
}
