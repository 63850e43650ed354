//! Checkpoints: one safetensors file that holds a network's weights, its optimizer's state, and
//! in its metadata what the run was and how far it had come.
//!
//! Weights have torchvision's names, so that Python's `safetensors` loads them as they are;
//! `optimizer.*` and `ema.*` tensors lie beside them.
//!
//! And weights of others: what PyTorch saved or somebody put into a safetensors file, under whatever
//! names ([`StateDict`]), for a network that is told by them ([`infer`]) or given ([`fit`]).

mod checkpoint;
mod describe;
mod export;
mod find;
mod fit;
mod foreign;
mod format;
mod hash;
mod infer;
mod naming;
mod onnx;
mod published;
mod pytorch;
mod state_dict;
mod tensor;
#[cfg(test)]
mod testing;

pub use checkpoint::{
    AVERAGE, Checkpoint, Contents, Header, OpenCheckpoint, PIXEL_MEAN, is_checkpoint,
};
pub use describe::describe;
pub use export::{Export, ExportOptions, export_checkpoint};
pub use find::{Prefer, find};
pub use fit::{Fitted, NewHead, check, fit};
pub use foreign::Foreign;
pub use format::read_tensors;
pub use hash::sha256;
pub use infer::{infer, infer_backbone};
pub use naming::Naming;
pub use published::{IMAGENET, Published, set_not_fetched, set_published_folder};
pub use state_dict::StateDict;
pub use tensor::{DType, Tensor, TensorInfo};
