//! Weights that a run begins with (`model.weights`).

use std::path::{Path, PathBuf};

use residual_arch::Network;
use residual_spec::{
    Auto, DataConfig, Error, ErrorCode, ModelConfig, NameOr, ResolvedConfig, Result, Stem,
    TrainConfig, WarningEvent,
};
use residual_weights::{
    find, fit, infer_backbone, is_checkpoint, sha256, Checkpoint, Fitted, NewHead, Prefer,
    Published, StateDict, IMAGENET,
};

/// Weights that were read, before the network that they are for is decided.
pub(crate) struct Begin {
    path: PathBuf,
    sha256: String,
    state: StateDict,
    /// Why values that the weights decided are what they are, by key.
    reasons: Vec<(&'static str, String)>,
}

/// The weights as the network's.
pub(crate) struct Begun {
    pub fitted: Fitted,
    path: PathBuf,
}

impl Begin {
    /// Reads the weights that `asked` names, if it names any, and fills in what `asked` leaves open
    /// and they decide: the network, and how images are prepared for it.
    ///
    /// # Errors
    /// `E_CHECKPOINT` for a file that is not there or cannot be used; `E_MISMATCH` for weights of
    /// another network than the one asked for, or another file than `weightsSha256` says.
    pub fn read(asked: &mut TrainConfig) -> Result<Option<Begin>> {
        let mut model = asked.model();
        let Some(weights) = model.weights.clone() else { return Ok(None) };
        let path = match weights.as_str() {
            IMAGENET => {
                let arch = model.arch.as_ref().and_then(Auto::given);
                Published::of(arch.map(String::as_str))?.find()?
            }
            path => find(Path::new(path), Prefer::Best).map_err(|error| error.key(KEY))?,
        };
        let hash = sha256(&path)?;
        if model.weights_sha256.as_ref().is_some_and(|wanted| !hash.eq_ignore_ascii_case(wanted)) {
            let message = format!("{} is not the file that it was", path.display());
            return Err(Error::new(ErrorCode::Mismatch, message)
                .key("model.weightsSha256")
                .file(&path)
                .hint("Bring the file back, or leave `model.weightsSha256` out."));
        }
        let state = StateDict::read(&path).map_err(|error| error.key(KEY))?;
        let mut begin = Begin { path, sha256: hash, state, reasons: Vec::new() };
        begin.decide(asked, &mut model)?;
        asked.model = Some(NameOr::Full(model));
        Ok(Some(begin))
    }

    fn decide(&mut self, asked: &mut TrainConfig, model: &mut ModelConfig) -> Result<()> {
        let path = &self.path;
        let trained = match is_checkpoint(path)? {
            true => Some(Checkpoint::read_header(path)?.config),
            false => None,
        };
        let (target, _) =
            infer_backbone(&self.state.tensors, model).map_err(|error| error.file(path))?;
        let because = format!("as in {}", path.display());
        let mut reasons = Vec::new();
        let mut fill = |key: &'static str| reasons.push((key, because.clone()));
        if open(&model.arch) {
            model.arch = Some(Auto::Is(target.model.arch.clone()));
            fill("model.arch");
        }
        if open(&model.stem) {
            model.stem = Some(Auto::Is(target.model.stem));
            fill("model.stem");
        }
        if open(&model.shortcut) {
            model.shortcut = Some(Auto::Is(target.model.shortcut));
            fill("model.shortcut");
        }
        let mut data = asked.data();
        if open(&data.channels) {
            data.channels = Some(Auto::Is(target.channels));
            fill("data.channels");
        }
        // What a CIFAR stem has learnt, it has learnt on small images.
        if open(&data.image_size) && target.model.stem == Stem::Cifar {
            let size = trained.as_ref().map_or(32, |config| config.data.image_size);
            data.image_size = Some(Auto::Is(size));
            fill("data.imageSize");
        }
        if let Some(config) = trained {
            model.bottleneck_stride.get_or_insert(config.model.bottleneck_stride);
            let mut transform = asked.transform.clone().unwrap_or_default();
            if open(&transform.mean) && open(&transform.std) && !config.transform.pixel_mean {
                transform.mean = Some(Auto::Is(config.transform.mean));
                transform.std = Some(Auto::Is(config.transform.std));
                fill("transform.mean");
                fill("transform.std");
            }
            asked.transform = Some(transform);
        }
        asked.data = Some(NameOr::Full(DataConfig { ..data }));
        self.reasons = reasons;
        Ok(())
    }

    /// Writes down in `config` what the weights were, and makes them the network's.
    ///
    /// # Errors
    /// `E_MISMATCH`, naming tensors.
    pub fn fit(self, config: &mut ResolvedConfig, network: &Network) -> Result<Begun> {
        config.model.weights_sha256 = Some(self.sha256);
        config.reasons.extend(self.reasons.into_iter().map(|(key, why)| (key.to_string(), why)));
        let fitted = fit(network, self.state.tensors, config.seed);
        let fitted = fitted.map_err(|error| error.file(&self.path))?;
        Ok(Begun { fitted, path: self.path })
    }
}

impl Begun {
    /// What the owner should know.
    pub fn warning(&self) -> Option<WarningEvent> {
        let NewHead { from, to } = self.fitted.new_head?;
        let message = match from {
            Some(from) => format!("the head begins anew: {from} -> {to} classes"),
            None => format!("the head begins anew, for {to} classes: the weights have none"),
        };
        let file = Some(self.path.display().to_string());
        Some(WarningEvent { code: ErrorCode::Mismatch, message, file, hint: None })
    }
}

const KEY: &str = "model.weights";

fn open<T>(said: &Option<Auto<T>>) -> bool {
    said.as_ref().and_then(Auto::given).is_none()
}
