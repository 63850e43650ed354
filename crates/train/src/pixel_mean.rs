//! The per-pixel mean of the training images, which is subtracted from every image
//! (`transform.pixelMean`). Checkpoints contain the mean, because inference subtracts it as well.

use std::path::Path;
use std::sync::Arc;

use residual_data::{PixelMean, Subset};
use residual_spec::{Error, ErrorCode, ResolvedConfig, Result};
use residual_weights::{DType, PIXEL_MEAN, Tensor};

/// Computes the mean of the training images if `transform.pixelMean` is set.
///
/// # Errors
/// `E_DATA_UNUSABLE` if no image can be read; `E_ABORTED` once `is_cancelled` returns true.
pub fn compute(
    train: &Subset,
    config: &ResolvedConfig,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Option<Arc<PixelMean>>> {
    if !config.transform.pixel_mean {
        return Ok(None);
    }
    let (data, workers) = (&config.data, config.workers as usize);
    let mean = PixelMean::compute(train, data.channels, data.image_size, workers, is_cancelled)?;
    Ok(Some(Arc::new(mean)))
}

/// Returns the mean image of a checkpoint, if its configuration subtracts one. `tensor` is the
/// checkpoint's [`PIXEL_MEAN`].
///
/// # Errors
/// `E_CHECKPOINT` if the tensor is missing, or has a wrong dtype or shape.
pub fn from_checkpoint(
    config: &ResolvedConfig,
    tensor: Option<&Tensor>,
    path: &Path,
) -> Result<Option<Arc<PixelMean>>> {
    if !config.transform.pixel_mean {
        return Ok(None);
    }
    let data = &config.data;
    let invalid = |problem: &str| {
        Error::new(ErrorCode::Checkpoint, format!("{} {problem} `{PIXEL_MEAN}`", path.display()))
            .file(path)
            .hint("Use an unmodified checkpoint: its network needs the mean image.")
    };
    let tensor = tensor.ok_or_else(|| invalid("has no tensor"))?;
    let expected = [data.channels, data.image_size, data.image_size].map(|n| n as usize);
    if tensor.dtype != DType::F32 || tensor.shape != expected {
        return Err(invalid("has a wrong dtype or shape of"));
    }
    let values: Vec<f32> =
        tensor.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let mean = PixelMean::from_chw(&values, data.channels, data.image_size);
    mean.map(|mean| Some(Arc::new(mean))).map_err(|error| error.file(path))
}

/// Converts the mean image to the tensor [`PIXEL_MEAN`] of a checkpoint.
pub fn to_tensor(mean: &PixelMean, config: &ResolvedConfig) -> Tensor {
    let data = &config.data;
    let shape = [data.channels, data.image_size, data.image_size].map(|n| n as usize).to_vec();
    let bytes = mean.to_chw().into_iter().flat_map(f32::to_le_bytes).collect();
    Tensor { dtype: DType::F32, shape, bytes }
}
