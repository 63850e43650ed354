//! The mean image of a run's training images, as part of its checkpoints: what a network was
//! trained on less of, it must be used on less of.

use std::path::Path;
use std::sync::Arc;

use residual_data::{PixelMean, Subset};
use residual_spec::{Error, ErrorCode, ResolvedConfig, Result};
use residual_weights::{DType, PIXEL_MEAN, Tensor};

/// The mean image of the images that a run trains on, if it is to subtract one.
///
/// # Errors
/// `E_DATA_UNUSABLE` if not one of them can be read; `E_ABORTED` if `cancelled`.
pub fn of_images(
    train: &Subset,
    config: &ResolvedConfig,
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<Arc<PixelMean>>> {
    if !config.transform.pixel_mean {
        return Ok(None);
    }
    let (data, workers) = (&config.data, config.workers as usize);
    let mean = PixelMean::compute(train, data.channels, data.image_size, workers, cancelled)?;
    Ok(Some(Arc::new(mean)))
}

/// The mean image that the network of a checkpoint needs, if it needs one. `tensor` is the checkpoint's
/// [`PIXEL_MEAN`].
///
/// # Errors
/// `E_CHECKPOINT` if it needs one that is not there or is not what it should be.
pub fn of_checkpoint(
    config: &ResolvedConfig,
    tensor: Option<&Tensor>,
    path: &Path,
) -> Result<Option<Arc<PixelMean>>> {
    if !config.transform.pixel_mean {
        return Ok(None);
    }
    let data = &config.data;
    let broken = |what: &str| {
        Error::new(ErrorCode::Checkpoint, format!("{} {what} `{PIXEL_MEAN}`", path.display()))
            .file(path)
            .hint("Give a checkpoint as the run wrote it: its network subtracts a mean image.")
    };
    let tensor = tensor.ok_or_else(|| broken("has no"))?;
    let wanted = [data.channels, data.image_size, data.image_size].map(|n| n as usize);
    if tensor.dtype != DType::F32 || tensor.shape != wanted {
        return Err(broken("has another kind of"));
    }
    let values: Vec<f32> =
        tensor.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let mean = PixelMean::from_chw(&values, data.channels, data.image_size);
    mean.map(|mean| Some(Arc::new(mean))).map_err(|error| error.file(path))
}

/// As a checkpoint has it.
pub fn to_tensor(mean: &PixelMean, config: &ResolvedConfig) -> Tensor {
    let data = &config.data;
    let shape = [data.channels, data.image_size, data.image_size].map(|n| n as usize).to_vec();
    let bytes = mean.to_chw().into_iter().flat_map(f32::to_le_bytes).collect();
    Tensor { dtype: DType::F32, shape, bytes }
}
