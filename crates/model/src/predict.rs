//! From pictures to labels.

use std::path::PathBuf;

use residual_data::{decode, decode_file, Batch, Image, Pipeline, SampleRng};
use residual_spec::{Error, ErrorCode, LabelProbability, Prediction, Result};

use crate::evaluate::no_number;
use crate::{classify, Model};

/// A picture to classify.
pub enum Input {
    /// A JPEG or PNG file.
    Path(PathBuf),
    /// The bytes of one.
    Encoded(Vec<u8>),
    /// Rows of pixels, channels innermost, 0 to 255.
    Raw { pixels: Vec<u8>, width: u32, height: u32, channels: u32 },
}

/// Images of 224 x 224 that are prepared at once; more, or larger ones, are done one batch after
/// another.
const BATCH: usize = 64;
/// The same where the network sees each several times.
const SEEN_OFTEN: usize = 4;

/// What each picture shows: the `top` most probable of `labels`, best first. Each picture is shown
/// to `seen` on the way, as it was decoded.
///
/// # Errors
/// `E_IMAGE` for the first picture that cannot be decoded; `E_IO` for a file that cannot be read;
/// `E_DIVERGED` if what the network says are no numbers.
pub fn predict(
    model: &Model,
    labels: &[String],
    pipeline: &Pipeline,
    inputs: &[Input],
    top: usize,
    seen: &mut dyn FnMut(&Image),
) -> Result<Vec<Prediction>> {
    let _no_grad = tch::no_grad_guard();
    let mut predictions = Vec::with_capacity(inputs.len());
    let mut image = Image::default();
    let often = pipeline.sees_often();
    let size = model.network().image_size as usize;
    let at_a_time = (BATCH * 224 * 224 / (size * size).max(1)).clamp(1, BATCH);
    for inputs in inputs.chunks(if often { SEEN_OFTEN } else { at_a_time }) {
        let mut batch = Batch { labels: vec![0; inputs.len()], ..Batch::default() };
        for input in inputs {
            read(input, model.network().channels, &mut image)?;
            seen(&image);
            add(&mut batch, pipeline, &image);
        }
        let mut probabilities = classify(model, &batch)?;
        probabilities.iter_mut().for_each(|value| *value = value.exp());
        if let Some(&value) = probabilities.iter().find(|value| !value.is_finite()) {
            return Err(no_number("answer", value));
        }
        predictions.extend(probabilities.chunks(labels.len()).map(|row| best(row, labels, top)));
    }
    Ok(predictions)
}

/// Puts what the network is to see of an image behind what is there.
fn add(batch: &mut Batch, pipeline: &Pipeline, image: &Image) {
    let filled = batch.images.len();
    let Some(views) = pipeline.views(image) else {
        batch.images.resize(filled + pipeline.len(), 0.0);
        // Nothing is random at evaluation; the generator is there for the signature.
        return pipeline.apply(image, &mut SampleRng::new(0, 0, 0), &mut batch.images[filled..]);
    };
    let pixels: usize = views.iter().map(|[height, width]| (height * width) as usize).sum();
    batch.images.resize(filled + pixels * pipeline.channels(), 0.0);
    pipeline.apply_views(image, &views, &mut batch.images[filled..]);
    batch.views.get_or_insert_default().extend(views);
}

fn read(input: &Input, channels: u32, image: &mut Image) -> Result<()> {
    match input {
        Input::Path(path) => decode_file(path, channels, image),
        Input::Encoded(bytes) => decode(bytes, channels, image),
        Input::Raw { pixels, width, height, channels: given } => {
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
