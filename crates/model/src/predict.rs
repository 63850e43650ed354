//! From pictures to labels.

use std::path::PathBuf;

use residual_data::{Batch, Image, Pipeline, SampleRng, decode_file_wanted, decode_wanted};
use residual_spec::{Error, ErrorCode, LabelProbability, Prediction, Result};

use crate::evaluate::no_number;
use crate::{Model, predict_log_probs};

/// A picture to classify.
pub enum ImageInput {
    /// A JPEG or PNG file.
    Path(PathBuf),
    /// The bytes of one.
    Encoded(Vec<u8>),
    /// Rows of pixels, channels innermost, 0 to 255.
    Raw { pixels: Vec<u8>, width: u32, height: u32, channels: u32 },
}

/// Of each group of pictures, in their order.
pub type GroupPredictions = Vec<Result<Vec<Prediction>>>;

/// Images that are prepared at once; more are done one batch after another.
const BATCH: usize = 128;
/// And no more pixels than those of so many images of 224 x 224.
const PIXELS: usize = 64 * 224 * 224;
/// The same where the network sees each several times.
const SEEN_OFTEN: usize = 4;

/// How many images are prepared and pass the network at once.
pub fn prediction_batch_size(model: &Model, pipeline: &Pipeline) -> usize {
    let size = model.network().image_size as usize;
    match pipeline.has_multiple_views() {
        true => SEEN_OFTEN,
        false => (PIXELS / (size * size).max(1)).clamp(1, BATCH),
    }
}

/// What each picture shows: the `top` most probable of `labels`, best first. Pictures come in
/// groups, each of which is answered or fails by itself, though they pass the network together.
/// Each picture is shown to `seen` on the way with its group's number, as it was decoded. `go_on`
/// is asked before each; `false` ends early with `None`.
///
/// # Errors
/// Of a group: `E_IMAGE` for its first picture that cannot be decoded; `E_IO` for a file that cannot
/// be read; `E_DIVERGED` if what the network says are no numbers. Of all: `E_TORCH`.
pub fn predict(
    model: &Model,
    labels: &[String],
    pipeline: &Pipeline,
    groups: &[&[ImageInput]],
    top: usize,
    seen: &mut dyn FnMut(usize, &Image),
    go_on: &dyn Fn() -> bool,
) -> Result<Option<GroupPredictions>> {
    let _no_grad = tch::no_grad_guard();
    let mut answers: GroupPredictions =
        groups.iter().map(|inputs| Ok(Vec::with_capacity(inputs.len()))).collect();
    let most = prediction_batch_size(model, pipeline);
    let mut image = Image::default();
    let (mut batch, mut of) = (Batch::default(), Vec::with_capacity(most));
    for (group, inputs) in groups.iter().enumerate() {
        for input in *inputs {
            if !go_on() {
                return Ok(None);
            }
            if let Err(error) = read(input, pipeline, &mut image) {
                answers[group] = Err(error);
            }
            if answers[group].is_err() {
                break; // one of its images failed
            }
            seen(group, &image);
            add(&mut batch, pipeline, &image);
            of.push(group);
            if of.len() == most {
                answer(model, labels, top, &mut batch, &mut of, &mut answers)?;
            }
        }
    }
    answer(model, labels, top, &mut batch, &mut of, &mut answers)?;
    Ok(Some(answers))
}

/// Passes a batch, whose images are `of` these groups, and begins the next.
fn answer(
    model: &Model,
    labels: &[String],
    top: usize,
    batch: &mut Batch,
    of: &mut Vec<usize>,
    answers: &mut [Result<Vec<Prediction>>],
) -> Result<()> {
    if of.is_empty() {
        return Ok(());
    }
    batch.labels.resize(of.len(), 0);
    let mut probabilities = predict_log_probs(model, None, batch)?;
    probabilities.iter_mut().for_each(|value| *value = value.exp());
    for (row, group) in probabilities.chunks(labels.len()).zip(of.drain(..)) {
        let Ok(predictions) = &mut answers[group] else { continue };
        match row.iter().find(|value| !value.is_finite()) {
            None => predictions.push(best(row, labels, top)),
            Some(&value) => answers[group] = Err(no_number("answer", value)),
        }
    }
    batch.images_mut().clear();
    batch.labels.clear();
    batch.views = None;
    Ok(())
}

/// Puts what the network is to see of an image behind what is there.
fn add(batch: &mut Batch, pipeline: &Pipeline, image: &Image) {
    let filled = batch.images.len();
    let images = batch.images_mut();
    let Some(views) = pipeline.views(image) else {
        images.resize(filled + pipeline.len(), 0.0);
        // Nothing is random at evaluation; the generator is there for the signature.
        return pipeline.apply(image, &mut SampleRng::new(0, 0, 0), &mut images[filled..]);
    };
    let pixels: usize = views.iter().map(|[height, width]| (height * width) as usize).sum();
    images.resize(filled + pixels * pipeline.channels(), 0.0);
    pipeline.apply_views(image, &views, &mut images[filled..]);
    batch.views.get_or_insert_default().extend(views);
}

fn read(input: &ImageInput, pipeline: &Pipeline, image: &mut Image) -> Result<()> {
    let channels = pipeline.channels() as u32;
    let wanted = |width, height| pipeline.wanted_whole(width, height);
    match input {
        ImageInput::Path(path) => decode_file_wanted(path, channels, &wanted, image),
        ImageInput::Encoded(bytes) => decode_wanted(bytes, channels, &wanted, image),
        ImageInput::Raw { pixels, width, height, channels: given } => {
            let expected = u64::from(*width) * u64::from(*height) * u64::from(*given);
            if expected == 0 || expected != pixels.len() as u64 || !matches!(given, 1 | 3) {
                return Err(Error::new(
                    ErrorCode::Image,
                    format!(
                        "{} bytes are not {width} x {height} pixels of {given} channels",
                        pixels.len()
                    ),
                )
                .hint(
                    "Give width * height * channels bytes, channels innermost, 1 or 3 channels.",
                ));
            }
            *image = Image::new(*width, *height, *given, pixels.clone())?;
            image.set_channels(channels);
            Ok(())
        }
    }
}

fn best(row: &[f64], labels: &[String], top: usize) -> Prediction {
    let mut ranked: Vec<usize> = (0..row.len()).collect();
    // By index among equals, so that the answer never depends on the sort.
    ranked.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    let named = |&index: &usize| LabelProbability {
        label: labels[index].clone(),
        index: index as u32,
        probability: row[index],
    };
    let top: Vec<LabelProbability> = ranked.iter().take(top.max(1)).map(named).collect();
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
    fn the_most_probable_classes_come_first_and_ties_by_index() {
        let labels: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let prediction = best(&[0.2, 0.4, 0.4], &labels, 2);
        assert_eq!(prediction.label, "b");
        let top: Vec<&str> = prediction.top.iter().map(|p| p.label.as_str()).collect();
        assert_eq!(top, ["b", "c"]);
    }
}
