//! A trained model that was opened: for predicting and evaluating.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use residual_arch::Network;
use residual_data::{Arrays, Dataset, Loader, LoaderOptions, Pipeline, PixelMean, Subset};
use residual_model::{
    ComputeOptions, Ensemble, EvaluationMetrics, GroupPredictions, ImageInput, Model,
    ResponseStats, evaluate, from_tch, predict, prediction_batch_size,
};
use residual_spec::{
    Auto, Data, DataConfig, DataFormat, DatasetInfo, Device, Error, ErrorCode, EvaluateConfig,
    Evaluation, LayerResponse, LoadConfig, ModelInfo, NameOr, Precision, PredictConfig,
    ResolvedConfig, Result, Split, TestTimeAugment, Thumbnail, resolve_test_time_augment,
};
use residual_weights::{
    Checkpoint, CheckpointChoice, Export, ExportOptions, ExternalWeights, PIXEL_MEAN, Tensor,
    find_checkpoint, is_checkpoint,
};

use residual_train::{pixel_mean, progress_of, small, small_of};

use crate::catch_panic::unless_broken_off;

/// A model with all it needs to be used: labels, preparation of images.
pub struct Session {
    model: Model,
    config: ResolvedConfig,
    data: DatasetInfo,
    eval: Arc<Pipeline>,
    info: ModelInfo,
    /// For an export: how far the run had come, and the mean image if there is one.
    progress: serde_json::Value,
    pixel_mean: Option<Arc<PixelMean>>,
    /// Nobody said the classes' names: those of a data set may stand in for them.
    unnamed: bool,
}

impl Session {
    /// Opens a run folder (its best checkpoint), a checkpoint, or a file of weights alone
    /// (.safetensors, .pth, .pt, .th), of which `asked` says what it does not say itself. A
    /// checkpoint computes in the precision that it was trained in, where this machine has that.
    ///
    /// # Errors
    /// `E_CHECKPOINT`, `E_MISMATCH`, and `E_CONFIG` where `asked` contradicts the file.
    pub fn open(path: &Path, asked: &LoadConfig) -> Result<Session> {
        let path = find_checkpoint(path, CheckpointChoice::Best)?;
        let path = path.canonicalize().map_err(|cause| Error::read(&path, &cause))?;
        let parts = match is_checkpoint(&path)? {
            true => Parts::of_checkpoint(&path, asked)?,
            false => Parts::of_weights(&path, asked)?,
        };
        let machine = crate::machine_info();
        let mut compute = ComputeOptions::from_config(&parts.config);
        if compute.device == Device::Cuda && !machine.cuda {
            // Where it was trained does not bind; what is asked for does.
            if asked.device == Some(Device::Cuda) {
                return Err(Error::new(ErrorCode::Device, "no CUDA device can be used here")
                    .key("device")
                    .hint("Leave `device` out to use the CPU."));
            }
            compute.device = Device::Cpu;
            if asked.precision.is_none() && compute.precision == Precision::Fp16 {
                compute.precision = Precision::Fp32; // CPUs are faster in it
            }
        }
        let mut model = Model::from_reader(parts.network, compute, parts.read)
            .map_err(|error| error.file(&path))?;
        model.fold_batch_norm()?;
        let info = ModelInfo {
            arch: model.network().name.clone(),
            classes: parts.data.classes.clone(),
            channels: model.network().channels,
            image_size: model.network().image_size,
            parameters: model.network().parameters(),
            checkpoint: path.display().to_string(),
            epoch: progress_of(&parts.progress, &path)?.epoch,
            assumed: parts.assumed.clone(),
        };
        let eval = Arc::new(Pipeline::eval(&parts.config, parts.pixel_mean.as_ref()));
        let Parts { config, data, progress, pixel_mean, unnamed, .. } = parts;
        Ok(Session { model, config, data, eval, info, progress, pixel_mean, unnamed })
    }

    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// What is on pictures that are asked for together. See [`residual_model::predict`].
    ///
    /// # Errors
    /// `E_CONFIG` for what is out of range; for each group, `E_IMAGE` and `E_IO` for its first
    /// picture that cannot be read.
    pub fn predict(
        &self,
        groups: &[&[ImageInput]],
        asked: &PredictConfig,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<GroupPredictions>> {
        let top = asked.top.unwrap_or(DEFAULT_TOP);
        if top == 0 {
            return Err(Error::new(ErrorCode::Config, "`top` must be 1 or more, not 0")
                .key("top")
                .hint("Leave it out for the five most probable classes."));
        }
        check_thumbnails(asked.thumbnails)?;
        let views = resolve_test_time_augment(asked.crops, asked.scales.as_ref(), &self.config)?;
        let pipeline = self.eval.with_views(views);
        let mut pictures: Vec<Vec<Thumbnail>> = vec![Vec::new(); groups.len()];
        let answers = predict(
            &self.model,
            &self.data.classes,
            &pipeline,
            groups,
            top as usize,
            &mut |group, image| {
                pictures[group].extend(asked.thumbnails.map(|side| small(image, side)));
            },
            go_on,
        )?;
        let Some(mut answers) = answers else { return Ok(None) };
        for (answer, pictures) in answers.iter_mut().zip(pictures) {
            for (prediction, picture) in answer.iter_mut().flatten().zip(pictures) {
                prediction.thumbnail = Some(picture);
            }
        }
        Ok(Some(answers))
    }

    /// How many images go through the network at once, if asked for so.
    pub fn in_one_pass(&self, asked: &PredictConfig) -> usize {
        let views = resolve_test_time_augment(asked.crops, asked.scales.as_ref(), &self.config);
        // What is asked wrongly is refused when it is answered.
        views.map_or(1, |views| prediction_batch_size(&self.model, &self.eval.with_views(views)))
    }

    /// Passes of the network so far.
    pub fn passes(&self) -> u64 {
        self.model.num_forward_passes()
    }

    /// Writes the network as .safetensors or .onnx.
    ///
    /// # Errors
    /// As [`Export::write`] has them.
    pub fn export(&self, path: &Path, options: ExportOptions) -> Result<()> {
        let named = |(name, tensor): (&str, &_)| Ok((name.to_string(), from_tch(tensor)?));
        let mut tensors: BTreeMap<String, Tensor> =
            self.model.tensors().map(named).collect::<Result<_>>()?;
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

    /// Evaluates on a part of a data set, or of `arrays`, whose classes are the model's unless they
    /// have names of their own, unaugmented, in evaluation mode.
    ///
    /// # Errors
    /// `E_CONFIG` for crops or scales that this network cannot be evaluated with,
    /// `E_MISMATCH` if the data set has other classes than the model (another order is fine),
    /// `E_USAGE` if it has no such part, and whatever opening it gives.
    pub fn evaluate(
        &self,
        request: &EvaluateConfig,
        arrays: Option<Arrays>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Evaluation>> {
        self.evaluate_into(request, arrays, None, go_on)
    }

    /// The same; what the network says of each image goes into an average, too.
    pub(crate) fn evaluate_into(
        &self,
        request: &EvaluateConfig,
        arrays: Option<Arrays>,
        average: Option<Rc<RefCell<Ensemble>>>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Evaluation>> {
        check_examples(request)?;
        let views =
            resolve_test_time_augment(request.crops, request.scales.as_ref(), &self.config)?;
        let Some((subset, labels)) = self.subset(request, arrays, go_on)? else {
            return Ok(None);
        };
        let sums = EvaluationMetrics::new(self.data.classes.len())
            .with_top_losses(request.top_losses.unwrap_or(0) as usize)
            .with_samples(subset.evenly_spaced(request.samples.unwrap_or(0) as usize))
            .with_ensemble(average);
        let loader = self.loader(&subset, request, views);
        let measured = evaluate(&self.model, &labels, sums, loader, None, || Ok(go_on()), |_| {})?;
        let Some(mut evaluation) = measured else { return Ok(None) };
        if let Some(side) = request.thumbnails {
            for example in evaluation.samples.iter_mut().chain(&mut evaluation.top_losses) {
                let channels = self.model.network().channels;
                example.thumbnail = Some(small_of(&subset, example.index, channels, side)?);
            }
        }
        Ok(Some(evaluation))
    }

    /// As in training, fewer where each is seen more often: a batch is held in memory, and a few
    /// more ahead of it.
    fn images_at_a_time(&self, request: &EvaluateConfig, views: &TestTimeAugment) -> usize {
        let trained = self.config.batch_size;
        let default = match views {
            TestTimeAugment::Center => trained,
            TestTimeAugment::Flip => trained / 2,
            TestTimeAugment::Ten => trained / 10,
            TestTimeAugment::MultiScale(_) => 1,
        };
        request.batch_size.unwrap_or(default).max(1) as usize
    }

    /// The standard deviations of the outputs of the 3x3 convolutions on a part of a data set, in
    /// the order in which an image passes them. `None` if `go_on` said so.
    ///
    /// # Errors
    /// As [`Session::evaluate`].
    pub fn layer_responses(
        &self,
        request: &EvaluateConfig,
        arrays: Option<Arrays>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<LayerResponse>>> {
        let Some((subset, _)) = self.subset(request, arrays, go_on)? else { return Ok(None) };
        let mut loader = self.loader(&subset, request, TestTimeAugment::Center);
        let mut sums: Vec<ResponseStats> = Vec::new();
        while let Some(loaded) = loader.next()? {
            if !go_on() {
                return Ok(None);
            }
            let batch = &loaded.batch;
            if !batch.is_empty() {
                let input = self.model.input(&batch.images, batch.len())?;
                let responses = self.model.layer_responses(&input)?;
                match sums.is_empty() {
                    true => sums = responses,
                    false => sums.iter_mut().zip(&responses).for_each(|(sum, one)| sum.add(one)),
                }
            }
            loader.recycle(loaded.batch);
        }
        let named = |sum: ResponseStats| LayerResponse { std: sum.std(), name: sum.name };
        Ok(Some(sums.into_iter().map(named).collect()))
    }

    /// The images that `request` asks for, with the model's classes, and the names of these; `None`
    /// if `go_on` said so.
    fn subset(
        &self,
        request: &EvaluateConfig,
        mut arrays: Option<Arrays>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<(Subset, Vec<String>)>> {
        let config = match (&request.data, &arrays) {
            (Some(data), _) => data.to_config(),
            (None, Some(_)) => DataConfig::default(),
            (None, None) if self.info.epoch == 0 && !self.info.assumed.is_empty() => {
                let message = "these weights do not say what they were trained on";
                return Err(Error::new(ErrorCode::Usage, message)
                    .key("data")
                    .hint("Say what to evaluate them on: `data`."));
            }
            (None, None) => self.own_data(),
        };
        if let Some(arrays) = &mut arrays {
            arrays.classes.get_or_insert_with(|| self.data.classes.clone());
        }
        let dataset = residual_data::open_with_arrays(&config, arrays, &|| !go_on());
        let Some(dataset) = unless_broken_off(dataset)? else { return Ok(None) };
        let (source, theirs) = (&dataset.facts().source, &dataset.facts().classes);
        let ours = &self.data.classes;
        let strange = class_map(source, theirs, ours).is_err();
        // Names that nobody said give way to the data set's, in its order.
        let labels = match self.unnamed && strange && theirs.len() == ours.len() {
            true => theirs,
            false => ours,
        };
        let map = class_map(source, theirs, labels)?;
        Ok(Some((self.part(&dataset, request.split)?.remap_labels(map), labels.clone())))
    }

    fn loader(&self, subset: &Subset, request: &EvaluateConfig, views: TestTimeAugment) -> Loader {
        let options = LoaderOptions {
            batch_size: self.images_at_a_time(request, &views),
            ..LoaderOptions::eval(&self.config)
        };
        let eval = match views {
            TestTimeAugment::Center => Arc::clone(&self.eval),
            views => Arc::new(self.eval.with_views(views)),
        };
        Loader::new(subset, eval, options)
    }

    /// The data set that it was trained on.
    pub(crate) fn data(&self) -> NameOr<DataConfig> {
        NameOr::Config(self.own_data())
    }

    /// For each of its classes, the index that another model gives to it.
    ///
    /// # Errors
    /// `E_MISMATCH` if they have not the same classes.
    pub(crate) fn columns_of(&self, other: &Session) -> Result<Vec<u32>> {
        class_map(&self.info.checkpoint, &self.data.classes, &other.data.classes)
    }

    /// The data set that the model was trained on, as it was opened then.
    fn own_data(&self) -> DataConfig {
        DataConfig {
            source: Some(self.config.data.source.clone()),
            format: Some(Auto::Value(self.config.data.format)),
            labels: Some(self.config.data.labels),
            ..DataConfig::default()
        }
    }

    fn part(&self, dataset: &Dataset, wanted: Option<Split>) -> Result<Subset> {
        // The validation part of the model's own data is the one that was split off in training.
        let facts = dataset.facts();
        let same = facts.format != DataFormat::Arrays || facts.fingerprint == self.data.fingerprint;
        let own = same && facts.source == self.config.data.source;
        let data = match own {
            true => self.config.data.clone(),
            false => Data { validation: 0.0, limit: None, ..self.config.data.clone() },
        };
        let split = dataset.splits(&data);
        let nothing = |part: &str| {
            Error::new(ErrorCode::Usage, format!("{} has no {part} part", dataset.facts().source))
                .key("split")
        };
        match wanted {
            Some(Split::Train) => Ok(split.train),
            Some(Split::Val) => split.val.ok_or_else(|| nothing("validation")),
            Some(Split::Test) => split.test.ok_or_else(|| nothing("test")),
            None => Ok(split.test.or(split.val).unwrap_or(split.train)),
        }
    }
}

/// Gives the tensor of a name, once.
type Read<'p> = Box<dyn FnMut(&str) -> Result<Option<Tensor>> + 'p>;

/// What a model is made of, from whatever file.
struct Parts<'p> {
    config: ResolvedConfig,
    data: DatasetInfo,
    network: Network,
    read: Read<'p>,
    pixel_mean: Option<Arc<PixelMean>>,
    progress: serde_json::Value,
    assumed: Vec<String>,
    unnamed: bool,
}

impl<'p> Parts<'p> {
    fn of_checkpoint(path: &'p Path, asked: &LoadConfig) -> Result<Parts<'p>> {
        let LoadConfig { model, classes, image_size, transform, precision, device } = asked;
        let said = [
            ("model", model.is_some()),
            ("classes", classes.is_some()),
            ("imageSize", image_size.is_some()),
            ("transform", transform.is_some()),
        ];
        if let Some((key, _)) = said.iter().find(|(_, said)| *said) {
            let message = format!("a checkpoint of residual's says its `{key}` itself");
            return Err(Error::new(ErrorCode::Config, message)
                .key(key)
                .file(path)
                .hint("Leave it out: it is for files of weights alone."));
        }
        let checkpoint = Checkpoint::open(path)?;
        let (mut config, data) = (checkpoint.config.clone(), checkpoint.data.clone());
        let mean = checkpoint.tensor(PIXEL_MEAN)?;
        let pixel_mean = pixel_mean::of_checkpoint(&config, mean.as_ref(), path)?;
        config.precision = precision.unwrap_or(config.precision);
        config.device = device.unwrap_or(config.device);
        let classes = data.classes.len() as u32;
        let (channels, size) = (config.data.channels, config.data.image_size);
        let network = residual_arch::build(&config.model, channels, size, classes)
            .map_err(|error| error.file(path))?;
        Ok(Parts {
            config,
            data,
            network,
            pixel_mean,
            progress: checkpoint.progress.clone(),
            read: Box::new(move |name| checkpoint.tensor(name)),
            assumed: Vec::new(),
            unnamed: false,
        })
    }

    fn of_weights(path: &'p Path, asked: &LoadConfig) -> Result<Parts<'p>> {
        let ExternalWeights {
            config,
            data,
            network,
            mut tensors,
            assumed,
            has_default_classes: unnamed,
            progress,
        } = ExternalWeights::read(path, asked, &crate::machine_info())?;
        let read = Box::new(move |name: &str| Ok(tensors.remove(name)));
        Ok(Parts { config, data, network, read, pixel_mean: None, progress, assumed, unnamed })
    }
}

/// Classes that a prediction names, where nobody said how many.
const DEFAULT_TOP: u32 = 5;
/// Examples that may come with their pixels, which are held in memory.
const MOST_THUMBNAILS: u32 = 1000;

/// # Errors
/// `E_CONFIG` for sides that are no picture's.
fn check_thumbnails(side: Option<u32>) -> Result<()> {
    match side {
        Some(side) if !(8..=256).contains(&side) => {
            let message = format!("`thumbnails` must be from 8 to 256, not {side}");
            Err(Error::new(ErrorCode::Config, message)
                .key("thumbnails")
                .hint("Leave it out for no pixels, or take 64."))
        }
        _ => Ok(()),
    }
}

/// # Errors
/// `E_CONFIG` if more pixels are asked for than anybody looks at.
fn check_examples(request: &EvaluateConfig) -> Result<()> {
    check_thumbnails(request.thumbnails)?;
    if request.thumbnails.is_none() {
        return Ok(());
    }
    for (key, count) in [("samples", request.samples), ("topLosses", request.top_losses)] {
        if count.unwrap_or(0) > MOST_THUMBNAILS {
            let message = format!("`{key}` with thumbnails must be {MOST_THUMBNAILS} at most");
            return Err(Error::new(ErrorCode::Config, message).key(key).hint(
                "Ask for fewer, or leave `thumbnails` out: names are given for any number.",
            ));
        }
    }
    Ok(())
}

/// The model's index of each of a data set's classes: the same names, in whatever order.
///
/// # Errors
/// `E_MISMATCH` if a name is missing on either side.
fn class_map(source: &str, theirs: &[String], ours: &[String]) -> Result<Vec<u32>> {
    let indices: BTreeMap<&str, u32> =
        ours.iter().zip(0..).map(|(name, index)| (name.as_str(), index)).collect();
    let unknown: Vec<&str> =
        theirs.iter().map(String::as_str).filter(|name| !indices.contains_key(name)).collect();
    let missing: Vec<&str> = ours
        .iter()
        .map(String::as_str)
        .filter(|name| !theirs.iter().any(|theirs| theirs == name))
        .collect();
    if unknown.is_empty() && missing.is_empty() && theirs.len() == ours.len() {
        return Ok(theirs.iter().map(|name| indices[name.as_str()]).collect());
    }
    let mut message = format!("{source} has other classes than the model");
    if !unknown.is_empty() {
        message += &format!("; the model does not know {}", shortened(&unknown));
    }
    if !missing.is_empty() {
        message += &format!("; the data has no {}", shortened(&missing));
    }
    Err(Error::new(ErrorCode::Mismatch, message).key("data").hint(format!(
        "Evaluate on data with the classes that the model was trained on: {}.",
        shortened(&ours.iter().map(String::as_str).collect::<Vec<_>>())
    )))
}

/// The first few names.
fn shortened(names: &[&str]) -> String {
    match names.len() {
        0..=4 => names.join(", "),
        many => format!("{}, ... {many} in all", names[..3].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn the_same_classes_in_another_order_are_mapped_by_name() {
        let map = class_map("x", &names(&["bee", "cat", "ant"]), &names(&["ant", "bee", "cat"]));
        assert_eq!(map.unwrap(), [1, 2, 0]);
    }

    #[test]
    fn classes_of_one_side_only_are_named() {
        let ours = names(&["ant", "bee", "cat"]);
        for (theirs, told) in [
            (names(&["ant", "bee"]), "the data has no cat"),
            (names(&["ant", "bee", "cat", "dog"]), "the model does not know dog"),
            (names(&["ant", "bee", "dog"]), "not know dog; the data has no cat"),
        ] {
            let error = class_map("x", &theirs, &ours).unwrap_err();
            assert_eq!(error.code, ErrorCode::Mismatch);
            assert!(error.message.ends_with(told), "{error}");
            assert!(error.hint.unwrap().contains("ant, bee, cat"));
        }
    }
}
