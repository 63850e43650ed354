//! In-memory data sets from JavaScript.

use std::sync::Arc;

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use residual_data::{ArraySplit, Arrays};

/// In-memory data set: its splits and class names.
#[napi(object)]
pub struct NativeArrays {
    pub train: NativeArrayPart,
    pub val: Option<NativeArrayPart>,
    pub test: Option<NativeArrayPart>,
    pub classes: Option<Vec<String>>,
}

/// Images of one split, concatenated, in HWC order.
#[napi(object)]
pub struct NativeArrayPart {
    pub images: Buffer,
    /// One `u32` per image, in native byte order.
    pub labels: Buffer,
    pub width: u32,
    pub height: u32,
    pub channels: u32,
}

/// Copies the buffers because JavaScript may modify them during training.
impl From<NativeArrays> for Arrays {
    fn from(arrays: NativeArrays) -> Arrays {
        Arrays {
            train: arrays.train.into(),
            val: arrays.val.map(ArraySplit::from),
            test: arrays.test.map(ArraySplit::from),
            classes: arrays.classes,
        }
    }
}

impl From<NativeArrayPart> for ArraySplit {
    fn from(part: NativeArrayPart) -> ArraySplit {
        let (labels, _) = part.labels.as_chunks::<4>();
        ArraySplit {
            images: part.images.to_vec().into(),
            labels: Arc::new(labels.iter().map(|&label| u32::from_ne_bytes(label)).collect()),
            height: part.height,
            width: part.width,
            channels: part.channels,
        }
    }
}
