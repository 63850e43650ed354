//! What `auto` is decided from: facts about the data set and the machine. Never a timing.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::DataFormat;

/// What reading a data set's files told about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct DatasetInfo {
    /// As the user named it.
    pub source: String,
    pub format: DataFormat,
    /// Class names, in the order of their indices.
    pub classes: Vec<String>,
    /// Channels that the images have (3 when mixed).
    pub channels: u32,
    /// Height and width, where all images share them.
    pub image_size: Option<[u32; 2]>,
    /// The shorter side of the image in the middle, all ordered by it; null where nobody looked.
    pub median_short_side: Option<u32>,
    /// Images by part, before any split.
    pub train: u32,
    pub val: u32,
    pub test: u32,
    /// Mean of each channel over the training images, of values in 0..1; null where finding out
    /// would mean decoding them all.
    pub mean: Option<Vec<f64>>,
    /// Standard deviation of each channel, likewise.
    pub std: Option<Vec<f64>>,
    /// Whether a mirrored image is still a picture of its class (digits are not).
    pub flip_preserves_label: bool,
    /// Bytes that the training and validation images take when they are decoded; null where they are
    /// in memory anyway.
    pub decoded_bytes: Option<u64>,
    /// A hash of the training part's labels and names or bytes; tells two data sets apart.
    pub fingerprint: String,
}

impl DatasetInfo {
    /// Colour or grey images of which nothing else is known and none was counted: for weights that
    /// come alone, and to try things on.
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

/// What this machine can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct MachineInfo {
    /// Physical cores that this process may use.
    pub cores: u32,
    /// The CPU is faster in bfloat16 than in fp32 (AMX, or AVX512_BF16 on AMD).
    pub bf16: bool,
    /// libtorch sees a usable CUDA device.
    pub cuda: bool,
    /// It multiplies bfloat16 (compute capability 8.0 or more: Ampere, 2020).
    pub cuda_bf16: bool,
    /// Bytes of its memory that nobody uses; null where there is none, or it does not tell.
    pub cuda_free_memory: Option<u64>,
    /// Bytes of memory that nobody uses; null where the system does not tell.
    pub free_memory: Option<u64>,
}

impl MachineInfo {
    /// A machine of which nothing else is known.
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
