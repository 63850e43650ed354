//! Weights that come without the story of their run: what network they are of is found, and what
//! cannot be found is assumed and said.

use std::collections::BTreeMap;
use std::path::Path;

use residual_arch::Network;
use residual_data::cifar10_class_names;
use residual_spec::{
    Auto, DataConfig, DatasetInfo, Error, ErrorCode, LoadConfig, MachineInfo, ModelConfig, NameOr,
    Precision, ResolvedConfig, Result, Stem, TrainConfig, resolve,
};
use serde_json::{Value, json};

use crate::{StateDict, Tensor, infer_arch};

/// Everything that a model needs to be used.
pub struct ExternalWeights {
    pub config: ResolvedConfig,
    pub data: DatasetInfo,
    pub network: Network,
    pub tensors: BTreeMap<String, Tensor>,
    pub assumed: Vec<String>,
    /// Whether the classes' names were said by nobody.
    pub has_default_classes: bool,
    /// As a checkpoint has it; nothing is known of how these weights were trained.
    pub progress: Value,
}

impl ExternalWeights {
    /// # Errors
    /// `E_CHECKPOINT` for a file that cannot be used, `E_MISMATCH` for weights of no network that
    /// is known or asked for, `E_CONFIG` for other numbers of classes or channels.
    pub fn read(path: &Path, asked: &LoadConfig, machine: &MachineInfo) -> Result<ExternalWeights> {
        let state = StateDict::read(path)?;
        let model = asked.model.as_ref().map(NameOr::<ModelConfig>::to_config).unwrap_or_default();
        let (target, _) = infer_arch(&state.tensors, &model).map_err(|error| error.file(path))?;
        let (stem, count) = (target.model.stem, target.classes as usize);
        let mut assumed = vec![format!(
            "the network is {} with the {} stem, told by the names of its tensors ({})",
            target.model.arch,
            if stem == Stem::Cifar { "CIFAR" } else { "ImageNet" },
            state.key_map,
        )];

        let has_default_classes = asked.classes.is_none();
        let classes = match &asked.classes {
            Some(names) if names.len() == count => names.clone(),
            Some(names) => {
                let message = format!("{} names for {count} classes", names.len());
                return Err(Error::new(ErrorCode::Config, message)
                    .key("classes")
                    .hint("Give one name for each of the network's outputs, in their order."));
            }
            None if (stem, count, target.channels) == (Stem::Cifar, 10, 3) => {
                assumed.push("the classes are CIFAR-10's, for there are ten (`classes`)".into());
                cifar10_class_names()
            }
            None => {
                assumed.push("the classes have numbers instead of names (`classes`)".into());
                (0..count).map(|class| format!("class {class}")).collect()
            }
        };

        let size = asked.image_size.unwrap_or(if stem == Stem::Cifar { 32 } else { 224 });
        if asked.image_size.is_none() {
            assumed.push(format!("images are {size} x {size} (`imageSize`)"));
        }
        let mut transform = asked.transform.clone().unwrap_or_default();
        // They were trained on images that nobody reduced.
        transform.decode_short_side.get_or_insert(Auto::Value(0));
        if transform.mean.is_none() || transform.std.is_none() {
            assumed.push(
                "images are normalised by ImageNet's constants (`transform.mean`, `transform.std`)"
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
            precision: Some(Auto::Value(asked.precision.unwrap_or(Precision::Fp32))),
            device: asked.device.map(Auto::Value),
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
            has_default_classes,
            progress: json!({}),
        })
    }
}
