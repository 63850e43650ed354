//! Classification of images.

use std::path::PathBuf;

use residual_data::{
    Batch, EncodedImage, Image, ImageSize, Pipeline, ReadBuffers, SampleRng, decode_file_with,
};
use residual_spec::{LabelProbability, Prediction, Result};

use crate::evaluate::diverged_error;
use crate::{Model, predict_log_probs};

/// An image to classify.
pub enum ImageInput {
    /// Path of a JPEG or PNG file.
    Path(PathBuf),
    /// Contents of a JPEG or PNG file.
    Encoded(Vec<u8>),
    /// Pixels `[height, width, channels]`, values 0 to 255. Alpha, the second or fourth channel, is
    /// ignored.
    Raw { pixels: Vec<u8>, width: u32, height: u32, channels: u32 },
}

/// Predictions or error of each group of images, in the order of the groups.
pub type GroupPredictions = Vec<Result<Vec<Prediction>>>;

/// Maximum number of images in a batch.
const MAX_BATCH_SIZE: usize = 128;
/// Maximum number of pixels in a batch: 64 images of 224 x 224.
const MAX_BATCH_PIXELS: usize = 64 * 224 * 224;
/// Number of images in a batch with several views of each image.
const MULTI_VIEW_BATCH_SIZE: usize = 4;

/// Returns the number of images that [`predict`] preprocesses and passes to the network at once.
pub fn prediction_batch_size(model: &Model, pipeline: &Pipeline) -> usize {
    let size = model.network().image_size as usize;
    if pipeline.has_multiple_views() {
        MULTI_VIEW_BATCH_SIZE
    } else {
        (MAX_BATCH_PIXELS / (size * size).max(1)).clamp(1, MAX_BATCH_SIZE)
    }
}

/// Classifies images and returns the `top` most probable of `labels` for each, best first.
///
/// Each group of images succeeds or fails independently, but a batch may contain images of several
/// groups. `on_decoded` is called with the group index and the pixels of every decoded image.
/// `should_continue` is called before every image; if it returns false, the result is `None`.
///
/// # Errors
/// A group fails with `E_IMAGE` if an image cannot be decoded, `E_IO` if a file cannot be read, and
/// `E_DIVERGED` if the probabilities are not finite. The call fails with `E_TORCH`.
pub fn predict(
    model: &Model,
    labels: &[String],
    pipeline: &Pipeline,
    groups: &[&[ImageInput]],
    top: usize,
    on_decoded: &mut dyn FnMut(usize, &Image),
    should_continue: &dyn Fn() -> bool,
) -> Result<Option<GroupPredictions>> {
    let _no_grad = tch::no_grad_guard();
    let batch_size = prediction_batch_size(model, pipeline);
    let mut results: GroupPredictions =
        groups.iter().map(|inputs| Ok(Vec::with_capacity(inputs.len()))).collect();
    let mut buffers = ReadBuffers::default();
    let mut batch = Batch::default();
    // Group index of each image in the batch.
    let mut batch_groups = Vec::with_capacity(batch_size);
    for (group, inputs) in groups.iter().enumerate() {
        for input in *inputs {
            if !should_continue() {
                return Ok(None);
            }
            if let Err(error) = decode(input, pipeline, &mut buffers) {
                results[group] = Err(error);
            }
            // An earlier batch with an image of this group may have failed as well.
            if results[group].is_err() {
                break;
            }
            on_decoded(group, &buffers.image);
            append(&mut batch, pipeline, &buffers.image);
            batch_groups.push(group);
            if batch_groups.len() == batch_size {
                run_batch(model, labels, top, &mut batch, &mut batch_groups, &mut results)?;
            }
        }
    }
    run_batch(model, labels, top, &mut batch, &mut batch_groups, &mut results)?;
    Ok(Some(results))
}

/// Classifies the images of `batch`, adds the predictions to the results of their groups, and
/// clears the batch.
fn run_batch(
    model: &Model,
    labels: &[String],
    top: usize,
    batch: &mut Batch,
    batch_groups: &mut Vec<usize>,
    results: &mut [Result<Vec<Prediction>>],
) -> Result<()> {
    if batch_groups.is_empty() {
        return Ok(());
    }
    batch.labels.resize(batch_groups.len(), 0);
    let mut probabilities = predict_log_probs(model, None, batch)?;
    probabilities.iter_mut().for_each(|value| *value = value.exp());
    for (row, group) in probabilities.chunks(labels.len()).zip(batch_groups.drain(..)) {
        let Ok(predictions) = &mut results[group] else { continue };
        match row.iter().find(|value| !value.is_finite()) {
            None => predictions.push(top_classes(row, labels, top)),
            Some(&value) => results[group] = Err(diverged_error("output", value)),
        }
    }
    batch.images_mut().clear();
    batch.labels.clear();
    batch.views = None;
    Ok(())
}

/// Appends the transformed image, or all its views, to the batch.
fn append(batch: &mut Batch, pipeline: &Pipeline, image: &Image) {
    let start = batch.images.len();
    let images = batch.images_mut();
    let Some(views) = pipeline.view_sizes(image.view()) else {
        images.resize(start + pipeline.len(), 0.0);
        // The evaluation pipeline draws no random numbers, so the seed has no effect.
        let plan = pipeline.plan(image.view().size(), SampleRng::new(0, 0, 0));
        return pipeline.apply(image.view(), plan, &mut images[start..]);
    };
    let pixels: usize = views.iter().map(|[height, width]| (height * width) as usize).sum();
    images.resize(start + pixels * pipeline.channels(), 0.0);
    pipeline.apply_views(image.view(), &views, &mut images[start..]);
    batch.views.get_or_insert_default().extend(views);
}

/// Decodes an input into the image of `buffers`, with the channels of the pipeline.
fn decode(input: &ImageInput, pipeline: &Pipeline, buffers: &mut ReadBuffers) -> Result<()> {
    let ReadBuffers { bytes: encoded, image } = buffers;
    let network_channels = pipeline.channels() as u32;
    let request = |size: ImageSize| pipeline.whole_request(size);
    match input {
        ImageInput::Path(path) => decode_file_with(path, network_channels, request, encoded, image),
        ImageInput::Encoded(bytes) => {
            let encoded = EncodedImage::parse(bytes)?;
            encoded.decode(request(encoded.size()), network_channels, image)
        }
        ImageInput::Raw { pixels, width, height, channels } => {
            *image = Image::from_interleaved(*width, *height, *channels, pixels)?;
            image.set_channels(network_channels);
            Ok(())
        }
    }
}

/// Returns the `top` most probable classes of a row of probabilities, best first.
fn top_classes(row: &[f64], labels: &[String], top: usize) -> Prediction {
    let mut ranked: Vec<usize> = (0..row.len()).collect();
    // Classes of equal probability are ordered by index, as in argmax.
    ranked.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    let label_probability = |&index: &usize| LabelProbability {
        label: labels[index].clone(),
        index: index as u32,
        probability: row[index],
    };
    let top: Vec<LabelProbability> =
        ranked.iter().take(top.max(1)).map(label_probability).collect();
    Prediction {
        label: top[0].label.clone(),
        index: top[0].index,
        probability: top[0].probability,
        top,
        thumbnail: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_classes_by_probability_then_by_index() {
        let labels: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let prediction = top_classes(&[0.2, 0.4, 0.4], &labels, 2);
        assert_eq!(prediction.label, "b");
        let top: Vec<&str> = prediction.top.iter().map(|p| p.label.as_str()).collect();
        assert_eq!(top, ["b", "c"]);
    }
}
