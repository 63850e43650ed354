//! Checkpoints: one safetensors file that holds a network's weights, its optimizer's state, and
//! in its metadata what the run was and how far it had come.
//!
//! Weights have torchvision's names, so that Python's `safetensors` loads them as they are;
//! `optimizer.*` and `ema.*` tensors lie beside them.

mod checkpoint;
mod export;
mod find;
mod format;
mod onnx;
mod tensor;
#[cfg(test)]
mod testing;

pub use checkpoint::{Checkpoint, Contents, Header, AVERAGE, PIXEL_MEAN};
pub use export::{export_checkpoint, Export, ExportOptions};
pub use find::{find, Prefer};
pub use format::read_tensors;
pub use tensor::{DType, Tensor, TensorInfo, TensorView};
