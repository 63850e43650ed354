//! Properties of data set and machine, which determine the values of `auto`.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::DataFormat;

/// Properties of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DatasetInfo {
    /// Path or name, as configured in `data.source`.
    pub source: String,
    /// Layout on disk.
    pub format: DataFormat,
    /// Class names in index order.
    pub classes: Vec<String>,
    /// Channels of the images (3 if mixed).
    pub channels: u32,
    /// Height and width, if equal for all images.
    pub image_size: Option<[u32; 2]>,
    /// Median length of the short side, in pixels; null if unknown.
    pub median_short_side: Option<u32>,
    /// Training images, before the validation split.
    pub train: u32,
    /// Images of the validation split that is part of the data set; 0 if it has none.
    pub val: u32,
    /// Images of the test split; 0 if the data set has none.
    pub test: u32,
    /// Mean of each channel over the training images, for values from 0 to 1; null if its
    /// computation would have to decode image files.
    pub mean: Option<Vec<f64>>,
    /// Standard deviation of each channel over the training images; null if `mean` is null.
    pub std: Option<Vec<f64>>,
    /// Whether a horizontal flip preserves the class; false for digits.
    pub flip_preserves_label: bool,
    /// Size of all decoded training and validation images in bytes; null if all images are in
    /// memory already.
    pub decoded_bytes: Option<u64>,
    /// Hash of the labels and of the names or pixels of the training images.
    pub fingerprint: String,
}

impl DatasetInfo {
    /// Returns the properties of a data set with known classes and image shape only, for weights
    /// without metadata, benchmarks and tests.
    pub fn unknown(
        classes: Vec<String>,
        channels: u32,
        image_size: Option<[u32; 2]>,
    ) -> DatasetInfo {
        DatasetInfo {
            source: String::new(),
            format: DataFormat::ImageFolder,
            classes,
            channels,
            image_size,
            median_short_side: None,
            train: 0,
            val: 0,
            test: 0,
            mean: None,
            std: None,
            flip_preserves_label: true,
            decoded_bytes: None,
            fingerprint: String::new(),
        }
    }
}

/// Capabilities of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MachineInfo {
    /// Physical cores available to this process.
    pub cores: u32,
    /// Whether the CPU computes faster in bfloat16 than in fp32 (AMX, or AVX512_BF16 on AMD).
    pub bf16: bool,
    /// Whether libtorch has a usable CUDA device.
    pub cuda: bool,
    /// Whether the GPU supports bfloat16 (compute capability 8.0 or higher, Ampere).
    pub cuda_bf16: bool,
    /// Free GPU memory in bytes; null without a GPU or if unknown.
    pub cuda_free_memory: Option<u64>,
    /// Free main memory in bytes; null if unknown.
    pub free_memory: Option<u64>,
}

impl MachineInfo {
    /// Returns a machine with known number of cores only.
    pub fn with_cores(cores: u32) -> MachineInfo {
        MachineInfo {
            cores,
            bf16: false,
            cuda: false,
            cuda_bf16: false,
            cuda_free_memory: None,
            free_memory: None,
        }
    }
}
