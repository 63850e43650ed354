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
mod finite;
mod infer_arch;
mod key_map;
mod load_state_dict;
mod onnx;
mod other_file;
mod published_weights;
mod pytorch;
mod safetensors_file;
mod sha256;
mod state_dict;
mod tensor;
#[cfg(test)]
mod testing;

pub use checkpoint::{
    Checkpoint, CheckpointChoice, CheckpointContents, CheckpointHeader, CheckpointReader,
    EMA_PREFIX, IntactCheckpoint, OPTIMIZER_PREFIX, PIXEL_MEAN, find_checkpoints,
    inspect_checkpoint, is_checkpoint, open_intact, verify_run, verify_weights,
};
pub use export::{Export, export_checkpoint};
pub use external_weights::ExternalWeights;
pub use finite::{check_finite, check_finite_tensor};
pub use infer_arch::{infer_arch, infer_backbone_arch};
pub use key_map::KeyMap;
pub use load_state_dict::{AdaptedStateDict, NewHead, adapt_state_dict, check_state_dict};
pub use published_weights::{
    IMAGENET, PublishedWeights, record_download_failure, set_weights_folder,
};
pub use safetensors_file::read_safetensors;
pub use sha256::sha256;
pub use state_dict::StateDict;
pub use tensor::{DType, Tensor, TensorInfo};
