//! A trained model that was opened: for predicting and evaluating.

use std::path::Path;
use std::sync::Arc;

use residual_data::{Dataset, Loader, LoaderOptions, Order, Pipeline, Subset};
use residual_model::{evaluate, predict, Compute, Input, Model};
use residual_spec::{
    Auto, Data, DataConfig, DataFacts, DataPart, Error, ErrorCode, EvaluateConfig, Evaluation,
    ModelInfo, Prediction, ResolvedConfig, Result,
};
use residual_weights::{find, Checkpoint, Prefer};

use crate::checkpoint::{load_model, progress_of};

/// A model with all it needs to be used: labels, preparation of images.
pub struct LoadedModel {
    model: Model,
    config: ResolvedConfig,
    data: DataFacts,
    eval: Arc<Pipeline>,
    info: ModelInfo,
}

impl LoadedModel {
    /// Opens a run folder (its best checkpoint) or a checkpoint, to compute in the precision that
    /// it was trained in, where this machine has that.
    pub fn open(path: &Path) -> Result<LoadedModel> {
        let path = find(path, Prefer::Best)?;
        let path = path.canonicalize().map_err(|cause| Error::read(&path, &cause))?;
        let checkpoint = Checkpoint::read(&path)?;
        let epoch = progress_of(&checkpoint.progress, &path)?.epoch;
        let network = residual_arch::build(
            &checkpoint.config.model,
            checkpoint.config.data.channels,
            checkpoint.config.data.image_size,
            checkpoint.data.classes.len() as u32,
        )
        .map_err(|error| error.file(&path))?;
        let machine = crate::machine_facts();
        let mut compute = Compute::of(&checkpoint.config);
        if compute.device == residual_spec::Device::Cuda && !machine.cuda {
            compute.device = residual_spec::Device::Cpu;
        }
        tch::set_num_threads(machine.cores as i32);
        let model = load_model(network, compute, &checkpoint, &path)?;
        let info = ModelInfo {
            arch: model.network().name.clone(),
            classes: checkpoint.data.classes.clone(),
            channels: model.network().channels,
            image_size: model.network().image_size,
            parameters: model.network().parameters(),
            checkpoint: path.display().to_string(),
            epoch,
        };
        let eval = Arc::new(Pipeline::eval(&checkpoint.config));
        let (config, data) = (checkpoint.config, checkpoint.data);
        Ok(LoadedModel { model, config, data, eval, info })
    }

    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// See [`residual_model::predict`].
    pub fn predict(&self, inputs: &[Input], top: usize) -> Result<Vec<Prediction>> {
        predict(&self.model, &self.data.classes, &self.eval, inputs, top)
    }

    /// Evaluates on a part of a data set, unaugmented, in evaluation mode.
    ///
    /// # Errors
    /// `E_MISMATCH` if the data set has other classes than the model, `E_USAGE` if it has no such
    /// part, and whatever opening it gives.
    pub fn evaluate(
        &self,
        request: &EvaluateConfig,
        go_on: impl FnMut() -> Result<bool>,
    ) -> Result<Option<Evaluation>> {
        let config = match &request.data {
            None => self.own_data(),
            Some(data) => data.full(),
        };
        let dataset = residual_data::open(&config, &|| false)?;
        let classes = &dataset.facts().classes;
        if classes != &self.data.classes {
            return Err(Error::new(
                ErrorCode::Mismatch,
                format!(
                    "{} has other classes ({}) than the model ({})",
                    dataset.facts().source,
                    shortened(classes),
                    shortened(&self.data.classes),
                ),
            )
            .key("data")
            .hint("Evaluate on data with the classes that the model was trained on."));
        }
        let subset = self.part(&dataset, &config, request.part)?;
        let options = LoaderOptions {
            batch_size: request.batch_size.unwrap_or(self.config.batch_size).max(1) as usize,
            workers: self.config.workers as usize,
            order: Order::Sequential,
            skip_batches: 0,
            drop_single: false,
        };
        let loader = Loader::new(&subset, Arc::clone(&self.eval), options);
        // Broken images are counted out by `count`; naming them is `train`'s business.
        evaluate(&self.model, &self.data.classes, loader, go_on, |_| {})
    }

    /// The data set that the model was trained on, as it was opened then.
    fn own_data(&self) -> DataConfig {
        DataConfig {
            source: Some(self.config.data.source.clone()),
            format: Some(Auto::Is(self.config.data.format)),
            labels: Some(self.config.data.labels),
            ..DataConfig::default()
        }
    }

    fn part(
        &self,
        dataset: &Dataset,
        config: &DataConfig,
        wanted: Option<DataPart>,
    ) -> Result<Subset> {
        // The validation part of the model's own data is the one that was split off in training.
        let own = config.source.as_deref() == Some(self.config.data.source.as_str());
        let data = match own {
            true => self.config.data.clone(),
            false => Data { validation: 0.0, limit: None, ..self.config.data.clone() },
        };
        let split = dataset.split(&data, self.config.seed);
        let nothing = |part: &str| {
            Error::new(ErrorCode::Usage, format!("{} has no {part} part", dataset.facts().source))
                .key("part")
        };
        match wanted {
            Some(DataPart::Train) => Ok(split.train),
            Some(DataPart::Val) => split.val.ok_or_else(|| nothing("validation")),
            Some(DataPart::Test) => split.test.ok_or_else(|| nothing("test")),
            None => Ok(split.test.or(split.val).unwrap_or(split.train)),
        }
    }
}

/// The first few names.
fn shortened(names: &[String]) -> String {
    match names.len() {
        0..=4 => names.join(", "),
        many => format!("{}, ... {many} in all", names[..3].join(", ")),
    }
}
