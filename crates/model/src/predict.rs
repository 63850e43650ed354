//! From pictures to labels.

use std::path::PathBuf;

use residual_data::{decode, Image, Pipeline, SampleRng};
use residual_spec::{Error, ErrorCode, LabelProbability, Prediction, Result};
use residual_torch::failure;
use tch::Kind;

use crate::Model;

/// A picture to classify.
pub enum Input {
    /// A JPEG or PNG file.
    Path(PathBuf),
    /// The bytes of one.
    Encoded(Vec<u8>),
    /// Rows of pixels, channels innermost, 0 to 255.
    Raw { pixels: Vec<u8>, width: u32, height: u32, channels: u32 },
}

/// Images in one forward pass; more are done in several.
const BATCH: usize = 64;

/// What each picture shows: the `top` most probable of `labels`, best first.
///
/// # Errors
/// `E_IMAGE` for the first picture that cannot be decoded; `E_IO` for a file that cannot be read.
pub fn predict(
    model: &Model,
    labels: &[String],
    pipeline: &Pipeline,
    inputs: &[Input],
    top: usize,
) -> Result<Vec<Prediction>> {
    let _no_grad = tch::no_grad_guard();
    let mut predictions = Vec::with_capacity(inputs.len());
    let mut image = Image::default();
    for inputs in inputs.chunks(BATCH) {
        let mut pixels = vec![0.0; inputs.len() * pipeline.len()];
        for (input, out) in inputs.iter().zip(pixels.chunks_mut(pipeline.len())) {
            read(input, model.network().channels, &mut image)?;
            // Nothing is random at evaluation; the generator is there for the signature.
            pipeline.apply(&image, &mut SampleRng::new(0, 0, 0), out);
        }
        let logits = model.forward(&model.input(&pixels, inputs.len())?, false)?;
        let probabilities = logits
            .f_softmax(1, Kind::Double)
            .and_then(|rows| rows.f_contiguous()?.f_view([-1]))
            .and_then(Vec::<f64>::try_from)
            .map_err(failure)?;
        predictions.extend(probabilities.chunks(labels.len()).map(|row| best(row, labels, top)));
    }
    Ok(predictions)
}

fn read(input: &Input, channels: u32, image: &mut Image) -> Result<()> {
    match input {
        Input::Path(path) => {
            let bytes = std::fs::read(path).map_err(|cause| Error::read(path, &cause))?;
            decode(&bytes, channels, image).map_err(|error| error.file(path))
        }
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
