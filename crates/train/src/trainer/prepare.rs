//! Preparation of a run before anything is written: data, configuration, network and weights.

use std::path::{Path, PathBuf};

use residual_arch::Network;
use residual_data::{Arrays, Dataset};
use residual_model::{ComputeOptions, Model};
use residual_runlog::RunDir;
use residual_spec::{
    Auto, DatasetInfo, Device, Error, ErrorCode, ResolvedConfig, Result, Split, TrainConfig,
    WarningEvent, resolve,
};
use serde_json::Value;

use super::checkpoint::parse_position;
use super::warnings::cuda_fallback_warning;
use crate::batch_size;
use crate::initial_weights::{AdaptedWeights, InitialWeights};
use crate::replicas::Settings;
use crate::resume::{self, ResumedRun, StartCheckpoint};

/// A run that is ready to start.
pub struct Prepared {
    pub config: ResolvedConfig,
    pub dataset: Dataset,
    pub(super) network: Network,
    pub(super) resumed: Option<ResumedRun>,
    pub(super) initial_weights: AdaptedWeights,
    /// Whether the run folder's name was chosen automatically, so that a number may be added.
    pub(super) has_auto_name: bool,
    /// Whether the run may replace another run in its folder.
    pub(super) overwrite: bool,
}

impl Prepared {
    /// Opens the data, resolves the configuration, and builds the network.
    ///
    /// # Errors
    /// As [`train`](super::train); `E_ABORTED` once `is_cancelled` returns true.
    pub fn new(
        config: &Value,
        arrays: Option<Arrays>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Prepared> {
        let mut input = TrainConfig::from_json(config)?;
        let resumed = match &input.resume {
            None => None,
            Some(resume) => {
                let resumed = ResumedRun::open(resume)?;
                input = resumed.merge(config)?;
                Some(resumed)
            }
        };
        let dataset = residual_data::open_with_arrays(&input.data(), arrays, is_cancelled);
        if is_cancelled() {
            return Err(Error::new(ErrorCode::Aborted, "stopped before training began"));
        }
        let mut dataset = dataset
            .map_err(|error| if resumed.is_some() { resume::data_error(error) } else { error })?;
        // A resumed run continues with the weights of its checkpoint.
        let initial_weights = match resumed.as_ref().and_then(|resumed| resumed.start.as_ref()) {
            None => InitialWeights::read(&mut input, dataset.facts())?,
            Some(_) => InitialWeights::default(),
        };
        let machine = crate::machine_info();
        let mut config = resolve(&input, dataset.facts(), &machine)?;
        if let Some(resumed) = &resumed {
            check_unchanged(resumed, &config, dataset.facts())?;
        }
        let network = build_network(&config, dataset.facts())?;

        match config.device {
            Device::Cpu => {}
            Device::Cuda => {
                residual_torch::cuda::set_memory_fraction(config.memory_fraction.unwrap_or(1.0))?;
            }
        }
        let decoded = dataset.facts().decoded_bytes;
        if let Some(smaller) = batch_size::reduce(&input, &config, dataset.facts(), &network)? {
            // The learning rate and other defaults depend on the batch size.
            input.batch_size = Some(Auto::Value(smaller.batch_size));
            config = resolve(&input, dataset.facts(), &machine)?;
            config.reasons.insert("batchSize".into(), smaller.reason);
        }
        if let Some((cache, reason)) = batch_size::reduce_cache(&input, &config, decoded, &network)
        {
            config.cache = cache;
            config.reasons.insert("cache".into(), reason);
        }
        check_decodable(&mut dataset, &config, is_cancelled)?;
        dataset.cache_decoded(u64::from(config.cache) << 20);
        let mut initial_weights = initial_weights.adapt(&mut config, &network)?;
        initial_weights.warnings.extend(cuda_fallback_warning(&input, &config));

        if let Some(resumed) = &resumed {
            resumed.keep_reasons(&mut config)?;
            initial_weights.warnings.splice(..0, resumed.warnings.iter().cloned());
        }

        let has_out = input.out.as_ref().and_then(Auto::value).is_some();
        let overwrite = input.overwrite.unwrap_or(false);
        let has_auto_name = !has_out && !overwrite;
        Ok(Prepared {
            config,
            dataset,
            network,
            resumed,
            initial_weights,
            has_auto_name,
            overwrite,
        })
    }

    /// Creates the network with its initial or resumed weights.
    pub fn model(&self) -> Result<Model> {
        let (network, compute) = (self.network.clone(), ComputeOptions::from_config(&self.config));
        let mut model = match (self.start(), &self.initial_weights.weights) {
            (None, None) => Model::new(network, compute, self.config.seed)?,
            (None, Some(adapted)) => Model::from_state_dict(network, compute, &adapted.tensors)?,
            (Some(start), _) => Model::from_state_dict(network, compute, &start.checkpoint.tensors)
                .map_err(|error| error.file(&start.path))?,
        };
        model.freeze(&self.config.model.freeze)?;
        Ok(model)
    }

    /// Returns the checkpoint to resume from.
    fn start(&self) -> Option<&StartCheckpoint> {
        self.resumed.as_ref().and_then(|resumed| resumed.start.as_ref())
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Returns the number of updates in the checkpoint to resume from, or 0.
    pub fn start_step(&self) -> Result<u64> {
        match self.start() {
            None => Ok(0),
            Some(start) => Ok(parse_position(&start.checkpoint.progress, &start.path)?.step),
        }
    }

    /// Returns the settings and the data that all processes of this training must share.
    pub(super) fn settings(&self) -> Result<Settings> {
        Settings::new(&self.config, self.dataset.facts(), self.start_step()?)
    }

    /// Returns the warnings about the run to resume, the initial weights and the device.
    pub fn warnings(&self) -> &[WarningEvent] {
        &self.initial_weights.warnings
    }

    /// Returns the path of the run folder, without creating it.
    ///
    /// # Errors
    /// `E_OUT_EXISTS`, `E_OUT_IN_USE`.
    pub fn run_path(&self) -> Result<PathBuf> {
        let out = Path::new(&self.config.out);
        match &self.resumed {
            None if self.has_auto_name => RunDir::next_free_path(out),
            None => RunDir::check_path(out, self.overwrite),
            Some(resumed) => Ok(resumed.run_dir.clone()),
        }
    }
}

/// Checks that the configuration and the data match the run to resume.
fn check_unchanged(
    resumed: &ResumedRun,
    config: &ResolvedConfig,
    facts: &DatasetInfo,
) -> Result<()> {
    resume::check(&resumed.config, config)?;
    let start = resumed.start.as_ref();
    if start.is_some_and(|start| start.checkpoint.data.fingerprint != facts.fingerprint) {
        let message = format!("{} has changed since the start of the run", config.data.source);
        return Err(Error::new(ErrorCode::Mismatch, message)
            .key("data")
            .hint("Restore the original data, or start a new run."));
    }
    Ok(())
}

/// Checks that each split has an image that can be decoded, because the metrics of a split without
/// images are undefined. Ignores a test split without one: the network is trained without it. Must
/// precede caching, because the cache would keep images at full size.
fn check_decodable(
    dataset: &mut Dataset,
    config: &ResolvedConfig,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<()> {
    let splits = dataset.splits(&config.data);
    splits.train.check_decodable(Split::Train, is_cancelled)?;
    if let Some(val) = splits.val {
        val.check_decodable(Split::Val, is_cancelled)?;
    }
    match splits.test.map(|test| test.check_decodable(Split::Test, is_cancelled)) {
        Some(Err(error)) if error.code == ErrorCode::DataUnusable => {
            dataset.ignore_test_split(error);
            Ok(())
        }
        checked => checked.unwrap_or(Ok(())),
    }
}

fn build_network(config: &ResolvedConfig, facts: &DatasetInfo) -> Result<Network> {
    let (channels, size) = (config.data.channels, config.data.image_size);
    let classes = facts.classes.len() as u32;
    let network = residual_arch::build(&config.model, channels, size, classes)?;
    residual_arch::frozen(&network, &config.model.freeze)?;
    Ok(network)
}

/// Lengths of an epoch and of the run, in batches and steps.
pub struct Lengths {
    pub batches_per_epoch: u64,
    pub steps_per_epoch: u64,
    /// Budget in steps, if known.
    pub total_steps: Option<u64>,
}

impl Lengths {
    pub fn new(config: &ResolvedConfig, train_images: usize) -> Lengths {
        let batches_per_epoch = batches_per_epoch(train_images, config.batch_size as usize);
        let steps_per_epoch = batches_per_epoch.div_ceil(config.gradient.accumulate.into());
        let epochs = config.budget.epochs.map(|epochs| u64::from(epochs) * steps_per_epoch);
        let total_steps = [epochs, config.budget.steps].into_iter().flatten().min();
        Lengths { batches_per_epoch, steps_per_epoch, total_steps }
    }
}

/// Returns the number of batches in an epoch. A last batch of one image is dropped, because batch
/// normalization cannot be trained on a single image.
fn batches_per_epoch(images: usize, batch_size: usize) -> u64 {
    let has_single = images % batch_size == 1 && images > 0;
    (images - usize::from(has_single)).div_ceil(batch_size) as u64
}
