//! The data set.

use crate::Auto;
use crate::macros::{config, string_enum};

config! {
    /// Data set: location, format, splits and selection of images.
    DataConfig => Data {
        /// Path of a folder or file (`./photos`), or the name of a data set (`cifar10`).
        source: String => String,
        /// Layout on disk. Default: detected.
        format: Auto<DataFormat> => DataFormat,
        /// Training images held out for validation, stratified by class and seeded: a fraction from
        /// 0 to 0.5, or a number of images (at most half of them). Must be 0 if the data set has a
        /// validation split. Default: 0.1, or 0 if the data set has a validation split.
        validation: Auto<f64> => f64,
        /// Channels of the network's input: 3 (RGB) or 1 (grayscale). Default: channels of the
        /// images.
        channels: Auto<u32> => u32,
        /// Height and width of the network's input, in pixels, 8 to 1024. Default: the size of
        /// images of up to 96 pixels; otherwise 224, or less if most images are smaller; 128 for
        /// fewer than 5,000 larger images without pretrained weights.
        image_size: Auto<u32> => u32,
        /// Label set of CIFAR-100. Default: `fine`.
        labels: CifarLabels => CifarLabels,
        /// Draw equally many images of each class per epoch: images of rare classes are repeated,
        /// some images of frequent classes are left out. Like PyTorch's `WeightedRandomSampler`,
        /// this does not change the number of images per epoch. Default: false.
        balanced: bool => bool,
        /// Maximum number of training images, chosen by seed and in proportion to the classes.
        /// Validation and test images are not affected. Default: all.
        limit: u32 => Option<u32>,
        /// Seed of the validation split and of `limit`. Set it to compare values of `seed` on the
        /// same images. Default: `seed`.
        split_seed: u64 => u64,
        /// Expected hash of the training images. If it differs, training fails with `E_MISMATCH`.
        /// Recorded by runs on in-memory images.
        fingerprint: String => Option<String>,
        /// Expected shape of the training images: number, height, width, channels. If it differs,
        /// training fails with `E_MISMATCH`. Recorded by runs on in-memory images.
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
        /// `root/<class>/*.jpg` as for torchvision's `ImageFolder`, or
        /// `root/{train,val,test}/<class>/*.jpg`.
        "image-folder" ImageFolder,
        /// MNIST's IDX format: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and the same
        /// for `t10k`; optionally compressed (`.gz`).
        "idx" Idx,
        /// CIFAR's binary format: `data_batch_*.bin` and `test_batch.bin` (CIFAR-10), or
        /// `train.bin` and `test.bin` (CIFAR-100).
        "cifar-binary" CifarBinary,
        /// CIFAR's Python format (pickles): `data_batch_*`, `test_batch` and `batches.meta`
        /// (CIFAR-10), or `train`, `test` and `meta` (CIFAR-100).
        "cifar-python" CifarPython,
        /// List of images: `*.csv` with the columns path, label and optionally split, or `*.jsonl`
        /// with the same keys in one object per line.
        "manifest" Manifest,
        /// Uncompressed tar shards with `key.jpg` and `key.cls` or `key.json`: a folder of shards,
        /// a single shard, or a range such as `train-{000000..000146}.tar`.
        "webdataset" Webdataset,
        /// Images in memory, passed in the second argument of `train()`.
        "arrays" Arrays,
    }
}
