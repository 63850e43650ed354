//! Describes the network of a weight file, without libtorch.

use std::path::Path;

use residual_arch::{Inspection, inspect};
use residual_spec::{
    BestEpoch, CheckpointInfo, Error, LoadConfig, MachineInfo, ResolvedConfig, Result,
};
use serde_json::Value;

use super::{Checkpoint, CheckpointChoice, is_checkpoint, open_intact};
use crate::{ExternalWeights, check_finite, safetensors_file};

/// Describes the network of a run folder (its best checkpoint), a checkpoint or a file of external
/// weights. `options` override the assumptions about external weights.
///
/// # Errors
/// Errors of [`open_intact`], [`Checkpoint::read_header`] and [`ExternalWeights::read`].
pub fn inspect_checkpoint(path: &Path, options: &LoadConfig) -> Result<Inspection> {
    let opened = open_intact(path, CheckpointChoice::Best, |path| inspect_file(path, options))?;
    let mut inspection = opened.opened;
    if let Some(info) = &mut inspection.checkpoint {
        info.warnings.extend(opened.warning.map(|warning| warning.message));
    }
    Ok(inspection)
}

fn inspect_file(path: &Path, options: &LoadConfig) -> Result<Inspection> {
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
            warnings: Vec::new(),
        };
    if !is_checkpoint(path)? {
        // Inspection computes nothing, so the capabilities of the machine have no effect.
        let machine = MachineInfo::with_cores(1);
        let ExternalWeights { network, config, data, assumed, warnings, progress, tensors, .. } =
            ExternalWeights::read(path, options, &machine)?;
        let not_finite = check_finite(&tensors).err().map(|error| error.message);
        let warnings = warnings.into_iter().chain(not_finite).collect();
        let info =
            CheckpointInfo { assumed, warnings, ..to_info(&config, data.classes, &progress) };
        return Ok(Inspection { checkpoint: Some(info), ..inspect(&network) });
    }
    let header = Checkpoint::read_header(path)?;
    // Verifies all tensors, so that `open_intact` replaces the same damaged checkpoints for every
    // function.
    safetensors_file::open(path)?.verify_tensors(|_| true)?;
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
