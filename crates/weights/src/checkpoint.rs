//! What a run saves of itself, and what is read back.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use residual_spec::{DatasetInfo, Error, ErrorCode, ResolvedConfig, Result, check_loaded_config};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::safetensors_file::{self, SafetensorsFile, broken};
use crate::state_dict::is_pytorch_file;
use crate::tensor::{Tensor, TensorInfo};

/// The version of what is written here; one higher for every change that an older reader would
/// misread.
const VERSION: u32 = 1;

/// Tells Python's `safetensors` that these are PyTorch's layouts.
const FORMAT_KEY: &str = "format";
const VERSION_KEY: &str = "residual.version";
const CONFIG_KEY: &str = "residual.config";
const DATA_KEY: &str = "residual.data";
const PROGRESS_KEY: &str = "residual.progress";

/// Before a name: the moving average of that weight or statistic.
pub const EMA_PREFIX: &str = "ema.";

/// The mean image that a network is given images less of: `[channels, size, size]`, values in 0..1.
pub const PIXEL_MEAN: &str = "transform.pixel_mean";

/// A checkpoint in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The network's weights and buffers under torchvision's names, and state under
    /// `optimizer.<state>.<name>`. Where the run kept a moving average, [`Checkpoint::read`] puts
    /// it in the place of the weights.
    pub tensors: BTreeMap<String, Tensor>,
    pub config: ResolvedConfig,
    pub data: DatasetInfo,
    /// How far the run had come; its form is the trainer's. (JSON: no NaN, no infinity.)
    pub progress: Value,
}

/// A checkpoint about to be written.
pub struct CheckpointContents<'a> {
    pub tensors: BTreeMap<String, TensorInfo>,
    /// The numbers of one of them, laid out as a [`Tensor`]'s. Asked for one after another: the numbers
    /// of two are not in memory at once.
    pub bytes: &'a dyn Fn(&str) -> Result<Cow<'a, [u8]>>,
    pub config: &'a ResolvedConfig,
    pub data: &'a DatasetInfo,
    pub progress: &'a Value,
}

/// A checkpoint whose tensors are read one by one: of a large network, hardly more has to be in
/// memory than what is made of it.
pub struct CheckpointReader<'p> {
    opened: SafetensorsFile<'p>,
    pub config: ResolvedConfig,
    pub data: DatasetInfo,
    pub progress: Value,
}

/// A checkpoint without the numbers of its tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointHeader {
    pub tensors: BTreeMap<String, TensorInfo>,
    pub config: ResolvedConfig,
    pub data: DatasetInfo,
    pub progress: Value,
}

impl CheckpointContents<'_> {
    /// Writes the checkpoint, or leaves what was at `path`. The same contents give the same bytes.
    ///
    /// # Errors
    /// `E_WRITE`; `E_INTERNAL` if a tensor's bytes are not what its type and shape say.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.write_with(path, Vec::new())
    }

    /// Writes with more metadata, for other readers.
    pub(crate) fn write_with(&self, path: &Path, facts: Vec<(&'static str, String)>) -> Result<()> {
        let mut metadata = BTreeMap::from([
            (FORMAT_KEY, "pt".to_string()),
            (VERSION_KEY, VERSION.to_string()),
            (CONFIG_KEY, json(self.config)?),
            (DATA_KEY, json(self.data)?),
            (PROGRESS_KEY, json(self.progress)?),
        ]);
        metadata.extend(facts);
        safetensors_file::write(path, &metadata, &self.tensors, self.bytes)
    }
}

impl Checkpoint {
    /// Writes as [`CheckpointContents::write`] does.
    pub fn write(&self, path: &Path) -> Result<()> {
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.info()));
        let bytes = |name: &str| Ok(Cow::Borrowed(&self.tensors[name].bytes[..]));
        let (config, data, progress) = (&self.config, &self.data, &self.progress);
        CheckpointContents { tensors: tensors.collect(), bytes: &bytes, config, data, progress }
            .write(path)
    }

    /// Reads a checkpoint to use its network: with the moving average of the weights (`ema.*`)
    /// as the weights, where the run kept one.
    ///
    /// # Errors
    /// As [`Checkpoint::read_for_resume`].
    pub fn read(path: &Path) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::read_for_resume(path)?;
        let averages: Vec<String> = checkpoint
            .tensors
            .keys()
            .filter(|name| name.starts_with(EMA_PREFIX))
            .cloned()
            .collect();
        for name in averages {
            if let Some(tensor) = checkpoint.tensors.remove(&name) {
                checkpoint.tensors.insert(name[EMA_PREFIX.len()..].to_string(), tensor);
            }
        }
        Ok(checkpoint)
    }

    /// Opens a checkpoint to use its network, as [`Checkpoint::read`] gives it.
    ///
    /// # Errors
    /// As [`Checkpoint::read_for_resume`].
    pub fn open(path: &Path) -> Result<CheckpointReader<'_>> {
        let opened = safetensors_file::open(path)?;
        let (config, data, progress) = story(path, &opened)?;
        Ok(CheckpointReader { opened, config, data, progress })
    }

    /// Reads a checkpoint that [`CheckpointContents::write`] wrote, as it is, and checks that it is whole.
    /// This is what a run goes on from.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if it is not there, cut short, not a checkpoint of residual's or one of a
    /// later version, or if its configuration is one that no run has; `E_IO`.
    pub fn read_for_resume(path: &Path) -> Result<Checkpoint> {
        let opened = safetensors_file::open(path)?;
        let (config, data, progress) = story(path, &opened)?;
        Ok(Checkpoint { tensors: opened.read_safetensors()?, config, data, progress })
    }

    /// Reads all but the tensors' numbers, in time that does not depend on the network's size.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn read_header(path: &Path) -> Result<CheckpointHeader> {
        let opened = safetensors_file::open(path)?;
        let (config, data, progress) = story(path, &opened)?;
        Ok(CheckpointHeader { tensors: opened.infos()?, config, data, progress })
    }
}

impl CheckpointReader<'_> {
    /// One of the tensors, in the average where there is one; none if there is none of the name.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the file was cut short since it was opened; `E_IO`.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>> {
        match self.opened.read_tensor(&format!("{EMA_PREFIX}{name}"))? {
            None => self.opened.read_tensor(name),
            average => Ok(average),
        }
    }
}

/// Whether a file is a checkpoint of residual's, broken or not, and no weights alone.
///
/// # Errors
/// `E_CHECKPOINT` if it claims to be a safetensors file and is none; `E_IO`.
pub fn is_checkpoint(path: &Path) -> Result<bool> {
    if is_pytorch_file(path)? {
        return Ok(false);
    }
    Ok(safetensors_file::open(path)?.metadata.contains_key(VERSION_KEY))
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|cause| Error::new(ErrorCode::Internal, cause.to_string()))
}

/// What a file's metadata tells about the run.
fn story(path: &Path, opened: &SafetensorsFile) -> Result<(ResolvedConfig, DatasetInfo, Value)> {
    let Some(version) = opened.metadata.get(VERSION_KEY) else {
        return Err(broken(path, "holds tensors, but is no checkpoint of residual's")
            .hint("Give a checkpoint from a run's folder: checkpoints/best.safetensors."));
    };
    match version.parse::<u32>() {
        Ok(1..=VERSION) => {}
        Ok(later) if later > VERSION => {
            let what = format!("has version {later}; this residual reads up to {VERSION}");
            return Err(broken(path, what).hint("Update residual: npm install residual@latest."));
        }
        _ => return Err(broken(path, format!("has a version that is none: '{version}'"))),
    }
    let (config, data) = (part(path, opened, CONFIG_KEY)?, part(path, opened, DATA_KEY)?);
    check_loaded_config(&config, &data)
        .map_err(|error| broken(path, format!("says what no run does: {}", error.message)))?;
    Ok((config, data, part(path, opened, PROGRESS_KEY)?))
}

fn part<T: DeserializeOwned>(path: &Path, opened: &SafetensorsFile, key: &str) -> Result<T> {
    let text = opened.metadata.get(key);
    let text = text.ok_or_else(|| broken(path, format!("lacks `{key}` in its metadata")))?;
    serde_json::from_str(text)
        .map_err(|cause| broken(path, format!("has a `{key}` that cannot be read: {cause}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;
    use crate::testing::checkpoint;
    use serde_json::json;

    fn written(checkpoint: &Checkpoint) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.safetensors");
        checkpoint.write(&path).unwrap();
        (folder, path)
    }

    /// The same file with another metadata.
    fn refused(metadata: BTreeMap<&str, String>) -> Error {
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
    fn a_checkpoint_reads_back_to_the_bit() {
        let mut saved = checkpoint();
        saved.progress = json!({ "step": u64::MAX, "sum": 0.1 + 0.2, "tiny": 5e-324 });
        let (_folder, path) = written(&saved);
        assert_eq!(Checkpoint::read(&path).unwrap(), saved);
    }

    #[test]
    fn tensors_that_are_read_one_by_one_are_those_that_are_read_together() {
        let mut saved = checkpoint();
        let average = Tensor { bytes: vec![7; 24], ..saved.tensors["fc.weight"].clone() };
        saved.tensors.insert(format!("{EMA_PREFIX}fc.weight"), average);
        let (_folder, path) = written(&saved);
        let (together, opened) =
            (Checkpoint::read(&path).unwrap(), Checkpoint::open(&path).unwrap());
        assert_eq!(opened.config, together.config);
        // In whatever order, and repeatedly.
        for (name, tensor) in together.tensors.iter().rev().chain(&together.tensors) {
            assert_eq!(opened.tensor(name).unwrap().as_ref(), Some(tensor));
        }
        assert_eq!(opened.tensor("fc.weight").unwrap().unwrap().bytes, [7; 24]);
        assert_eq!(opened.tensor("fc.none").unwrap(), None);
        let length = path.metadata().unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 24).unwrap();
        let gone = together.tensors.keys().filter(|name| opened.tensor(name).is_err());
        assert!(gone.count() > 0);
    }

    #[test]
    fn the_same_checkpoint_gives_the_same_bytes() {
        let (_one, first) = written(&checkpoint());
        let (_two, second) = written(&checkpoint());
        assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
    }

    #[test]
    fn a_header_has_everything_but_the_numbers() {
        let saved = checkpoint();
        let (_folder, path) = written(&saved);
        let header = Checkpoint::read_header(&path).unwrap();
        assert_eq!((&header.config, &header.data), (&saved.config, &saved.data));
        assert_eq!(header.progress, saved.progress);
        let fc = TensorInfo { dtype: DType::F32, shape: vec![2, 3] };
        assert_eq!(header.tensors["fc.weight"], fc);
        assert_eq!(header.tensors.len(), saved.tensors.len());
    }

    #[test]
    fn weights_of_others_are_told_from_a_broken_checkpoint() {
        let error = refused(BTreeMap::from([("format", "pt".into())]));
        assert!(error.message.ends_with("no checkpoint of residual's"), "{error}");
    }

    #[test]
    fn a_later_version_asks_for_an_update() {
        let error = refused(BTreeMap::from([(VERSION_KEY, "2".into())]));
        assert!(error.hint.unwrap().starts_with("Update residual"));
        for none in ["", "0", "-1", "x"] {
            refused(BTreeMap::from([(VERSION_KEY, none.into())]));
        }
    }

    #[test]
    fn a_configuration_that_no_run_has_is_refused() {
        type Harm = fn(&mut Checkpoint);
        let harms: [(&str, Harm); 9] = [
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
        for (key, harm) in harms {
            let mut harmed = checkpoint();
            harm(&mut harmed);
            let (_folder, path) = written(&harmed);
            for error in
                [Checkpoint::read(&path).unwrap_err(), Checkpoint::read_header(&path).unwrap_err()]
            {
                assert_eq!(error.code, ErrorCode::Checkpoint);
                assert!(error.message.contains(key), "{error}");
            }
        }
    }

    #[test]
    fn a_network_is_read_whatever_a_later_rule_says_of_how_it_was_trained() {
        let mut old = checkpoint();
        old.config.batch_size = 1;
        old.config.device = residual_spec::Device::Cuda;
        old.config.data.validation = 0.9;
        let (_folder, path) = written(&old);
        assert_eq!(Checkpoint::read(&path).unwrap(), old);
    }

    #[test]
    fn a_part_that_is_missing_or_broken_is_named() {
        let version = (VERSION_KEY, "1".to_string());
        let error = refused(BTreeMap::from([version.clone()]));
        assert!(error.message.contains("lacks `residual.config`"), "{error}");
        let error = refused(BTreeMap::from([version, (CONFIG_KEY, "{}".into())]));
        assert!(error.message.contains("`residual.config` that cannot be read"), "{error}");
    }
}
