//! Where the images come from.

use crate::Auto;
use crate::macros::{config, string_enum};

config! {
    /// Where the images come from.
    DataConfig => Data {
        /// A data set's name (`fashion-mnist-mini`) or a path (`./photos`).
        source: String => String,
        /// The layout on disk; found by looking when left out.
        format: Auto<DataFormat> => DataFormat,
        /// The share of the training images held back for validation, 0 to 0.5, or, from 1 on,
        /// their number (up to half). Split by class, seeded, and only where the data set has no
        /// validation part of its own. Default: 0.1, or 0 where the data set has one.
        validation: Auto<f64> => f64,
        /// 3 (RGB) or 1 (grey). Default: what the images are.
        channels: Auto<u32> => u32,
        /// Height and width, in pixels, that the network sees. Default: 224, or about the images'
        /// own where those are smaller; 128 for fewer than 5,000 photographs without weights to
        /// begin from.
        image_size: Auto<u32> => u32,
        /// Which of CIFAR-100's two label sets. Default: `fine`.
        labels: CifarLabels => CifarLabels,
        /// Draw training images so that every class is equally frequent, rare ones repeatedly; an
        /// epoch has as many images as without. Default: false, each image once an epoch.
        balanced: bool => bool,
        /// Train on only so many images, of every class in proportion, chosen by seed; what is
        /// validated and tested on stays. For trying things out.
        limit: u32 => Option<u32>,
        /// Decides which images are held back for validation and which `limit` keeps. Default:
        /// `seed`. Give it to compare seeds on the same images.
        split_seed: u64 => u64,
        /// The hash that the training images must have; others are refused. Written down for images
        /// in memory, which have no place to be found in.
        fingerprint: String => Option<String>,
        /// Images to train on, their height, width and channels, likewise.
        shape: Vec<u32> => Option<Vec<u32>>,
    }
}

string_enum! {
    /// CIFAR-100's label sets.
    CifarLabels {
        /// The 100 classes.
        "fine" Fine,
        /// The 20 superclasses.
        "coarse" Coarse,
    }
}

string_enum! {
    /// Layout of a data set on disk.
    DataFormat {
        /// `root/<class>/*.jpg`, or `root/{train,val,test}/<class>/*.jpg`.
        "image-folder" ImageFolder,
        /// MNIST's `train-images-idx3-ubyte[.gz]` and its three siblings.
        "idx" Idx,
        /// CIFAR-10's `data_batch_*.bin` and `test_batch.bin`, or CIFAR-100's `train.bin` and
        /// `test.bin`.
        "cifar-binary" CifarBinary,
        /// CIFAR-10's `data_batch_1` to `5`, `test_batch` and `batches.meta`, or CIFAR-100's
        /// `train`, `test` and `meta`: pickles of Python's.
        "cifar-python" CifarPython,
        /// A file that lists images: `*.csv` with path,label[,split], or `*.jsonl` with an object a
        /// line.
        "manifest" Manifest,
        /// Uncompressed tar shards with `key.jpg` and `key.cls` or `key.json`: a folder of them, a
        /// single one, or `train-{000000..000146}.tar`.
        "webdataset" Webdataset,
        /// Images in memory, given in `train`'s second argument.
        "arrays" Arrays,
    }
}
