//! Where the images come from.

use crate::Auto;
use crate::macros::{config, string_enum};

config! {
    /// The data set: where it is, how it is split, and which images are used.
    DataConfig => Data {
        /// Path of a folder or file (`./photos`), or the name of a data set (`cifar10`).
        source: String => String,
        /// Layout on disk. Default: detected.
        format: Auto<DataFormat> => DataFormat,
        /// Training images held out for validation, stratified by class and seeded: a fraction from
        /// 0 to 0.5, or a number of images (at most half of them). Must be 0 if the data set has a
        /// validation split. Default: 0.1, or 0 if the data set has a validation split.
        validation: Auto<f64> => f64,
        /// Channels of the network's input: 3 (RGB) or 1 (grayscale). Default: as the images.
        channels: Auto<u32> => u32,
        /// Height and width of the network's input, in pixels, 8 to 1024. Default: the size of
        /// images of up to 96 pixels; otherwise 224, or less if most images are smaller; 128 for
        /// fewer than 5,000 larger images without pretrained weights.
        image_size: Auto<u32> => u32,
        /// Label set of CIFAR-100. Default: `fine`.
        labels: CifarLabels => CifarLabels,
        /// Oversample rare classes so that all are equally frequent, like PyTorch's
        /// `WeightedRandomSampler`. The number of images in an epoch stays the same. Default:
        /// false.
        balanced: bool => bool,
        /// Maximum number of training images, chosen by seed and in proportion to the classes.
        /// Validation and test images are not affected. Default: all.
        limit: u32 => Option<u32>,
        /// Seed of the validation split and of `limit`. Set it to compare values of `seed` on the
        /// same images. Default: `seed`.
        split_seed: u64 => u64,
        /// Expected hash of the training images; others are rejected with `E_MISMATCH`. Runs on
        /// in-memory images record it.
        fingerprint: String => Option<String>,
        /// Expected shape of in-memory training images: number, height, width, channels. Runs on
        /// in-memory images record it.
        shape: Vec<u32> => Option<Vec<u32>>,
    }
}

string_enum! {
    /// Label set of CIFAR-100.
    CifarLabels {
        /// 100 classes.
        "fine" Fine,
        /// 20 superclasses.
        "coarse" Coarse,
    }
}

string_enum! {
    /// Layout of a data set on disk.
    DataFormat {
        /// `root/<class>/*.jpg`, or `root/{train,val,test}/<class>/*.jpg`, as torchvision's
        /// `ImageFolder`.
        "image-folder" ImageFolder,
        /// MNIST's format: `train-images-idx3-ubyte[.gz]` and its three siblings.
        "idx" Idx,
        /// CIFAR's binary format: `data_batch_*.bin` and `test_batch.bin` (CIFAR-10), or
        /// `train.bin` and `test.bin` (CIFAR-100).
        "cifar-binary" CifarBinary,
        /// CIFAR's Python format (pickles): `data_batch_*`, `test_batch` and `batches.meta`
        /// (CIFAR-10), or `train`, `test` and `meta` (CIFAR-100).
        "cifar-python" CifarPython,
        /// A list of images: `*.csv` with the columns path, label and optionally split, or
        /// `*.jsonl` with one object per line.
        "manifest" Manifest,
        /// Uncompressed tar shards with `key.jpg` and `key.cls` or `key.json`: a folder of shards,
        /// a single shard, or a range such as `train-{000000..000146}.tar`.
        "webdataset" Webdataset,
        /// Images in memory, passed in the second argument of `train()`.
        "arrays" Arrays,
    }
}
