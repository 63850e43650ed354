//! Export of a trained network: its weights as .safetensors, or its graph and weights as .onnx.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use residual_arch::Network;
use residual_spec::{
    DatasetInfo, Error, ErrorCode, ExportOptions, LoadConfig, MachineInfo, ResolvedConfig, Result,
    WarningEvent,
};
use serde::Serialize;
use serde_json::Value;

use crate::checkpoint::{
    Checkpoint, CheckpointChoice, NUM_BATCHES_TRACKED, is_checkpoint, open_intact,
};
use crate::tensor::{DType, Tensor, TensorInfo};
use crate::{
    CheckpointContents, ExternalWeights, PIXEL_MEAN, check_finite, check_finite_tensor, onnx,
};

/// Contents of an exported file.
pub struct Export<'a> {
    pub network: &'a Network,
    /// Tensors by torchvision's keys; keys that the network does not have are not exported.
    pub tensors: &'a BTreeMap<String, Tensor>,
    pub config: &'a ResolvedConfig,
    pub data: &'a DatasetInfo,
    /// Position of the run, as in a checkpoint.
    pub progress: &'a Value,
    pub options: ExportOptions,
}

/// File format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExportFormat {
    Safetensors,
    Onnx,
}

impl ExportFormat {
    /// Returns the format of the extension of `path`.
    ///
    /// # Errors
    /// `E_USAGE` for another extension.
    fn from_path(path: &Path) -> Result<ExportFormat> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension.unwrap_or_default().to_ascii_lowercase().as_str() {
            "safetensors" => Ok(ExportFormat::Safetensors),
            "onnx" => Ok(ExportFormat::Onnx),
            _ => Err(Error::new(
                ErrorCode::Usage,
                format!("cannot export a network to '{}'", path.display()),
            )
            .key("path")
            .hint("Use the extension .safetensors or .onnx.")),
        }
    }
}

/// Exports the network of a run folder (its best checkpoint), a checkpoint or a file of external
/// weights. The moving average replaces the weights if the checkpoint has one. Returns a warning if
/// another checkpoint replaces a missing or damaged one.
///
/// # Errors
/// Errors of [`open_intact`], [`Checkpoint::read`], [`ExternalWeights::read`] and
/// [`Export::write`].
pub fn export_checkpoint(
    from: &Path,
    to: &Path,
    options: ExportOptions,
) -> Result<Option<WarningEvent>> {
    ExportFormat::from_path(to)?;
    let from = open_intact(from, CheckpointChoice::Best, ExportSource::read)?;
    let ExportSource { network, tensors, config, data, progress } = &from.opened;
    Export { network, tensors, config, data, progress, options }.write(to)?;
    Ok(from.warning)
}

/// A network with its weights, read from a file.
struct ExportSource {
    network: Network,
    tensors: BTreeMap<String, Tensor>,
    config: ResolvedConfig,
    data: DatasetInfo,
    progress: Value,
}

impl ExportSource {
    fn read(path: &Path) -> Result<ExportSource> {
        if !is_checkpoint(path)? {
            // An export computes nothing, so the capabilities of the machine have no effect.
            let machine = MachineInfo::with_cores(1);
            let ExternalWeights { network, tensors, config, data, progress, .. } =
                ExternalWeights::read(path, &LoadConfig::default(), &machine)?;
            check_finite(&tensors).map_err(|error| error.file(path))?;
            return Ok(ExportSource { network, tensors, config, data, progress });
        }
        let Checkpoint { tensors, config, data, progress } = Checkpoint::read(path)?;
        let (channels, size) = (config.data.channels, config.data.image_size);
        let classes = data.classes.len() as u32;
        let network = residual_arch::build(&config.model, channels, size, classes)
            .map_err(|error| error.file(path))?;
        for spec in network.tensors() {
            if let Some(tensor) = tensors.get(&spec.name) {
                check_finite_tensor(&spec.name, tensor).map_err(|error| error.file(path))?;
            }
        }
        Ok(ExportSource { network, tensors, config, data, progress })
    }
}

impl Export<'_> {
    /// Writes the file atomically, in the format of its extension.
    ///
    /// # Errors
    /// `E_USAGE` for another extension, for ONNX options with .safetensors, or for an ONNX file of
    /// more than 2 GB; `E_MISMATCH` for a missing key or a size mismatch; `E_WRITE`.
    pub fn write(&self, path: &Path) -> Result<()> {
        let format = ExportFormat::from_path(path)?;
        self.check()?;
        match format {
            ExportFormat::Onnx => onnx::write(self, path),
            ExportFormat::Safetensors => {
                if self.options != ExportOptions::default() {
                    let message = "`softmax` and `normalization` need an ONNX file";
                    return Err(Error::new(ErrorCode::Usage, message)
                        .key("path")
                        .hint("Remove the options, or use the extension .onnx."));
                }
                self.write_safetensors(path)
            }
        }
    }

    /// Writes exactly the keys of torchvision's `state_dict`, so that the file loads with
    /// `strict=True`; a mean image is added if the network needs one. The file has the metadata of a
    /// checkpoint, so that residual can load it, too.
    fn write_safetensors(&self, path: &Path) -> Result<()> {
        let num_batches = self.progress["step"].as_i64().unwrap_or(0).to_le_bytes();
        let mut tensors = BTreeMap::new();
        for spec in self.network.tensors() {
            let tensor = self.tensor(&spec.name)?;
            if let Some(norm) = spec.name.strip_suffix(".running_var") {
                let counter = TensorInfo { dtype: DType::I64, shape: vec![] };
                tensors.insert(format!("{norm}{NUM_BATCHES_TRACKED}"), counter);
            }
            tensors.insert(spec.name, tensor.info());
        }
        // The network needs the mean image, although `strict=True` does not accept this key.
        if self.config.transform.pixel_mean {
            tensors.insert(PIXEL_MEAN.into(), self.tensor(PIXEL_MEAN)?.info());
        }
        let config = self.portable_config();
        let mut data = self.data.clone();
        data.source = config.data.source.clone();
        let bytes = |name: &str| {
            if name.ends_with(NUM_BATCHES_TRACKED) {
                Ok(Cow::Borrowed(&num_batches[..]))
            } else {
                Ok(Cow::Borrowed(&self.tensor(name)?.bytes[..]))
            }
        };
        let (config, data, progress) = (&config, &data, self.progress);
        let contents = CheckpointContents { tensors, bytes: &bytes, config, data, progress };
        contents.write_with_metadata(path, self.metadata()?)
    }

    /// Returns the configuration with absolute paths reduced to their file names.
    fn portable_config(&self) -> ResolvedConfig {
        let mut config = self.config.clone();
        for path in [&mut config.data.source, &mut config.out, &mut config.model.weights] {
            *path = strip_folder(path);
        }
        config
    }

    /// Returns the preprocessing and the classes as metadata for other programs: keys with JSON
    /// values.
    pub(crate) fn metadata(&self) -> Result<Vec<(&'static str, String)>> {
        let transform = &self.config.transform;
        // With a mean image, the channel means are not subtracted, so they must not be exported.
        let mean = if transform.pixel_mean {
            ("pixelMean", "true".into())
        } else {
            ("mean", json(&transform.mean)?)
        };
        Ok(vec![
            ("arch", self.network.name.clone()),
            ("classes", json(&self.data.classes)?),
            ("channels", self.network.channels.to_string()),
            ("imageSize", self.network.image_size.to_string()),
            ("resize", transform.eval_resize.to_string()),
            mean,
            ("std", json(&transform.std)?),
        ])
    }

    /// Returns the shape of a tensor and its elements in float32.
    pub(crate) fn tensor_f32(&self, name: &str) -> Result<(&[usize], Vec<f32>)> {
        let tensor = self.tensor(name)?;
        let values = tensor.to_f32().ok_or_else(|| {
            let message = format!("`{name}` has the unsupported dtype {:?}", tensor.dtype);
            Error::new(ErrorCode::Mismatch, message)
        })?;
        Ok((&tensor.shape, values))
    }

    fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| {
            Error::new(ErrorCode::Mismatch, format!("missing key in the weights: `{name}`"))
        })
    }

    /// Checks that every tensor of the network is present with its shape.
    fn check(&self) -> Result<()> {
        for expected in self.network.tensors() {
            let tensor = self.tensor(&expected.name)?;
            let shape: Vec<u64> = tensor.shape.iter().map(|&n| n as u64).collect();
            if shape != expected.shape {
                let message = format!(
                    "size mismatch: `{}` has shape {shape:?}, expected {:?}",
                    expected.name, expected.shape
                );
                return Err(Error::new(ErrorCode::Mismatch, message));
            }
        }
        Ok(())
    }
}

/// Returns the file name of an absolute path, and any other text unchanged.
fn strip_folder(text: &str) -> String {
    let path = PathBuf::from(text);
    match path.file_name() {
        Some(name) if path.is_absolute() => name.to_string_lossy().into_owned(),
        _ => text.to_string(),
    }
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|cause| Error::new(ErrorCode::Internal, cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::checkpoint_of;
    use crate::{EMA_PREFIX, read_safetensors};

    /// Writes a checkpoint of a network to a temporary folder.
    fn write_checkpoint(arch: &str) -> (tempfile::TempDir, PathBuf, Checkpoint) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        let checkpoint = checkpoint_of(arch, 32);
        checkpoint.write(&path).unwrap();
        (folder, path, checkpoint)
    }

    fn export(from: &Path, to: &str) -> Result<PathBuf> {
        let to = from.with_file_name(to);
        export_checkpoint(from, &to, ExportOptions::default()).map(|_| to)
    }

    #[test]
    fn exported_weights_are_a_checkpoint_without_optimizer_state() {
        let (_folder, path, saved) = write_checkpoint("resnet8");
        let exported = Checkpoint::read(&export(&path, "x.safetensors").unwrap()).unwrap();
        for (name, tensor) in &saved.tensors {
            if name.starts_with("optimizer.") {
                assert!(!exported.tensors.contains_key(name));
            } else {
                assert_eq!(exported.tensors[name], *tensor, "{name}");
            }
        }
        assert_eq!(exported.data.classes, saved.data.classes);
        assert_eq!(exported.config.transform, saved.config.transform);
        let tracked = &exported.tensors["bn1.num_batches_tracked"];
        assert_eq!((tracked.dtype, tracked.shape.len()), (DType::I64, 0));
        assert_eq!(tracked.bytes, 99i64.to_le_bytes());
    }

    #[test]
    fn exports_the_moving_average_instead_of_the_weights() {
        let (_folder, path, mut saved) = write_checkpoint("resnet8");
        let mut ema = saved.tensors["fc.bias"].clone();
        ema.bytes.fill(7);
        saved.tensors.insert(format!("{EMA_PREFIX}fc.bias"), ema.clone());
        saved.write(&path).unwrap();
        let exported = read_safetensors(&export(&path, "x.safetensors").unwrap()).unwrap();
        assert_eq!(exported["fc.bias"], ema);
        assert!(!exported.keys().any(|name| name.starts_with(EMA_PREFIX)));
    }

    #[test]
    fn removes_absolute_paths() {
        let (_folder, path, mut saved) = write_checkpoint("resnet8");
        saved.config.data.source = "/home/ada/photos".into();
        saved.config.out = "/home/ada/runs/one".into();
        saved.data.source = "/home/ada/photos".into();
        saved.write(&path).unwrap();
        let text = std::fs::read(export(&path, "x.safetensors").unwrap()).unwrap();
        assert!(!text.windows(9).any(|window| window == b"/home/ada"));
    }

    /// The fixture is torchvision's, written by `scripts/fixtures/state_dicts.py`.
    #[test]
    fn keys_and_shapes_equal_torchvisions_state_dicts() {
        let fixture: Value =
            serde_json::from_str(include_str!("../tests/fixtures/state_dicts.json")).unwrap();
        for (arch, entries) in fixture.as_object().unwrap() {
            let (_folder, path, _) = write_checkpoint(arch);
            let exported = read_safetensors(&export(&path, "x.safetensors").unwrap()).unwrap();
            let expected: BTreeMap<&str, &Value> =
                entries.as_object().unwrap().iter().map(|(k, v)| (k.as_str(), v)).collect();
            assert!(exported.keys().map(String::as_str).eq(expected.keys().copied()), "{arch}");
            for (name, tensor) in &exported {
                assert_eq!(serde_json::json!(tensor.shape), *expected[name.as_str()], "{name}");
                let is_counter = name.ends_with("num_batches_tracked");
                assert_eq!(tensor.dtype, if is_counter { DType::I64 } else { DType::F32 });
            }
        }
    }

    #[test]
    fn rejects_other_extensions_and_onnx_options_for_safetensors() {
        let (_folder, path, _) = write_checkpoint("resnet8");
        for name in ["x.pt", "x", "x.onnx.txt"] {
            let error = export(&path, name).unwrap_err();
            assert_eq!(error.code, ErrorCode::Usage);
            assert!(error.hint.unwrap().contains(".safetensors or .onnx"));
        }
        let options = ExportOptions { softmax: true, ..ExportOptions::default() };
        let to = path.with_file_name("x.safetensors");
        let error = export_checkpoint(&path, &to, options).unwrap_err();
        assert_eq!((error.code, to.exists()), (ErrorCode::Usage, false));
    }

    #[test]
    fn names_a_missing_key_and_a_size_mismatch() {
        let (_folder, path, mut saved) = write_checkpoint("resnet8");
        let bias = saved.tensors.get_mut("fc.bias").unwrap();
        (bias.shape, bias.bytes) = (vec![1], vec![0; 4]);
        saved.write(&path).unwrap();
        let error = export(&path, "x.onnx").unwrap_err();
        assert_eq!(error.code, ErrorCode::Mismatch);
        assert!(error.message.contains("fc.bias"), "{error}");
        saved.tensors.remove("fc.bias");
        saved.write(&path).unwrap();
        assert!(
            export(&path, "x.onnx")
                .unwrap_err()
                .message
                .contains("missing key in the weights: `fc.bias`")
        );
    }
}
