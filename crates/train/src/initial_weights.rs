//! Initial weights of a run (`model.weights`).

use std::path::{Path, PathBuf};

use residual_arch::Network;
use residual_spec::{
    Auto, DatasetInfo, Error, ErrorCode, IMAGENET_MEAN, IMAGENET_STD, NameOr, RANDOM_INIT,
    ResolvedConfig, Result, Stem, TrainConfig, WarningEvent,
};
use residual_weights::{
    AdaptedStateDict, Checkpoint, CheckpointChoice, IMAGENET, NewHead, PublishedWeights, StateDict,
    adapt_state_dict, check_finite, infer_backbone_arch, is_checkpoint, open_intact, sha256,
};

/// Configuration key of the initial weights.
const WEIGHTS_KEY: &str = "model.weights";
/// Reason for choosing ImageNet weights automatically.
const FEW_IMAGES_REASON: &str =
    "few photographs: pretraining on ImageNet helps (Kornblith et al. 2019)";

/// The weights that a run starts from, before the network is resolved.
#[derive(Default)]
pub(crate) struct InitialWeights {
    file: Option<WeightsFile>,
    /// Reasons for the configuration values that follow from the weights, by key.
    reasons: Vec<(&'static str, String)>,
    warnings: Vec<WarningEvent>,
}

struct WeightsFile {
    path: PathBuf,
    sha256: String,
    state: StateDict,
}

/// The initial weights, adapted to the network.
#[derive(Default)]
pub(crate) struct AdaptedWeights {
    /// `None` to initialize all weights at random.
    pub weights: Option<AdaptedStateDict>,
    pub warnings: Vec<WarningEvent>,
}

/// A weights file to read.
struct Source {
    path: PathBuf,
    is_published: bool,
    /// Reason for choosing the weights automatically; `None` for configured weights.
    auto_reason: Option<&'static str>,
}

impl InitialWeights {
    /// Reads the configured or the default weights. Sets the missing keys of `input` that follow
    /// from the weights: network and image preprocessing.
    ///
    /// # Errors
    /// `E_CHECKPOINT` if the file is missing or unusable; `E_MISMATCH` if the weights do not match
    /// the configured network, or the hash of the file differs from `weightsSha256`.
    pub fn read(input: &mut TrainConfig, facts: &DatasetInfo) -> Result<InitialWeights> {
        let mut initial = InitialWeights::default();
        match initial.source(input, facts)? {
            Some(source) => initial.load(source, input),
            None => Ok(initial),
        }
    }

    fn load(mut self, source: Source, input: &mut TrainConfig) -> Result<InitialWeights> {
        let model = input.model();
        let hash = sha256(&source.path)?;
        if model
            .weights_sha256
            .as_ref()
            .is_some_and(|expected| !hash.eq_ignore_ascii_case(expected))
        {
            let message = format!(
                "the SHA-256 hash of {} differs from `model.weightsSha256`",
                source.path.display()
            );
            return Err(Error::new(ErrorCode::Mismatch, message)
                .key("model.weightsSha256")
                .file(&source.path)
                .hint("Restore the file, or remove `model.weightsSha256`."));
        }
        let state = StateDict::read(&source.path).map_err(|error| error.key(WEIGHTS_KEY))?;
        self.apply(input, &source, &state)?;
        self.warnings.extend(file_warnings(&state, &source.path));
        self.file = Some(WeightsFile { path: source.path, sha256: hash, state });
        Ok(self)
    }

    /// Returns the weights file to read; `None` to initialize all weights at random.
    fn source(&mut self, input: &TrainConfig, facts: &DatasetInfo) -> Result<Option<Source>> {
        let model = input.model();
        let published =
            |path, auto_reason| Ok(Some(Source { path, is_published: true, auto_reason }));
        match model.weights.as_ref().and_then(Auto::value).map(String::as_str) {
            Some(RANDOM_INIT) => Ok(None),
            Some(IMAGENET) => {
                let arch = model.arch.as_ref().and_then(Auto::value);
                published(PublishedWeights::for_arch(arch.map(String::as_str))?.find()?, None)
            }
            Some(path) => {
                let path = self.find_file(Path::new(path))?;
                Ok(Some(Source { path, is_published: false, auto_reason: None }))
            }
            None => match PublishedWeights::default_for(input, facts) {
                Err(reason) => {
                    self.reasons.push((WEIGHTS_KEY, reason));
                    Ok(None)
                }
                Ok(file) => match file.find() {
                    Ok(path) => published(path, Some(FEW_IMAGES_REASON)),
                    Err(error) => {
                        self.reasons.push((
                            WEIGHTS_KEY,
                            "the ImageNet weights are not available (see the warning)".into(),
                        ));
                        self.warnings.push(file.missing_warning(&error));
                        Ok(None)
                    }
                },
            },
        }
    }

    /// Returns the path of a file of weights, or of the best intact checkpoint of a run folder. Reads
    /// the checkpoints of a run folder to verify them; a file is verified later, when it is read.
    fn find_file(&mut self, path: &Path) -> Result<PathBuf> {
        let is_run = path.is_dir();
        let verify = |file: &Path| {
            if is_run { StateDict::read(file).map(drop) } else { Ok(()) }
        };
        let found = open_intact(path, CheckpointChoice::Best, verify)
            .map_err(|error| error.key(WEIGHTS_KEY))?;
        self.warnings.extend(found.warning);
        Ok(if is_run { found.path } else { path.to_path_buf() })
    }

    /// Sets the missing keys of `input` that follow from the weights.
    fn apply(&mut self, input: &mut TrainConfig, source: &Source, state: &StateDict) -> Result<()> {
        let path = &source.path;
        let mut model = input.model();
        if source.auto_reason.is_some() {
            model.weights = Some(Auto::Value(IMAGENET.into()));
        }
        let checkpoint_config =
            if is_checkpoint(path)? { Some(Checkpoint::read_header(path)?.config) } else { None };
        let (target, _) =
            infer_backbone_arch(&state.tensors, &model).map_err(|error| error.file(path))?;
        let reason = match source.auto_reason {
            Some(_) => "as in torchvision's weights".to_string(),
            None => format!("as in {}", path.display()),
        };
        self.reasons.extend(source.auto_reason.map(|reason| (WEIGHTS_KEY, reason.to_string())));
        let mut set_reason = |key: &'static str| self.reasons.push((key, reason.clone()));
        if is_auto(&model.arch) {
            model.arch = Some(Auto::Value(target.model.arch.clone()));
            set_reason("model.arch");
        }
        if is_auto(&model.stem) {
            model.stem = Some(Auto::Value(target.model.stem));
            set_reason("model.stem");
        }
        if is_auto(&model.shortcut) {
            model.shortcut = Some(Auto::Value(target.model.shortcut));
            set_reason("model.shortcut");
        }
        let mut data = input.data();
        if is_auto(&data.channels) {
            data.channels = Some(Auto::Value(target.channels));
            set_reason("data.channels");
        }
        let is_trained_on_small_images = match target.model.stem {
            Stem::Cifar => true,
            Stem::Imagenet => false,
        };
        if is_auto(&data.image_size) && is_trained_on_small_images {
            let size = checkpoint_config.as_ref().map_or(32, |config| config.data.image_size);
            data.image_size = Some(Auto::Value(size));
            set_reason("data.imageSize");
        }
        let normalization = match checkpoint_config {
            Some(config) => {
                model.bottleneck_stride.get_or_insert(config.model.bottleneck_stride);
                let transform = config.transform;
                (!transform.pixel_mean).then_some((transform.mean, transform.std))
            }
            None => source.is_published.then(|| (IMAGENET_MEAN.to_vec(), IMAGENET_STD.to_vec())),
        };
        let mut transform = input.transform.clone().unwrap_or_default();
        if let (Some((mean, std)), true) =
            (normalization, is_auto(&transform.mean) && is_auto(&transform.std))
        {
            transform.mean = Some(Auto::Value(mean));
            transform.std = Some(Auto::Value(std));
            set_reason("transform.mean");
            set_reason("transform.std");
            input.transform = Some(transform);
        }
        input.data = Some(NameOr::Config(data));
        input.model = Some(NameOr::Config(model));
        Ok(())
    }

    /// Adapts the weights to the network, and records their hash and the reasons in `config`.
    ///
    /// # Errors
    /// `E_MISMATCH` if tensors do not match the network.
    pub fn adapt(self, config: &mut ResolvedConfig, network: &Network) -> Result<AdaptedWeights> {
        let is_auto = self.reasons.iter().any(|(key, _)| *key == WEIGHTS_KEY);
        config
            .reasons
            .extend(self.reasons.into_iter().map(|(key, reason)| (key.to_string(), reason)));
        let mut adapted = AdaptedWeights { weights: None, warnings: self.warnings };
        if let Some(WeightsFile { path, sha256, state }) = self.file {
            config.model.weights_sha256 = Some(sha256);
            let state = adapt_state_dict(network, state.tensors, config.seed);
            let state = state.map_err(|error| error.file(&path))?;
            check_finite(&state.tensors).map_err(|error| error.key(WEIGHTS_KEY).file(&path))?;
            // A new head is expected if the weights were chosen automatically.
            let head = state.new_head.filter(|_| !is_auto);
            adapted.warnings.extend(head.map(|head| new_head_warning(head, &path)));
            adapted.weights = Some(state);
        }
        Ok(adapted)
    }
}

/// Returns the warnings about a weights file.
fn file_warnings(state: &StateDict, path: &Path) -> Vec<WarningEvent> {
    let unusable_head = state.unusable_head.as_ref();
    let unusable_head = unusable_head
        .map(|reason| format!("the classification head of the file cannot be used: {reason}"));
    let file = Some(path.display().to_string());
    let warning = |message: String| WarningEvent {
        code: ErrorCode::Mismatch,
        message,
        file: file.clone(),
        hint: None,
    };
    state.warnings.iter().cloned().chain(unusable_head).map(warning).collect()
}

fn new_head_warning(NewHead { from, to }: NewHead, path: &Path) -> WarningEvent {
    let message = match from {
        Some(from) => {
            format!("the classifier head is initialized at random: {from} -> {to} classes")
        }
        None => format!(
            "the classifier head is initialized at random for {to} classes: the weights have no \
             head"
        ),
    };
    let file = Some(path.display().to_string());
    WarningEvent { code: ErrorCode::Mismatch, message, file, hint: None }
}

fn is_auto<T>(value: &Option<Auto<T>>) -> bool {
    value.as_ref().and_then(Auto::value).is_none()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use residual_spec::{MachineInfo, resolve};
    use residual_weights::{DType, KeyMap, Tensor};
    use serde_json::{Value, json};

    use super::*;

    /// Returns the facts of a data set of photographs in two classes.
    fn facts() -> DatasetInfo {
        DatasetInfo {
            source: "./photos".into(),
            median_short_side: Some(375),
            train: 244,
            val: 153,
            ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, None)
        }
    }

    fn parse(config: Value) -> TrainConfig {
        TrainConfig::from_json(&config).unwrap()
    }

    fn resolved(input: &TrainConfig) -> ResolvedConfig {
        let machine = MachineInfo::with_cores(1);
        resolve(input, &facts(), &machine).unwrap()
    }

    fn network(config: &ResolvedConfig, classes: u32) -> Network {
        residual_arch::build(&config.model, 3, config.data.image_size, classes).unwrap()
    }

    /// Returns a state dict with the keys and shapes of torchvision's ResNet-18. All values are
    /// zero.
    fn torchvision_resnet18() -> StateDict {
        let zeros = |shape: Vec<usize>| {
            let bytes = vec![0; 4 * shape.iter().product::<usize>()];
            Tensor { dtype: DType::F32, shape, bytes }
        };
        let tensors = network(&resolved(&parse(json!({ "model": "resnet18" }))), 1000).tensors();
        let tensors = tensors
            .into_iter()
            .map(|tensor| (tensor.name, zeros(tensor.shape.iter().map(|&n| n as usize).collect())));
        StateDict {
            key_map: KeyMap::Torchvision,
            tensors: tensors.collect(),
            warnings: Vec::new(),
            unusable_head: None,
        }
    }

    /// Returns the resolved configuration and the adapted weights of a run that starts from the
    /// weights of [`torchvision_resnet18`].
    fn adapted(
        config: Value,
        auto_reason: Option<&'static str>,
    ) -> (ResolvedConfig, AdaptedWeights) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        // The signature of a zip archive, which torch.save writes.
        file.write_all(b"PK\x03\x04").unwrap();
        let path = file.path().to_path_buf();
        let (state, mut input) = (torchvision_resnet18(), parse(config));
        let source = Source { path: path.clone(), is_published: true, auto_reason };
        let mut initial = InitialWeights::default();
        initial.apply(&mut input, &source, &state).unwrap();
        initial.file = Some(WeightsFile { path, sha256: "f37072fd".into(), state });
        let mut config = resolved(&input);
        let network = network(&config, 2);
        let adapted = initial.adapt(&mut config, &network).unwrap();
        (config, adapted)
    }

    #[test]
    fn automatic_weights_are_explained_by_reasons_instead_of_warnings() {
        let (config, adapted) = adapted(json!({}), Some(FEW_IMAGES_REASON));
        assert_eq!(config.model.weights, IMAGENET);
        assert_eq!(config.model.weights_sha256.as_deref(), Some("f37072fd"));
        assert_eq!((config.model.arch.as_str(), config.data.image_size), ("resnet18", 224));
        assert_eq!(
            (config.transform.mean, config.transform.std),
            (IMAGENET_MEAN.to_vec(), IMAGENET_STD.to_vec())
        );
        assert_eq!((config.optimizer.lr(), config.warmup.epochs), (0.01, 1.0));
        assert_eq!(config.reasons[WEIGHTS_KEY], FEW_IMAGES_REASON);
        assert!(config.reasons["model.arch"].starts_with("as in "));
        assert!(adapted.warnings.is_empty());
        let weights = adapted.weights.unwrap();
        assert_eq!(weights.new_head, Some(NewHead { from: Some(1000), to: 2 }));
        assert_eq!(weights.tensors["fc.weight"].shape, [2, 512]);
    }

    #[test]
    fn configured_weights_warn_about_a_new_head() {
        let (config, adapted) = adapted(json!({ "model": { "weights": "imagenet" } }), None);
        assert!(!config.reasons.contains_key(WEIGHTS_KEY));
        assert_eq!(
            adapted.warnings[0].message,
            "the classifier head is initialized at random: 1000 -> 2 classes"
        );
    }

    #[test]
    fn configured_values_override_those_of_the_weights() {
        let config = json!({ "transform": { "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5] } });
        let (config, _) = adapted(config, Some(FEW_IMAGES_REASON));
        assert_eq!((config.data.channels, config.transform.mean), (3, vec![0.5; 3]));
    }

    #[test]
    fn warns_and_initializes_at_random_if_the_weights_are_missing() {
        let mut missing = parse(json!({ "model": "resnet34" }));
        let initial = InitialWeights::read(&mut missing, &facts()).unwrap();
        let mut config = resolved(&missing);
        let network = network(&config, 2);
        let adapted = initial.adapt(&mut config, &network).unwrap();
        assert_eq!(config.model.weights, RANDOM_INIT);
        assert!(config.reasons[WEIGHTS_KEY].contains("warning"));
        assert_eq!(config.data.image_size, 128);
        let [warning] = adapted.warnings.as_slice() else { panic!("{:?}", adapted.warnings) };
        assert_eq!(warning.code, ErrorCode::Download);
        assert!(warning.message.contains("resnet34"), "{warning:?}");
        assert!(warning.hint.as_ref().unwrap().contains("resnet34-b627a593.pth (87.3 MB)"));
    }

    #[test]
    fn does_not_warn_if_no_weights_are_requested_or_published() {
        for (model, reason) in [
            (json!({ "weights": "none" }), None),
            (json!("resnet20"), Some("there are no ImageNet weights for resnet20")),
        ] {
            let mut input = parse(json!({ "model": model }));
            let initial = InitialWeights::read(&mut input, &facts()).unwrap();
            let mut config = resolved(&input);
            let network = network(&config, 2);
            let adapted = initial.adapt(&mut config, &network).unwrap();
            assert!(adapted.warnings.is_empty() && adapted.weights.is_none());
            assert_eq!(config.reasons.get(WEIGHTS_KEY).map(String::as_str), reason);
        }
    }
}
