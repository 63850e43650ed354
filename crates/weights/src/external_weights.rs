//! Weights without the metadata of a residual checkpoint. The network is inferred from the keys and
//! shapes; classes, image size and normalization are assumed unless options set them.

use std::collections::BTreeMap;
use std::path::Path;

use residual_arch::Network;
use residual_data::cifar10_class_names;
use residual_spec::{
    Auto, DataConfig, DatasetInfo, Error, ErrorCode, InspectTarget, LoadConfig, LoadOptions,
    MachineInfo, ModelConfig, NameOr, ResolvedConfig, Result, Stem, TrainConfig, resolve,
    resolve_load,
};
use serde_json::{Value, json};

use crate::infer_arch::missing_head;
use crate::{StateDict, Tensor, infer_arch};

/// A network with external weights and the configuration for inference.
pub struct ExternalWeights {
    pub config: ResolvedConfig,
    pub data: DatasetInfo,
    pub network: Network,
    pub tensors: BTreeMap<String, Tensor>,
    /// Assumptions as phrases, each with the option that overrides it.
    pub assumed: Vec<String>,
    /// Warnings about the file, as in [`StateDict::warnings`].
    pub warnings: Vec<String>,
    /// Whether the class names are assumed.
    pub has_default_classes: bool,
    /// Position of the run, as in a checkpoint. Empty, since the file does not record the training.
    pub progress: Value,
}

impl ExternalWeights {
    /// Reads a file of weights and infers its network. `options` override the assumptions.
    ///
    /// # Errors
    /// `E_CHECKPOINT` for an unusable file, `E_MISMATCH` if the weights match no known network or
    /// not the network of `options`, `E_CONFIG` if the number of class names is wrong.
    pub fn read(
        path: &Path,
        options: &LoadConfig,
        machine: &MachineInfo,
    ) -> Result<ExternalWeights> {
        let state = StateDict::read(path)?;
        let model =
            options.model.as_ref().map(NameOr::<ModelConfig>::to_config).unwrap_or_default();
        if let Some(reason) = &state.unusable_head {
            return Err(missing_head(&format!("cannot be used: {reason}")).file(path));
        }
        let (target, _) = infer_arch(&state.tensors, &model).map_err(|error| error.file(path))?;
        let stem = target.model.stem;
        let mut assumed = vec![format!(
            "the network is {} with the {} stem, inferred from the state_dict keys ({})",
            target.model.arch,
            if stem == Stem::Cifar { "CIFAR" } else { "ImageNet" },
            state.key_map,
        )];

        let has_default_classes = options.classes.is_none();
        let classes = class_names(options, &target, &mut assumed)?;
        let LoadOptions { image_size: size, transform, precision } = resolve_load(options, stem);
        if options.image_size.is_none() {
            assumed.push(format!("images are {size} x {size} (`imageSize`)"));
        }
        if transform.mean.is_none() || transform.std.is_none() {
            assumed.push(
                "images are normalized with ImageNet's mean and standard deviation \
                 (`transform.mean`, `transform.std`)"
                    .into(),
            );
        }

        let source = path.display().to_string();
        let data = DatasetInfo {
            source: source.clone(),
            ..DatasetInfo::unknown(classes, target.channels, Some([size, size]))
        };
        let config = TrainConfig {
            data: Some(NameOr::Config(DataConfig {
                source: Some(source),
                image_size: Some(Auto::Value(size)),
                ..DataConfig::default()
            })),
            model: Some(NameOr::Config(ModelConfig {
                arch: Some(Auto::Value(target.model.arch.clone())),
                stem: Some(Auto::Value(stem)),
                shortcut: Some(Auto::Value(target.model.shortcut)),
                ..model
            })),
            transform: Some(transform),
            precision: Some(Auto::Value(precision)),
            device: options.device.map(Auto::Value),
            ..TrainConfig::default()
        };
        let config = resolve(&config, &data, machine)?;
        let network = residual_arch::build(&config.model, target.channels, size, target.classes)
            .map_err(|error| error.file(path))?;
        Ok(ExternalWeights {
            config,
            data,
            network,
            tensors: state.tensors,
            assumed,
            warnings: state.warnings,
            has_default_classes,
            progress: json!({}),
        })
    }
}

/// Returns the class names of `options`, or assumes them.
fn class_names(
    options: &LoadConfig,
    target: &InspectTarget,
    assumed: &mut Vec<String>,
) -> Result<Vec<String>> {
    let count = target.classes as usize;
    match &options.classes {
        Some(names) if names.len() == count => Ok(names.clone()),
        Some(names) => {
            let message =
                format!("`classes` has {} names, but the network has {count} outputs", names.len());
            Err(Error::new(ErrorCode::Config, message)
                .key("classes")
                .hint("Set `classes` to one name for each output, in the order of the outputs."))
        }
        None if (target.model.stem, count, target.channels) == (Stem::Cifar, 10, 3) => {
            let assumption = "the classes are those of CIFAR-10, since there are ten (`classes`)";
            assumed.push(assumption.into());
            Ok(cifar10_class_names())
        }
        None => {
            assumed.push("the classes are numbered (`classes`)".into());
            Ok((0..count).map(|class| format!("class {class}")).collect())
        }
    }
}
