//! Inference sessions: open models for prediction, evaluation and export.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use residual_arch::Network;
use residual_data::{Arrays, Dataset, Loader, LoaderOptions, Pipeline, PixelMean, Splits, Subset};
use residual_model::{
    ComputeOptions, Ensemble, EvaluationMetrics, GroupPredictions, ImageInput, Model,
    ResponseStats, evaluate, from_tch, predict, prediction_batch_size,
};
use residual_spec::{
    Auto, Data, DataConfig, DataFormat, DatasetInfo, Device, Error, ErrorCode, EvaluateConfig,
    EvaluateOptions, EvaluatedData, Evaluation, ExportOptions, LayerResponse, LoadConfig,
    ModelInfo, NameOr, Precision, PredictConfig, PredictOptions, ResolvedConfig, Result, Split,
    TestTimeAugment, Thumbnail, resolve_evaluate, resolve_predict,
};
use residual_weights::{
    Checkpoint, CheckpointChoice, Export, ExternalWeights, IntactCheckpoint, PIXEL_MEAN, Tensor,
    check_finite_tensor, is_checkpoint, open_intact,
};

use residual_train::{encode_thumbnail, parse_position, pixel_mean, read_thumbnail};

use crate::catch_panic::none_if_cancelled;

/// A trained network with its classes and its preprocessing.
pub struct Session {
    model: Model,
    config: ResolvedConfig,
    data: DatasetInfo,
    pipeline: Arc<Pipeline>,
    info: ModelInfo,
    /// Position of the training run, which exports record.
    progress: serde_json::Value,
    pixel_mean: Option<Arc<PixelMean>>,
    /// Whether the class names are assumed, so that the names of a data set may replace them.
    has_default_classes: bool,
}

impl Session {
    /// Opens a run folder (its best checkpoint), a checkpoint, or a file of weights (.safetensors,
    /// .pth, .pt, .th). `options` override the assumptions about a file of weights. A checkpoint
    /// computes in the precision of its training, except fp16 without a CUDA device. If the best
    /// checkpoint of a run is missing or damaged, another one is opened, with a warning.
    ///
    /// # Errors
    /// `E_CHECKPOINT`, `E_MISMATCH`, and `E_CONFIG` if `options` contradicts the file.
    pub fn open(path: &Path, options: &LoadConfig) -> Result<Session> {
        let open = |path: &Path| Session::open_file(path, options);
        let IntactCheckpoint { opened: mut session, warning, .. } =
            open_intact(path, CheckpointChoice::Best, open)?;
        session.info.warnings.extend(warning.map(|warning| warning.message));
        Ok(session)
    }

    /// Opens a checkpoint or a file of weights by its absolute path.
    fn open_file(path: &Path, options: &LoadConfig) -> Result<Session> {
        let source = if is_checkpoint(path)? {
            ModelSource::open_checkpoint(path, options)?
        } else {
            ModelSource::open_weights(path, options)?
        };
        let machine = crate::machine_info();
        let mut compute = ComputeOptions::from_config(&source.config);
        if compute.device == Device::Cuda && !machine.cuda {
            // A model that was trained on CUDA falls back to the CPU, unless `options` select CUDA.
            if options.device == Some(Device::Cuda) {
                return Err(Error::new(ErrorCode::Device, "no CUDA device is available")
                    .key("device")
                    .hint("Remove `device` to use the CPU."));
            }
            compute.device = Device::Cpu;
            if options.precision.is_none() && compute.precision == Precision::Fp16 {
                compute.precision = Precision::Fp32; // faster on CPUs than fp16
            }
        }
        let mut model = Model::from_reader(source.network, compute, source.read)
            .map_err(|error| error.file(path))?;
        model.fold_batch_norm()?;
        let info = ModelInfo {
            arch: model.network().name.clone(),
            classes: source.data.classes.clone(),
            channels: model.network().channels,
            image_size: model.network().image_size,
            parameters: model.network().parameters(),
            checkpoint: path.display().to_string(),
            epoch: parse_position(&source.progress, path)?.epoch,
            assumed: source.assumed.clone(),
            warnings: source.warnings.clone(),
        };
        let pipeline = Arc::new(Pipeline::eval(&source.config, source.pixel_mean.as_ref()));
        let ModelSource { config, data, progress, pixel_mean, has_default_classes, .. } = source;
        Ok(Session {
            model,
            config,
            data,
            pipeline,
            info,
            progress,
            pixel_mean,
            has_default_classes,
        })
    }

    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Classifies groups of images in shared forward passes, see [`residual_model::predict`].
    /// Returns `None` if `is_cancelled` returned true.
    ///
    /// # Errors
    /// `E_CONFIG` for options out of range; for each group, `E_IMAGE` and `E_IO` of its first image
    /// that cannot be read.
    pub fn predict(
        &self,
        groups: &[&[ImageInput]],
        options: &PredictConfig,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<GroupPredictions>> {
        let PredictOptions { top, views, thumbnails: thumbnail_size } =
            resolve_predict(options, &self.config)?;
        let pipeline = self.pipeline.with_views(views);
        let mut thumbnails: Vec<Vec<Thumbnail>> = vec![Vec::new(); groups.len()];
        let predicted = predict(
            &self.model,
            &self.data.classes,
            &pipeline,
            groups,
            top as usize,
            &mut |group, image| {
                let thumbnail = thumbnail_size.map(|size| encode_thumbnail(image, size));
                thumbnails[group].extend(thumbnail);
            },
            &|| !is_cancelled(),
        )?;
        let Some(mut groups) = predicted else { return Ok(None) };
        for (predictions, thumbnails) in groups.iter_mut().zip(thumbnails) {
            for (prediction, thumbnail) in predictions.iter_mut().flatten().zip(thumbnails) {
                prediction.thumbnail = Some(thumbnail);
            }
        }
        Ok(Some(groups))
    }

    /// Returns the number of images in one forward pass with these options.
    pub fn prediction_batch_size(&self, options: &PredictConfig) -> usize {
        // Invalid options are reported by `predict`.
        resolve_predict(options, &self.config).map_or(1, |options| {
            prediction_batch_size(&self.model, &self.pipeline.with_views(options.views))
        })
    }

    /// Returns the number of forward passes so far.
    pub fn num_forward_passes(&self) -> u64 {
        self.model.num_forward_passes()
    }

    /// Writes the network as .safetensors or .onnx.
    ///
    /// # Errors
    /// Errors of [`Export::write`].
    pub fn export(&self, path: &Path, options: ExportOptions) -> Result<()> {
        let to_entry = |(name, tensor): (&str, &_)| Ok((name.to_string(), from_tch(tensor)?));
        let mut tensors: BTreeMap<String, Tensor> =
            self.model.tensors().map(to_entry).collect::<Result<_>>()?;
        if let Some(mean) = &self.pixel_mean {
            tensors.insert(PIXEL_MEAN.into(), pixel_mean::to_tensor(mean, &self.config));
        }
        Export {
            network: self.model.network(),
            tensors: &tensors,
            config: &self.config,
            data: &self.data,
            progress: &self.progress,
            options,
        }
        .write(path)
    }

    /// Evaluates on a split of a data set or of `arrays`. Arrays without class names get the class
    /// names of the model. Returns `None` if `is_cancelled` returned true.
    ///
    /// # Errors
    /// `E_CONFIG` for options out of range, `E_MISMATCH` if the classes differ from the model's
    /// (their order may differ), `E_USAGE` if the split does not exist or no data is given for
    /// weights without metadata, and errors of opening the data set.
    pub fn evaluate(
        &self,
        config: &EvaluateConfig,
        arrays: Option<Arrays>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Evaluation>> {
        self.evaluate_into(config, arrays, None, is_cancelled)
    }

    /// Evaluates as [`Session::evaluate`] does, and adds the outputs to an ensemble.
    pub(crate) fn evaluate_into(
        &self,
        config: &EvaluateConfig,
        arrays: Option<Arrays>,
        ensemble: Option<Rc<RefCell<Ensemble>>>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Evaluation>> {
        let options = resolve_evaluate(config, &self.config)?;
        let Some((subset, classes, data)) = self.subset(&options, arrays, is_cancelled)? else {
            return Ok(None);
        };
        let metrics = EvaluationMetrics::new(self.data.classes.len())
            .with_top_losses(options.top_losses as usize)
            .with_samples(subset.evenly_spaced(options.samples as usize))
            .with_ensemble(ensemble);
        let loader = self.loader(&subset, options.batch_size, options.views);
        let proceed = || Ok(!is_cancelled());
        let evaluation = evaluate(&self.model, &classes, metrics, loader, None, proceed, |_| {})?;
        let Some(mut evaluation) = evaluation else { return Ok(None) };
        if let Some(size) = options.thumbnails {
            for example in evaluation.samples.iter_mut().chain(&mut evaluation.top_losses) {
                let channels = self.model.network().channels;
                example.thumbnail = Some(read_thumbnail(&subset, example.index, channels, size)?);
            }
        }
        evaluation.data = Some(data);
        Ok(Some(evaluation))
    }

    /// Returns the standard deviations of the outputs of all 3x3 convolutions on a split of a data
    /// set, in forward order; `None` if `is_cancelled` returned true. Test-time augmentation and
    /// examples are ignored.
    ///
    /// # Errors
    /// Errors of [`Session::evaluate`].
    pub fn layer_responses(
        &self,
        config: &EvaluateConfig,
        arrays: Option<Arrays>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<LayerResponse>>> {
        let config =
            EvaluateConfig { crops: None, scales: None, thumbnails: None, ..config.clone() };
        let options = resolve_evaluate(&config, &self.config)?;
        let Some((subset, ..)) = self.subset(&options, arrays, is_cancelled)? else {
            return Ok(None);
        };
        let mut loader = self.loader(&subset, options.batch_size, options.views);
        let mut totals: Vec<ResponseStats> = Vec::new();
        while let Some(loaded) = loader.next()? {
            if is_cancelled() {
                return Ok(None);
            }
            let batch = &loaded.batch;
            if !batch.is_empty() {
                let input = self.model.input(&batch.images, batch.len())?;
                let responses = self.model.layer_responses(&input)?;
                if totals.is_empty() {
                    totals = responses;
                } else {
                    for (total, response) in totals.iter_mut().zip(&responses) {
                        total.add(response);
                    }
                }
            }
            loader.recycle(loaded.batch);
        }
        let to_response =
            |total: ResponseStats| LayerResponse { std: total.std(), name: total.name };
        Ok(Some(totals.into_iter().map(to_response).collect()))
    }

    /// Returns the images to evaluate, with labels in the class order of the model, and the class
    /// names to report; `None` if `is_cancelled` returned true.
    fn subset(
        &self,
        options: &EvaluateOptions,
        mut arrays: Option<Arrays>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<(Subset, Vec<String>, EvaluatedData)>> {
        let config = match (&options.data, &arrays) {
            (Some(data), _) => data.clone(),
            (None, Some(_)) => DataConfig::default(),
            (None, None) if self.info.epoch == 0 && !self.info.assumed.is_empty() => {
                let message = "the weights have no record of their training data";
                return Err(Error::new(ErrorCode::Usage, message)
                    .key("data")
                    .hint("Set `data` to the data to evaluate on."));
            }
            (None, None) => self.train_data_config(),
        };
        if let Some(arrays) = &mut arrays {
            arrays.classes.get_or_insert_with(|| self.data.classes.clone());
        }
        let is_train_data = options.data.is_none() && arrays.is_none();
        let dataset = residual_data::open_with_arrays(&config, arrays, is_cancelled);
        let dataset = dataset.map_err(|error| match error.code {
            ErrorCode::DataNotFound if is_train_data => {
                error.hint("If the data set was moved, pass its new path as `data`.")
            }
            _ => error,
        });
        let Some(dataset) = none_if_cancelled(dataset)? else { return Ok(None) };
        let (source, data_classes) = (&dataset.facts().source, &dataset.facts().classes);
        let model_classes = &self.data.classes;
        let has_other_classes = class_map(source, data_classes, model_classes).is_err();
        // The class names of the data set replace assumed class names, in the order of the data set.
        let classes = if self.has_default_classes
            && has_other_classes
            && data_classes.len() == model_classes.len()
        {
            data_classes
        } else {
            model_classes
        };
        let map = class_map(source, data_classes, classes)?;
        let (subset, split) = self.select_split(&dataset, &options.splits)?;
        let data = EvaluatedData { source: source.clone(), split };
        Ok(Some((subset.remap_labels(map), classes.clone(), data)))
    }

    fn loader(&self, subset: &Subset, batch_size: u32, views: TestTimeAugment) -> Loader {
        let options =
            LoaderOptions { batch_size: batch_size as usize, ..LoaderOptions::eval(&self.config) };
        let pipeline = match views {
            TestTimeAugment::Center => Arc::clone(&self.pipeline),
            views => Arc::new(self.pipeline.with_views(views)),
        };
        Loader::new(subset, pipeline, options)
    }

    /// Returns the data set that the model was trained on.
    pub(crate) fn train_data(&self) -> NameOr<DataConfig> {
        NameOr::Config(self.train_data_config())
    }

    /// Returns the index in `other` of each class of this model.
    ///
    /// # Errors
    /// `E_MISMATCH` if the models have different classes.
    pub(crate) fn class_indices_in(&self, other: &Session) -> Result<Vec<u32>> {
        class_map(&self.info.checkpoint, &self.data.classes, &other.data.classes)
    }

    /// Returns the configuration of the training data.
    fn train_data_config(&self) -> DataConfig {
        DataConfig {
            source: Some(self.config.data.source.clone()),
            format: Some(Auto::Value(self.config.data.format)),
            labels: Some(self.config.data.labels),
            ..DataConfig::default()
        }
    }

    /// Returns the first of `splits` that exists.
    fn select_split(&self, dataset: &Dataset, splits: &[Split]) -> Result<(Subset, Split)> {
        let facts = dataset.facts();
        // A data set that was moved since the training has another path, but the same fingerprint.
        let has_same_images = facts.fingerprint == self.data.fingerprint;
        let has_same_path =
            facts.format != DataFormat::Arrays && facts.source == self.config.data.source;
        let is_train_data = has_same_images || has_same_path;
        // Only the training data is split and limited as in the training run.
        let data = if is_train_data {
            self.config.data.clone()
        } else {
            Data { validation: 0.0, limit: None, ..self.config.data.clone() }
        };
        let Splits { train, val, test } = dataset.splits(&data);
        let selected = splits.iter().find_map(|split| {
            let subset = match split {
                Split::Train => Some(&train),
                Split::Val => val.as_ref(),
                Split::Test => test.as_ref(),
            };
            subset.map(|subset| (subset.clone(), *split))
        });
        selected.ok_or_else(|| {
            let names = splits.iter().map(|split| match split {
                Split::Train => "training",
                Split::Val => "validation",
                Split::Test => "test",
            });
            let names = names.collect::<Vec<_>>().join(" or ");
            Error::new(ErrorCode::Usage, format!("{} has no {names} split", facts.source))
                .key("split")
        })
    }
}

/// Reads a tensor by name. Each tensor is read once.
type ReadTensor<'p> = Box<dyn FnMut(&str) -> Result<Option<Tensor>> + 'p>;

/// The contents of a checkpoint or a file of weights.
struct ModelSource<'p> {
    config: ResolvedConfig,
    data: DatasetInfo,
    network: Network,
    read: ReadTensor<'p>,
    pixel_mean: Option<Arc<PixelMean>>,
    progress: serde_json::Value,
    assumed: Vec<String>,
    warnings: Vec<String>,
    has_default_classes: bool,
}

impl<'p> ModelSource<'p> {
    fn open_checkpoint(path: &'p Path, options: &LoadConfig) -> Result<ModelSource<'p>> {
        let LoadConfig { model, classes, image_size, transform, precision, device } = options;
        let file_keys = [
            ("model", model.is_some()),
            ("classes", classes.is_some()),
            ("imageSize", image_size.is_some()),
            ("transform", transform.is_some()),
        ];
        if let Some((key, _)) = file_keys.iter().find(|(_, is_set)| *is_set) {
            let message = format!("a residual checkpoint contains its own `{key}`");
            return Err(Error::new(ErrorCode::Config, message)
                .key(key)
                .file(path)
                .hint("Remove the option: it is for files that contain weights only."));
        }
        let checkpoint = Checkpoint::open(path)?;
        let (mut config, data) = (checkpoint.config.clone(), checkpoint.data.clone());
        let mean = checkpoint.tensor(PIXEL_MEAN)?;
        if let Some(mean) = &mean {
            check_finite_tensor(PIXEL_MEAN, mean).map_err(|error| error.file(path))?;
        }
        let pixel_mean = pixel_mean::from_checkpoint(&config, mean.as_ref(), path)?;
        config.precision = precision.unwrap_or(config.precision);
        config.device = device.unwrap_or(config.device);
        let classes = data.classes.len() as u32;
        let (channels, size) = (config.data.channels, config.data.image_size);
        let network = residual_arch::build(&config.model, channels, size, classes)
            .map_err(|error| error.file(path))?;
        Ok(ModelSource {
            config,
            data,
            network,
            pixel_mean,
            progress: checkpoint.progress.clone(),
            read: Box::new(move |name| checkpoint.tensor(name)),
            assumed: Vec::new(),
            warnings: Vec::new(),
            has_default_classes: false,
        })
    }

    fn open_weights(path: &'p Path, options: &LoadConfig) -> Result<ModelSource<'p>> {
        let ExternalWeights {
            config,
            data,
            network,
            mut tensors,
            assumed,
            warnings,
            has_default_classes,
            progress,
        } = ExternalWeights::read(path, options, &crate::machine_info())?;
        let read = Box::new(move |name: &str| Ok(tensors.remove(name)));
        Ok(ModelSource {
            config,
            data,
            network,
            read,
            pixel_mean: None,
            progress,
            assumed,
            warnings,
            has_default_classes,
        })
    }
}

/// Returns the index in `model_classes` of each class of `source`, a data set or another model.
///
/// # Errors
/// `E_MISMATCH` if the names differ in more than their order.
fn class_map(source: &str, classes: &[String], model_classes: &[String]) -> Result<Vec<u32>> {
    let indices: BTreeMap<&str, u32> =
        model_classes.iter().zip(0..).map(|(name, index)| (name.as_str(), index)).collect();
    let unexpected: Vec<&str> =
        classes.iter().map(String::as_str).filter(|name| !indices.contains_key(name)).collect();
    let missing: Vec<&str> = model_classes
        .iter()
        .map(String::as_str)
        .filter(|name| !classes.iter().any(|class| class == name))
        .collect();
    if unexpected.is_empty() && missing.is_empty() && classes.len() == model_classes.len() {
        return Ok(classes.iter().map(|name| indices[name.as_str()]).collect());
    }
    let mut message = format!("{source} has other classes than the model");
    if !unexpected.is_empty() {
        message += &format!("; unexpected classes: {}", join_first(&unexpected));
    }
    if !missing.is_empty() {
        message += &format!("; missing classes: {}", join_first(&missing));
    }
    Err(Error::new(ErrorCode::Mismatch, message).key("data").hint(format!(
        "Evaluate on data with the classes that the model was trained on: {}.",
        join_first(&model_classes.iter().map(String::as_str).collect::<Vec<_>>())
    )))
}

/// Joins names with commas; of more than four names, the first three and the total number.
fn join_first(names: &[&str]) -> String {
    match names.len() {
        0..=4 => names.join(", "),
        total => format!("{}, ... ({total} in total)", names[..3].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn maps_classes_in_another_order_by_name() {
        let map = class_map("x", &names(&["bee", "cat", "ant"]), &names(&["ant", "bee", "cat"]));
        assert_eq!(map.unwrap(), [1, 2, 0]);
    }

    #[test]
    fn names_unexpected_and_missing_classes() {
        let model_classes = names(&["ant", "bee", "cat"]);
        for (classes, message) in [
            (names(&["ant", "bee"]), "model; missing classes: cat"),
            (names(&["ant", "bee", "cat", "dog"]), "model; unexpected classes: dog"),
            (names(&["ant", "bee", "dog"]), "unexpected classes: dog; missing classes: cat"),
        ] {
            let error = class_map("x", &classes, &model_classes).unwrap_err();
            assert_eq!(error.code, ErrorCode::Mismatch);
            assert!(error.message.ends_with(message), "{error}");
            assert!(error.hint.unwrap().contains("ant, bee, cat"));
        }
    }
}
