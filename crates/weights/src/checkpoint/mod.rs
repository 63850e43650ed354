//! Checkpoints: network, optimizer state, configuration and position of a run in a safetensors
//! file.

mod find_checkpoint;
mod inspect_checkpoint;
mod intact_checkpoint;
mod verify_run;
mod verify_weights;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use residual_spec::{DatasetInfo, Error, ErrorCode, ResolvedConfig, Result, check_loaded_config};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use crate::safetensors_file::VERSION_KEY;
use crate::safetensors_file::{self, SafetensorsFile, broken};
use crate::state_dict::is_pytorch_file;
use crate::tensor::{Tensor, TensorInfo};
pub use find_checkpoint::{CheckpointChoice, find_checkpoints};
pub use inspect_checkpoint::inspect_checkpoint;
pub use intact_checkpoint::{IntactCheckpoint, open_intact};
pub use verify_run::verify_run;
pub use verify_weights::verify_weights;

/// Version of the checkpoint format. Increment it for changes that older readers would misread.
/// Version 1 had no checksums, which are required since version 2.
const VERSION: u32 = 2;

/// Metadata key with the value `pt`, which Python's `safetensors` expects of PyTorch tensors.
const FORMAT_KEY: &str = "format";
/// Suffix of PyTorch's counter of updates of a batch norm's running statistics.
pub(crate) const NUM_BATCHES_TRACKED: &str = ".num_batches_tracked";
const CONFIG_KEY: &str = "residual.config";
const DATA_KEY: &str = "residual.data";
const PROGRESS_KEY: &str = "residual.progress";

/// Prefix of the exponential moving average of a parameter or buffer.
pub const EMA_PREFIX: &str = "ema.";

/// Key of the mean image that is subtracted from the network's input: `[channels, size, size]`,
/// values from 0 to 1.
pub const PIXEL_MEAN: &str = "transform.pixel_mean";

/// Prefix of the names of optimizer state, as in `optimizer.momentum.conv1.weight`.
pub const OPTIMIZER_PREFIX: &str = "optimizer.";

/// Hint for a checkpoint of a newer version, which is not damaged.
const UPDATE_HINT: &str = "Update residual: npm install residual@latest.";

/// A checkpoint in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Parameters and buffers under torchvision's keys, optimizer state under
    /// `optimizer.<state>.<key>`. [`Checkpoint::read`] replaces the weights by their moving average
    /// (EMA) if the checkpoint has one.
    pub tensors: BTreeMap<String, Tensor>,
    pub config: ResolvedConfig,
    pub data: DatasetInfo,
    /// Position of the run, in a form that the trainer defines. JSON: no NaN, no infinity.
    pub progress: Value,
}

/// Contents of a checkpoint to be written. Tensors are produced one at a time.
pub struct CheckpointContents<'a> {
    pub tensors: BTreeMap<String, TensorInfo>,
    /// Returns the bytes of a tensor in the layout of [`Tensor`]. Called once for each tensor, so that
    /// a single tensor is in memory at a time.
    pub bytes: &'a dyn Fn(&str) -> Result<Cow<'a, [u8]>>,
    pub config: &'a ResolvedConfig,
    pub data: &'a DatasetInfo,
    pub progress: &'a Value,
}

/// An open checkpoint whose tensors are read one at a time, to limit peak memory.
pub struct CheckpointReader<'p> {
    file: SafetensorsFile<'p>,
    pub config: ResolvedConfig,
    pub data: DatasetInfo,
    pub progress: Value,
}

/// A checkpoint without tensor data.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointHeader {
    pub tensors: BTreeMap<String, TensorInfo>,
    pub config: ResolvedConfig,
    pub data: DatasetInfo,
    pub progress: Value,
}

impl CheckpointContents<'_> {
    /// Writes the checkpoint atomically. Equal contents give equal bytes.
    ///
    /// # Errors
    /// `E_WRITE`; `E_INTERNAL` if the bytes of a tensor do not match its type and shape.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.write_with_metadata(path, Vec::new())
    }

    /// Writes the checkpoint with additional metadata for other programs.
    pub(crate) fn write_with_metadata(
        &self,
        path: &Path,
        extra: Vec<(&'static str, String)>,
    ) -> Result<()> {
        let mut metadata = BTreeMap::from([
            (FORMAT_KEY, "pt".to_string()),
            (VERSION_KEY, VERSION.to_string()),
            (CONFIG_KEY, json(self.config)?),
            (DATA_KEY, json(self.data)?),
            (PROGRESS_KEY, json(self.progress)?),
        ]);
        metadata.extend(extra);
        safetensors_file::write(path, &metadata, &self.tensors, self.bytes)
    }
}

impl Checkpoint {
    /// Writes the checkpoint.
    ///
    /// # Errors
    /// As [`CheckpointContents::write`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.info()));
        let bytes = |name: &str| Ok(Cow::Borrowed(&self.tensors[name].bytes[..]));
        let (config, data, progress) = (&self.config, &self.data, &self.progress);
        CheckpointContents { tensors: tensors.collect(), bytes: &bytes, config, data, progress }
            .write(path)
    }

    /// Reads a checkpoint for inference. Moving averages (`ema.*`) replace the weights if the
    /// checkpoint has them.
    ///
    /// # Errors
    /// As [`Checkpoint::read_for_resume`].
    pub fn read(path: &Path) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::read_for_resume(path)?;
        let ema_keys: Vec<String> = checkpoint
            .tensors
            .keys()
            .filter(|name| name.starts_with(EMA_PREFIX))
            .cloned()
            .collect();
        for name in ema_keys {
            if let Some(tensor) = checkpoint.tensors.remove(&name) {
                checkpoint.tensors.insert(name[EMA_PREFIX.len()..].to_string(), tensor);
            }
        }
        Ok(checkpoint)
    }

    /// Opens a checkpoint for inference. Tensors have the values of [`Checkpoint::read`] and are read
    /// one at a time. The tensors that inference does not read are verified now.
    ///
    /// # Errors
    /// As [`Checkpoint::read_for_resume`].
    pub fn open(path: &Path) -> Result<CheckpointReader<'_>> {
        let file = safetensors_file::open(path)?;
        let (config, data, progress) = read_run_metadata(path, &file)?;
        let is_replaced = |name: &str| file.has_tensor(&format!("{EMA_PREFIX}{name}"));
        file.verify_tensors(|name| {
            name.starts_with(OPTIMIZER_PREFIX)
                || name.ends_with(NUM_BATCHES_TRACKED)
                || is_replaced(name)
        })?;
        Ok(CheckpointReader { file, config, data, progress })
    }

    /// Reads a checkpoint without changes, to resume its run.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the file is missing, truncated, damaged, not a residual checkpoint, of a
    /// newer version, or has an invalid configuration; `E_IO`.
    pub fn read_for_resume(path: &Path) -> Result<Checkpoint> {
        let file = safetensors_file::open(path)?;
        let (config, data, progress) = read_run_metadata(path, &file)?;
        Ok(Checkpoint { tensors: file.read_tensors()?, config, data, progress })
    }

    /// Reads everything but tensor data, in time that does not depend on the size of the network.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn read_header(path: &Path) -> Result<CheckpointHeader> {
        let file = safetensors_file::open(path)?;
        let (config, data, progress) = read_run_metadata(path, &file)?;
        Ok(CheckpointHeader { tensors: file.tensor_infos()?, config, data, progress })
    }
}

impl CheckpointReader<'_> {
    /// Reads a tensor, or its moving average if the checkpoint has one; `None` if the key is missing.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the tensor does not match its checksum, or the file was truncated after it was
    /// opened; `E_IO`.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        match self.file.read_tensor(&format!("{EMA_PREFIX}{name}"))? {
            None => self.file.read_tensor(name),
            ema => Ok(ema),
        }
    }
}

/// Returns whether `error` of a function of [`Checkpoint`] means that the file cannot be used: it is
/// missing or damaged, but not of a newer version.
pub(crate) fn is_damage(error: &Error) -> bool {
    error.code == ErrorCode::Checkpoint && error.hint.as_deref() != Some(UPDATE_HINT)
}

/// Returns whether a file is a residual checkpoint, valid or not, rather than plain weights.
///
/// # Errors
/// `E_CHECKPOINT` if the file is neither a PyTorch nor a valid safetensors file; `E_IO`.
pub fn is_checkpoint(path: &Path) -> Result<bool> {
    if is_pytorch_file(path)? {
        return Ok(false);
    }
    Ok(safetensors_file::open(path)?.metadata.contains_key(VERSION_KEY))
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|cause| Error::new(ErrorCode::Internal, cause.to_string()))
}

/// Reads the configuration, data description and position from the metadata of a file.
fn read_run_metadata(
    path: &Path,
    file: &SafetensorsFile,
) -> Result<(ResolvedConfig, DatasetInfo, Value)> {
    let Some(version) = file.metadata.get(VERSION_KEY) else {
        return Err(broken(path, "contains tensors, but is not a residual checkpoint")
            .hint("Pass a checkpoint of a run folder, such as checkpoints/best.safetensors."));
    };
    match version.parse::<u32>() {
        Ok(1..=VERSION) => {}
        Ok(newer) if newer > VERSION => {
            let problem = format!(
                "has checkpoint version {newer}; this version of residual reads up to {VERSION}"
            );
            return Err(broken(path, problem).hint(UPDATE_HINT));
        }
        _ => return Err(broken(path, format!("has an invalid checkpoint version: '{version}'"))),
    }
    let config = parse_metadata(path, file, CONFIG_KEY)?;
    let data = parse_metadata(path, file, DATA_KEY)?;
    check_loaded_config(&config, &data).map_err(|error| {
        broken(path, format!("has an invalid configuration: {}", error.message))
    })?;
    Ok((config, data, parse_metadata(path, file, PROGRESS_KEY)?))
}

fn parse_metadata<T: DeserializeOwned>(
    path: &Path,
    file: &SafetensorsFile,
    key: &str,
) -> Result<T> {
    let text = file.metadata.get(key);
    let text = text.ok_or_else(|| broken(path, format!("has no metadata key `{key}`")))?;
    serde_json::from_str(text)
        .map_err(|cause| broken(path, format!("has invalid metadata `{key}`: {cause}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;
    use crate::testing::checkpoint;
    use serde_json::json;

    fn write_temporary(checkpoint: &Checkpoint) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        checkpoint.write(&path).unwrap();
        (folder, path)
    }

    /// Returns the error of reading a file that has this metadata and no tensors.
    fn read_error(metadata: BTreeMap<&str, String>) -> Error {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        let none = |_: &str| unreachable!("there is no tensor");
        safetensors_file::write(&path, &metadata, &BTreeMap::new(), &none).unwrap();
        let error = Checkpoint::read(&path).unwrap_err();
        assert_eq!(error.code, ErrorCode::Checkpoint);
        assert_eq!(Checkpoint::read_header(&path).unwrap_err(), error);
        error
    }

    #[test]
    fn a_checkpoint_round_trips_bit_exactly() {
        let mut saved = checkpoint();
        saved.progress = json!({ "step": u64::MAX, "sum": 0.1 + 0.2, "tiny": 5e-324 });
        let (_folder, path) = write_temporary(&saved);
        assert_eq!(Checkpoint::read(&path).unwrap(), saved);
    }

    #[test]
    fn reading_tensor_by_tensor_equals_reading_all() {
        let mut saved = checkpoint();
        let average = Tensor { bytes: vec![7; 24], ..saved.tensors["fc.weight"].clone() };
        saved.tensors.insert(format!("{EMA_PREFIX}fc.weight"), average);
        let (_folder, path) = write_temporary(&saved);
        let (checkpoint, reader) =
            (Checkpoint::read(&path).unwrap(), Checkpoint::open(&path).unwrap());
        assert_eq!(reader.config, checkpoint.config);
        // In any order, and repeatedly.
        for (name, tensor) in checkpoint.tensors.iter().rev().chain(&checkpoint.tensors) {
            assert_eq!(reader.tensor(name).unwrap().as_ref(), Some(tensor));
        }
        assert_eq!(reader.tensor("fc.weight").unwrap().unwrap().bytes, [7; 24]);
        assert_eq!(reader.tensor("fc.none").unwrap(), None);
        let length = path.metadata().unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 24).unwrap();
        let unreadable = checkpoint.tensors.keys().filter(|name| reader.tensor(name).is_err());
        assert!(unreadable.count() > 0);
    }

    #[test]
    fn equal_checkpoints_have_equal_bytes() {
        let (_one, first) = write_temporary(&checkpoint());
        let (_two, second) = write_temporary(&checkpoint());
        assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
    }

    #[test]
    fn a_header_has_everything_but_tensor_data() {
        let saved = checkpoint();
        let (_folder, path) = write_temporary(&saved);
        let header = Checkpoint::read_header(&path).unwrap();
        assert_eq!((&header.config, &header.data), (&saved.config, &saved.data));
        assert_eq!(header.progress, saved.progress);
        let fc = TensorInfo { dtype: DType::F32, shape: vec![2, 3] };
        assert_eq!(header.tensors["fc.weight"], fc);
        assert_eq!(header.tensors.len(), saved.tensors.len());
    }

    #[test]
    fn plain_weights_are_reported_as_not_a_checkpoint() {
        let error = read_error(BTreeMap::from([("format", "pt".into())]));
        assert!(error.message.ends_with("not a residual checkpoint"), "{error}");
    }

    #[test]
    fn a_newer_version_has_a_hint_to_update() {
        let error = read_error(BTreeMap::from([(VERSION_KEY, "3".into())]));
        assert!(!is_damage(&error) && error.hint.unwrap().starts_with("Update residual"));
        for invalid in ["", "0", "-1", "x"] {
            read_error(BTreeMap::from([(VERSION_KEY, invalid.into())]));
        }
    }

    #[test]
    fn rejects_an_invalid_configuration() {
        type Corruption = fn(&mut Checkpoint);
        let corruptions: [(&str, Corruption); 9] = [
            ("data.imageSize", |c| c.config.data.image_size = 400_000),
            ("data.imageSize", |c| c.config.data.image_size = 0),
            ("data.channels", |c| c.config.data.channels = 2),
            ("transform.mean", |c| c.config.transform.mean = vec![0.5, 0.5]),
            ("transform.std", |c| c.config.transform.std = vec![]),
            ("transform.std", |c| c.config.transform.std = vec![1.0, 0.0, 1.0]),
            ("transform.evalResize", |c| c.config.transform.eval_resize = u32::MAX),
            ("workers", |c| c.config.workers = u32::MAX),
            ("class", |c| c.data.classes.clear()),
        ];
        for (key, corrupt) in corruptions {
            let mut corrupted = checkpoint();
            corrupt(&mut corrupted);
            let (_folder, path) = write_temporary(&corrupted);
            for error in
                [Checkpoint::read(&path).unwrap_err(), Checkpoint::read_header(&path).unwrap_err()]
            {
                assert_eq!(error.code, ErrorCode::Checkpoint);
                assert!(error.message.contains(key), "{error}");
            }
        }
    }

    #[test]
    fn reads_checkpoints_whose_training_options_are_no_longer_valid() {
        let mut old = checkpoint();
        old.config.batch_size = 1;
        old.config.device = residual_spec::Device::Cuda;
        old.config.data.validation = 0.9;
        let (_folder, path) = write_temporary(&old);
        assert_eq!(Checkpoint::read(&path).unwrap(), old);
    }

    #[test]
    fn names_missing_and_invalid_metadata() {
        let version = (VERSION_KEY, "1".to_string());
        let error = read_error(BTreeMap::from([version.clone()]));
        assert!(error.message.contains("no metadata key `residual.config`"), "{error}");
        let error = read_error(BTreeMap::from([version, (CONFIG_KEY, "{}".into())]));
        assert!(error.message.contains("invalid metadata `residual.config`"), "{error}");
    }
}
