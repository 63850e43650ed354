//! Weights that a run begins with (`model.weights`).

use std::path::{Path, PathBuf};

use residual_arch::Network;
use residual_spec::{
    Auto, DatasetInfo, Error, ErrorCode, IMAGENET_MEAN, IMAGENET_STD, NameOr, RANDOM_INIT,
    ResolvedConfig, Result, Stem, TrainConfig, WarningEvent,
};
use residual_weights::{
    AdaptedStateDict, Checkpoint, CheckpointChoice, IMAGENET, NewHead, PublishedWeights, StateDict,
    adapt_state_dict, find_checkpoint, infer_backbone_arch, is_checkpoint, sha256,
};

/// What a run begins from, before the network is decided.
#[derive(Default)]
pub(crate) struct Begin {
    weights: Option<Weights>,
    /// Why values that were decided here are what they are, by key.
    reasons: Vec<(&'static str, String)>,
    warnings: Vec<WarningEvent>,
}

struct Weights {
    path: PathBuf,
    sha256: String,
    state: StateDict,
}

/// What a run begins from, as the network's.
#[derive(Default)]
pub(crate) struct Begun {
    /// None: from nothing.
    pub weights: Option<AdaptedStateDict>,
    /// What the owner should know.
    pub warnings: Vec<WarningEvent>,
}

/// Weights that are to be read.
struct Source {
    path: PathBuf,
    published: bool,
    /// Why, if nobody asked for them.
    chosen: Option<&'static str>,
}

impl Begin {
    /// Reads the weights that `asked` names, or that are to be taken where it leaves them open; and
    /// fills in what `asked` leaves open and they decide: the network, and how images are prepared
    /// for it.
    ///
    /// # Errors
    /// `E_CHECKPOINT` for a file that is not there or cannot be used; `E_MISMATCH` for weights of
    /// another network than the one asked for, or another file than `weightsSha256` says.
    pub fn read(asked: &mut TrainConfig, facts: &DatasetInfo) -> Result<Begin> {
        let mut begin = Begin::default();
        match begin.source(asked, facts)? {
            Some(source) => begin.take(source, asked),
            None => Ok(begin),
        }
    }

    fn take(mut self, source: Source, asked: &mut TrainConfig) -> Result<Begin> {
        let model = asked.model();
        let hash = sha256(&source.path)?;
        if model.weights_sha256.as_ref().is_some_and(|wanted| !hash.eq_ignore_ascii_case(wanted)) {
            let message = format!("{} is not the file that it was", source.path.display());
            return Err(Error::new(ErrorCode::Mismatch, message)
                .key("model.weightsSha256")
                .file(&source.path)
                .hint("Bring the file back, or leave `model.weightsSha256` out."));
        }
        let state = StateDict::read(&source.path).map_err(|error| error.key(KEY))?;
        self.use_weights(asked, &source, &state)?;
        self.weights = Some(Weights { path: source.path, sha256: hash, state });
        Ok(self)
    }

    /// None if the run is to begin from nothing.
    fn source(&mut self, asked: &TrainConfig, facts: &DatasetInfo) -> Result<Option<Source>> {
        let model = asked.model();
        let published = |path, chosen| Ok(Some(Source { path, published: true, chosen }));
        match model.weights.as_ref().and_then(Auto::value).map(String::as_str) {
            Some(RANDOM_INIT) => Ok(None),
            Some(IMAGENET) => {
                let arch = model.arch.as_ref().and_then(Auto::value);
                published(PublishedWeights::for_arch(arch.map(String::as_str))?.find()?, None)
            }
            Some(path) => {
                let path = find_checkpoint(Path::new(path), CheckpointChoice::Best)
                    .map_err(|error| error.key(KEY))?;
                Ok(Some(Source { path, published: false, chosen: None }))
            }
            None => match PublishedWeights::default_for(asked, facts) {
                Err(why) => {
                    self.reasons.push((KEY, why));
                    Ok(None)
                }
                Ok(file) => match file.find() {
                    Ok(path) => published(path, Some(FEW)),
                    Err(error) => {
                        self.reasons
                            .push((KEY, "ImageNet's are not here (see the warning)".into()));
                        self.warnings.push(file.missing_warning(&error));
                        Ok(None)
                    }
                },
            },
        }
    }

    /// Fills in what `asked` leaves open and the weights decide.
    fn use_weights(
        &mut self,
        asked: &mut TrainConfig,
        source: &Source,
        state: &StateDict,
    ) -> Result<()> {
        let path = &source.path;
        let mut model = asked.model();
        if source.chosen.is_some() {
            model.weights = Some(Auto::Value(IMAGENET.into()));
        }
        let trained = match is_checkpoint(path)? {
            true => Some(Checkpoint::read_header(path)?.config),
            false => None,
        };
        let (target, _) =
            infer_backbone_arch(&state.tensors, &model).map_err(|error| error.file(path))?;
        let because = match source.chosen {
            Some(_) => "as in torchvision's weights".to_string(),
            None => format!("as in {}", path.display()),
        };
        self.reasons.extend(source.chosen.map(|why| (KEY, why.to_string())));
        let mut fill = |key: &'static str| self.reasons.push((key, because.clone()));
        if open(&model.arch) {
            model.arch = Some(Auto::Value(target.model.arch.clone()));
            fill("model.arch");
        }
        if open(&model.stem) {
            model.stem = Some(Auto::Value(target.model.stem));
            fill("model.stem");
        }
        if open(&model.shortcut) {
            model.shortcut = Some(Auto::Value(target.model.shortcut));
            fill("model.shortcut");
        }
        let mut data = asked.data();
        if open(&data.channels) {
            data.channels = Some(Auto::Value(target.channels));
            fill("data.channels");
        }
        // What a CIFAR stem has learnt, it has learnt on small images.
        if open(&data.image_size) && target.model.stem == Stem::Cifar {
            let size = trained.as_ref().map_or(32, |config| config.data.image_size);
            data.image_size = Some(Auto::Value(size));
            fill("data.imageSize");
        }
        let constants = match trained {
            Some(config) => {
                model.bottleneck_stride.get_or_insert(config.model.bottleneck_stride);
                let transform = config.transform;
                (!transform.pixel_mean).then_some((transform.mean, transform.std))
            }
            None => source.published.then(|| (IMAGENET_MEAN.to_vec(), IMAGENET_STD.to_vec())),
        };
        let mut transform = asked.transform.clone().unwrap_or_default();
        if let (Some((mean, std)), true) =
            (constants, open(&transform.mean) && open(&transform.std))
        {
            transform.mean = Some(Auto::Value(mean));
            transform.std = Some(Auto::Value(std));
            fill("transform.mean");
            fill("transform.std");
            asked.transform = Some(transform);
        }
        asked.data = Some(NameOr::Config(data));
        asked.model = Some(NameOr::Config(model));
        Ok(())
    }

    /// Writes down in `config` what the weights were, and makes them the network's.
    ///
    /// # Errors
    /// `E_MISMATCH`, naming tensors.
    pub fn fit(self, config: &mut ResolvedConfig, network: &Network) -> Result<Begun> {
        let unasked = self.reasons.iter().any(|(key, _)| *key == KEY);
        config.reasons.extend(self.reasons.into_iter().map(|(key, why)| (key.to_string(), why)));
        let mut begun = Begun { weights: None, warnings: self.warnings };
        if let Some(Weights { path, sha256, state }) = self.weights {
            config.model.weights_sha256 = Some(sha256);
            let fitted = adapt_state_dict(network, state.tensors, config.seed);
            let fitted = fitted.map_err(|error| error.file(&path))?;
            // Whoever did not ask for the weights does not miss their head.
            let head = fitted.new_head.filter(|_| !unasked);
            begun.warnings.extend(head.map(|head| new_head(head, &path)));
            begun.weights = Some(fitted);
        }
        Ok(begun)
    }
}

fn new_head(NewHead { from, to }: NewHead, path: &Path) -> WarningEvent {
    let message = match from {
        Some(from) => format!("the head begins anew: {from} -> {to} classes"),
        None => format!("the head begins anew, for {to} classes: the weights have none"),
    };
    let file = Some(path.display().to_string());
    WarningEvent { code: ErrorCode::Mismatch, message, file, hint: None }
}

const KEY: &str = "model.weights";
const FEW: &str = "few photographs: what ImageNet taught is worth more (Kornblith et al. 2019)";

fn open<T>(said: &Option<Auto<T>>) -> bool {
    said.as_ref().and_then(Auto::value).is_none()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use residual_spec::{MachineInfo, resolve};
    use residual_weights::{DType, KeyMap, Tensor};
    use serde_json::{Value, json};

    use super::*;

    /// Photographs of two classes.
    fn facts() -> DatasetInfo {
        DatasetInfo {
            source: "./photos".into(),
            median_short_side: Some(375),
            train: 244,
            val: 153,
            ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, None)
        }
    }

    fn asked(config: Value) -> TrainConfig {
        TrainConfig::from_json(&config).unwrap()
    }

    fn resolved(asked: &TrainConfig) -> ResolvedConfig {
        let machine = MachineInfo::with_cores(1);
        resolve(asked, &facts(), &machine).unwrap()
    }

    fn network(config: &ResolvedConfig, classes: u32) -> Network {
        residual_arch::build(&config.model, 3, config.data.image_size, classes).unwrap()
    }

    /// As torchvision publishes ResNet-18's, but for their numbers: zeros.
    fn like_torchvisions() -> StateDict {
        let zeros = |shape: Vec<usize>| {
            let bytes = vec![0; 4 * shape.iter().product::<usize>()];
            Tensor { dtype: DType::F32, shape, bytes }
        };
        let tensors = network(&resolved(&asked(json!({ "model": "resnet18" }))), 1000).tensors();
        let tensors = tensors
            .into_iter()
            .map(|wanted| (wanted.name, zeros(wanted.shape.iter().map(|&n| n as usize).collect())));
        StateDict { key_map: KeyMap::Torchvision, tensors: tensors.collect() }
    }

    /// What a run would be, and its warnings, if the file of these weights was there.
    fn begun(config: Value, chosen: Option<&'static str>) -> (ResolvedConfig, Begun) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"PK\x03\x04").unwrap(); // an archive, as torch.save's
        let path = file.path().to_path_buf();
        let (state, mut asked) = (like_torchvisions(), asked(config));
        let source = Source { path: path.clone(), published: true, chosen };
        let mut begin = Begin::default();
        begin.use_weights(&mut asked, &source, &state).unwrap();
        begin.weights = Some(Weights { path, sha256: "f37072fd".into(), state });
        let mut config = resolved(&asked);
        let network = network(&config, 2);
        let begun = begin.fit(&mut config, &network).unwrap();
        (config, begun)
    }

    #[test]
    fn published_weights_that_nobody_asked_for_are_told_by_reasons_and_not_by_warnings() {
        let (config, begun) = begun(json!({}), Some(FEW));
        assert_eq!(config.model.weights, IMAGENET);
        assert_eq!(config.model.weights_sha256.as_deref(), Some("f37072fd"));
        assert_eq!((config.model.arch.as_str(), config.data.image_size), ("resnet18", 224));
        assert_eq!(
            (config.transform.mean, config.transform.std),
            (IMAGENET_MEAN.to_vec(), IMAGENET_STD.to_vec())
        );
        assert_eq!((config.optimizer.lr(), config.warmup.epochs), (0.01, 1.0));
        assert_eq!(config.reasons[KEY], FEW);
        assert!(config.reasons["model.arch"].starts_with("as in "));
        assert!(begun.warnings.is_empty());
        let fitted = begun.weights.unwrap();
        assert_eq!(fitted.new_head, Some(NewHead { from: Some(1000), to: 2 }));
        assert_eq!(fitted.tensors["fc.weight"].shape, [2, 512]);
    }

    #[test]
    fn whoever_asked_for_them_is_told_of_the_new_head() {
        let (config, begun) = begun(json!({ "model": { "weights": "imagenet" } }), None);
        assert!(!config.reasons.contains_key(KEY));
        assert_eq!(begun.warnings[0].message, "the head begins anew: 1000 -> 2 classes");
    }

    #[test]
    fn what_is_said_counts_more_than_what_the_weights_expect() {
        let said = json!({ "transform": { "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5] } });
        let (config, _) = begun(said, Some(FEW));
        assert_eq!((config.data.channels, config.transform.mean), (3, vec![0.5; 3]));
    }

    #[test]
    fn where_they_are_not_here_it_begins_from_nothing_and_says_so() {
        let mut missing = asked(json!({ "model": "resnet34" }));
        let begin = Begin::read(&mut missing, &facts()).unwrap();
        let mut config = resolved(&missing);
        let network = network(&config, 2);
        let begun = begin.fit(&mut config, &network).unwrap();
        assert_eq!(config.model.weights, RANDOM_INIT);
        assert!(config.reasons[KEY].contains("warning"));
        assert_eq!(config.data.image_size, 128);
        let [warning] = begun.warnings.as_slice() else { panic!("{:?}", begun.warnings) };
        assert_eq!(warning.code, ErrorCode::Download);
        assert!(warning.message.contains("resnet34"), "{warning:?}");
        assert!(warning.hint.as_ref().unwrap().contains("resnet34-b627a593.pth (87.3 MB)"));
    }

    #[test]
    fn nothing_is_said_where_nothing_is_wanted() {
        for (model, told) in [
            (json!({ "weights": "none" }), None),
            (json!("resnet20"), Some("nobody published any for resnet20")),
        ] {
            let mut asked = asked(json!({ "model": model }));
            let begin = Begin::read(&mut asked, &facts()).unwrap();
            let mut config = resolved(&asked);
            let network = network(&config, 2);
            let begun = begin.fit(&mut config, &network).unwrap();
            assert!(begun.warnings.is_empty() && begun.weights.is_none());
            assert_eq!(config.reasons.get(KEY).map(String::as_str), told);
        }
    }
}
