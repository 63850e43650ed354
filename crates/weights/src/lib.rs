//! Checkpoints and weight files.
//!
//! A checkpoint is one safetensors file with the network's weights, the optimizer's state and, as
//! metadata, the configuration and the position of the run. Weights have torchvision's keys, so that
//! Python loads them without renaming; optimizer state and moving averages have the prefixes
//! `optimizer.` and `ema.`.
//!
//! External weights are PyTorch files (`torch.save`) or safetensors files with the keys of
//! torchvision, timm and others ([`StateDict`]). [`infer_arch`] infers their architecture,
//! [`adapt_state_dict`] adapts them to a given network.

mod checkpoint;
mod export;
mod external_weights;
mod find_checkpoint;
mod infer_arch;
mod inspect_checkpoint;
mod key_map;
mod load_state_dict;
mod onnx;
mod published_weights;
mod pytorch;
mod safetensors_file;
mod sha256;
mod state_dict;
mod tensor;
#[cfg(test)]
mod testing;

pub use checkpoint::{
    Checkpoint, CheckpointContents, CheckpointHeader, CheckpointReader, EMA_PREFIX, PIXEL_MEAN,
    is_checkpoint,
};
pub use export::{Export, export_checkpoint};
pub use external_weights::ExternalWeights;
pub use find_checkpoint::{CheckpointChoice, find_checkpoint};
pub use infer_arch::{infer_arch, infer_backbone_arch};
pub use inspect_checkpoint::inspect_checkpoint;
pub use key_map::KeyMap;
pub use load_state_dict::{AdaptedStateDict, NewHead, adapt_state_dict, check_state_dict};
pub use published_weights::{
    IMAGENET, PublishedWeights, record_download_failure, set_weights_folder,
};
pub use safetensors_file::read_safetensors;
pub use sha256::sha256;
pub use state_dict::StateDict;
pub use tensor::{DType, Tensor, TensorInfo};
