//! A trained network for others: weights alone as .safetensors, or the whole network as .onnx.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use residual_arch::Network;
use residual_spec::{
    DatasetInfo, Error, ErrorCode, ExportConfig, LoadConfig, MachineInfo, ResolvedConfig, Result,
};
use serde::Serialize;
use serde_json::Value;

use crate::checkpoint::{Checkpoint, is_checkpoint};
use crate::find_checkpoint::{CheckpointChoice, find_checkpoint};
use crate::tensor::{DType, Tensor, TensorInfo};
use crate::{CheckpointContents, ExternalWeights, PIXEL_MEAN, onnx};

/// Behind the name of a normalisation: how often PyTorch moved its statistics.
const TRACKED: &str = ".num_batches_tracked";

/// What goes into an ONNX file beside the network: [`ExportConfig`], resolved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// End in probabilities instead of logits.
    pub softmax: bool,
    /// Begin with pixels from 0 to 1 instead of normalised ones.
    pub normalization: bool,
}

impl From<&ExportConfig> for ExportOptions {
    fn from(said: &ExportConfig) -> ExportOptions {
        ExportOptions {
            softmax: said.softmax.unwrap_or(false),
            normalization: said.normalization.unwrap_or(false),
        }
    }
}

/// A network and what a file needs to say about it.
pub struct Export<'a> {
    pub network: &'a Network,
    /// By torchvision's names; what the network does not have is left out.
    pub tensors: &'a BTreeMap<String, Tensor>,
    pub config: &'a ResolvedConfig,
    pub data: &'a DatasetInfo,
    /// How far the run had come.
    pub progress: &'a Value,
    pub options: ExportOptions,
}

/// The forms that a file may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Safetensors,
    Onnx,
}

impl Form {
    /// # Errors
    /// `E_USAGE` for an ending that says neither.
    fn of(path: &Path) -> Result<Form> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "safetensors" => Ok(Form::Safetensors),
            "onnx" => Ok(Form::Onnx),
            _ => Err(Error::new(
                ErrorCode::Usage,
                format!("a network cannot be exported as '{}'", path.display()),
            )
            .key("path")
            .hint("Let the file's name end in .safetensors or .onnx.")),
        }
    }
}

/// Exports the network of a run folder (its best checkpoint) or of a checkpoint, its moving average
/// where the run kept one; or that of weights of others.
///
/// # Errors
/// As [`find_checkpoint`], [`Checkpoint::read`] and [`Export::write`] have them.
pub fn export_checkpoint(from: &Path, to: &Path, options: ExportOptions) -> Result<()> {
    Form::of(to)?;
    let from = &find_checkpoint(from, CheckpointChoice::Best)?;
    if !is_checkpoint(from)? {
        // Nothing is computed here, whatever this machine can do.
        let machine = MachineInfo::with_cores(1);
        let ExternalWeights { network, tensors, config, data, progress, .. } =
            ExternalWeights::read(from, &LoadConfig::default(), &machine)?;
        let (network, tensors, config) = (&network, &tensors, &config);
        return Export { network, tensors, config, data: &data, progress: &progress, options }
            .write(to);
    }
    let checkpoint = Checkpoint::read(from)?;
    let data = &checkpoint.config.data;
    let network = residual_arch::build(
        &checkpoint.config.model,
        data.channels,
        data.image_size,
        checkpoint.data.classes.len() as u32,
    )
    .map_err(|error| error.file(from))?;
    Export {
        network: &network,
        tensors: &checkpoint.tensors,
        config: &checkpoint.config,
        data: &checkpoint.data,
        progress: &checkpoint.progress,
        options,
    }
    .write(to)
}

impl Export<'_> {
    /// Writes the file in the form that its ending names, or leaves what was there.
    ///
    /// # Errors
    /// `E_USAGE` for another ending, options that the form cannot have, or an ONNX file of more
    /// than 2 GB; `E_MISMATCH` if a tensor is missing or of another shape; `E_WRITE`.
    pub fn write(&self, path: &Path) -> Result<()> {
        let form = Form::of(path)?;
        self.check()?;
        match form {
            Form::Onnx => onnx::write(self, path),
            Form::Safetensors => {
                if self.options != ExportOptions::default() {
                    let message = "softmax and normalization can only be put inside an ONNX file";
                    return Err(Error::new(ErrorCode::Usage, message)
                        .key("path")
                        .hint("Leave them out, or let the file's name end in .onnx."));
                }
                self.write_safetensors(path)
            }
        }
    }

    /// Every entry of torchvision's `state_dict` and no other (but a mean image, where the network
    /// needs one), so that it loads with `strict=True`. What the run was stands in the metadata, so that it can be used here too.
    fn write_safetensors(&self, path: &Path) -> Result<()> {
        let updates = self.progress["step"].as_i64().unwrap_or(0).to_le_bytes();
        let mut tensors = BTreeMap::new();
        for spec in self.network.tensors() {
            let tensor = self.tensor(&spec.name)?;
            if let Some(norm) = spec.name.strip_suffix(".running_var") {
                let tracked = TensorInfo { dtype: DType::I64, shape: vec![] };
                tensors.insert(format!("{norm}{TRACKED}"), tracked);
            }
            tensors.insert(spec.name, tensor.info());
        }
        // Without it the network cannot be used; `strict=True` asks for it to be taken out.
        if self.config.transform.pixel_mean {
            tensors.insert(PIXEL_MEAN.into(), self.tensor(PIXEL_MEAN)?.info());
        }
        let config = self.for_others();
        let mut data = self.data.clone();
        data.source = config.data.source.clone();
        let bytes = |name: &str| match name.ends_with(TRACKED) {
            true => Ok(Cow::Borrowed(&updates[..])),
            false => Ok(Cow::Borrowed(&self.tensor(name)?.bytes[..])),
        };
        let (config, data, progress) = (&config, &data, self.progress);
        let contents = CheckpointContents { tensors, bytes: &bytes, config, data, progress };
        contents.write_with(path, self.facts()?)
    }

    /// The configuration without the places on this machine.
    fn for_others(&self) -> ResolvedConfig {
        let mut config = self.config.clone();
        for place in [&mut config.data.source, &mut config.out, &mut config.model.weights] {
            *place = last_part(place);
        }
        config.resume = None;
        config
    }

    /// What a reader needs to use the network, as JSON texts.
    pub(crate) fn facts(&self) -> Result<Vec<(&'static str, String)>> {
        let transform = &self.config.transform;
        // Constants that are not what is subtracted would be believed.
        let subtracted = match transform.pixel_mean {
            true => ("pixelMean", "true".into()),
            false => ("mean", json(&transform.mean)?),
        };
        Ok(vec![
            ("arch", self.network.name.clone()),
            ("classes", json(&self.data.classes)?),
            ("channels", self.network.channels.to_string()),
            ("imageSize", self.network.image_size.to_string()),
            ("resize", transform.eval_resize.to_string()),
            subtracted,
            ("std", json(&transform.std)?),
        ])
    }

    /// One of the network's tensors in float32.
    pub(crate) fn floats(&self, name: &str) -> Result<(&[usize], Vec<f32>)> {
        let tensor = self.tensor(name)?;
        let values = tensor.floats().ok_or_else(|| {
            let message = format!("`{name}` has type {:?}, which no weight has", tensor.dtype);
            Error::new(ErrorCode::Mismatch, message)
        })?;
        Ok((&tensor.shape, values))
    }

    fn tensor(&self, name: &str) -> Result<&Tensor> {
        self.tensors
            .get(name)
            .ok_or_else(|| Error::new(ErrorCode::Mismatch, format!("the weights have no `{name}`")))
    }

    /// # Errors
    /// `E_MISMATCH` if a tensor is missing or of another shape.
    fn check(&self) -> Result<()> {
        for wanted in self.network.tensors() {
            let found = self.tensor(&wanted.name)?;
            let shape: Vec<u64> = found.shape.iter().map(|&n| n as u64).collect();
            if shape != wanted.shape {
                let message = format!(
                    "`{}` is {shape:?}, but the network needs {:?}",
                    wanted.name, wanted.shape
                );
                return Err(Error::new(ErrorCode::Mismatch, message));
            }
        }
        Ok(())
    }
}

/// An absolute path's last part; anything else as it is.
fn last_part(place: &str) -> String {
    let path = PathBuf::from(place);
    match path.file_name() {
        Some(name) if path.is_absolute() => name.to_string_lossy().into_owned(),
        _ => place.to_string(),
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

    /// A checkpoint of a network with its initial weights, in a folder.
    fn saved(arch: &str) -> (tempfile::TempDir, PathBuf, Checkpoint) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        let checkpoint = checkpoint_of(arch, 32);
        checkpoint.write(&path).unwrap();
        (folder, path, checkpoint)
    }

    fn export(from: &Path, to: &str) -> Result<PathBuf> {
        let to = from.with_file_name(to);
        export_checkpoint(from, &to, ExportOptions::default()).map(|()| to)
    }

    #[test]
    fn weights_alone_are_a_checkpoint_that_says_the_same() {
        let (_folder, path, saved) = saved("resnet8");
        let exported = Checkpoint::read(&export(&path, "x.safetensors").unwrap()).unwrap();
        for (name, tensor) in &saved.tensors {
            match name.starts_with("optimizer.") {
                true => assert!(!exported.tensors.contains_key(name)),
                false => assert_eq!(exported.tensors[name], *tensor, "{name}"),
            }
        }
        assert_eq!(exported.data.classes, saved.data.classes);
        assert_eq!(exported.config.transform, saved.config.transform);
        let tracked = &exported.tensors["bn1.num_batches_tracked"];
        assert_eq!((tracked.dtype, tracked.shape.len()), (DType::I64, 0));
        assert_eq!(tracked.bytes, 99i64.to_le_bytes());
    }

    #[test]
    fn the_moving_average_is_exported_where_the_run_kept_one() {
        let (_folder, path, mut saved) = saved("resnet8");
        let mut average = saved.tensors["fc.bias"].clone();
        average.bytes.fill(7);
        saved.tensors.insert(format!("{EMA_PREFIX}fc.bias"), average.clone());
        saved.write(&path).unwrap();
        let exported = read_safetensors(&export(&path, "x.safetensors").unwrap()).unwrap();
        assert_eq!(exported["fc.bias"], average);
        assert!(!exported.keys().any(|name| name.starts_with(EMA_PREFIX)));
    }

    #[test]
    fn places_on_this_machine_stay_here() {
        let (_folder, path, mut saved) = saved("resnet8");
        saved.config.data.source = "/home/ada/photos".into();
        saved.config.out = "/home/ada/runs/one".into();
        saved.config.resume = Some("/home/ada/runs/zero".into());
        saved.data.source = "/home/ada/photos".into();
        saved.write(&path).unwrap();
        let text = std::fs::read(export(&path, "x.safetensors").unwrap()).unwrap();
        assert!(!text.windows(9).any(|window| window == b"/home/ada"));
    }

    /// `scripts/fixtures/state_dicts.py` asked torchvision for these.
    #[test]
    fn names_shapes_and_order_are_those_of_torchvisions_state_dicts() {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../tests/fixtures/state_dicts.json")).unwrap();
        for (arch, entries) in fixture.as_object().unwrap() {
            let (_folder, path, _) = saved(arch);
            let exported = read_safetensors(&export(&path, "x.safetensors").unwrap()).unwrap();
            let wanted: BTreeMap<&str, &Value> =
                entries.as_object().unwrap().iter().map(|(k, v)| (k.as_str(), v)).collect();
            assert!(exported.keys().map(String::as_str).eq(wanted.keys().copied()), "{arch}");
            for (name, tensor) in &exported {
                assert_eq!(serde_json::json!(tensor.shape), *wanted[name.as_str()], "{name}");
                let counted = name.ends_with("num_batches_tracked");
                assert_eq!(tensor.dtype, if counted { DType::I64 } else { DType::F32 });
            }
        }
    }

    #[test]
    fn another_ending_and_options_without_effect_are_refused() {
        let (_folder, path, _) = saved("resnet8");
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
    fn a_tensor_that_is_missing_or_misshapen_is_named() {
        let (_folder, path, mut saved) = saved("resnet8");
        let bias = saved.tensors.get_mut("fc.bias").unwrap();
        (bias.shape, bias.bytes) = (vec![1], vec![0; 4]);
        saved.write(&path).unwrap();
        let error = export(&path, "x.onnx").unwrap_err();
        assert_eq!(error.code, ErrorCode::Mismatch);
        assert!(error.message.contains("fc.bias"), "{error}");
        saved.tensors.remove("fc.bias");
        saved.write(&path).unwrap();
        assert!(export(&path, "x.onnx").unwrap_err().message.contains("no `fc.bias`"));
    }
}
