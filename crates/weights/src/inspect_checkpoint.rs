//! Describes the network of a weight file, without libtorch.

use std::path::Path;

use residual_arch::{Inspection, inspect};
use residual_spec::{
    BestEpoch, CheckpointInfo, Error, LoadConfig, MachineInfo, ResolvedConfig, Result,
};
use serde_json::Value;

use crate::ExternalWeights;
use crate::checkpoint::{Checkpoint, is_checkpoint};
use crate::find_checkpoint::{CheckpointChoice, find_checkpoint};

/// Describes the network of a run folder (its best checkpoint), a checkpoint or a file of external
/// weights. `options` override the assumptions about external weights.
///
/// # Errors
/// Errors of [`find_checkpoint`], [`Checkpoint::read_header`] and [`ExternalWeights::read`].
pub fn inspect_checkpoint(path: &Path, options: &LoadConfig) -> Result<Inspection> {
    let path = &find_checkpoint(path, CheckpointChoice::Best)?;
    let path = &path.canonicalize().map_err(|cause| Error::read(path, &cause))?;
    let bytes = path.metadata().map_err(|cause| Error::read(path, &cause))?.len();
    let to_info =
        |config: &ResolvedConfig, classes: Vec<String>, progress: &Value| CheckpointInfo {
            file: path.display().to_string(),
            bytes,
            classes,
            mean: config.transform.mean.clone(),
            std: config.transform.std.clone(),
            precision: config.precision,
            source: None,
            epoch: progress["epoch"].as_u64().unwrap_or(0) as u32,
            step: progress["step"].as_u64().unwrap_or(0),
            best: None,
            assumed: Vec::new(),
        };
    if !is_checkpoint(path)? {
        // Inspection computes nothing, so the capabilities of the machine have no effect.
        let machine = MachineInfo::with_cores(1);
        let ExternalWeights { network, config, data, assumed, progress, .. } =
            ExternalWeights::read(path, options, &machine)?;
        let info = CheckpointInfo { assumed, ..to_info(&config, data.classes, &progress) };
        return Ok(Inspection { checkpoint: Some(info), ..inspect(&network) });
    }
    let header = Checkpoint::read_header(path)?;
    let data = &header.config.data;
    let network = residual_arch::build(
        &header.config.model,
        data.channels,
        data.image_size,
        header.data.classes.len() as u32,
    )
    .map_err(|error| error.file(path))?;
    let info = CheckpointInfo {
        source: Some(data.source.clone()),
        best: serde_json::from_value::<BestEpoch>(header.progress["best"].clone()).ok(),
        ..to_info(&header.config, header.data.classes, &header.progress)
    };
    Ok(Inspection { checkpoint: Some(info), ..inspect(&network) })
}
