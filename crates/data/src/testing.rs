//! Fixtures, which `scripts/fixtures/images.py` and `transforms.py` generate, and helpers of tests.

#[path = "../tests/mutate/mod.rs"]
pub(crate) mod mutate;

use residual_spec::{DataFormat, DatasetInfo, MachineInfo, ResolvedConfig, TrainConfig, resolve};
use serde_json::{Value, json};

use crate::{Image, Pipeline, SampleRng};

/// Reads `tests/images/<name>.png` as RGB.
pub(crate) fn fixture(name: &str) -> Image {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
    let bytes = std::fs::read(format!("{folder}/{name}.png")).unwrap();
    let mut image = Image::default();
    crate::decode(&bytes, 3, &mut image).unwrap();
    image
}

/// Parses `tests/fixtures/<name>.json`.
pub(crate) fn fixture_json(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Resolves a configuration for grayscale images of `size` with the given `transform`. Its
/// normalization leaves the values of pixels unchanged.
pub(crate) fn gray_config(size: u32, transform: Value) -> ResolvedConfig {
    let facts = DatasetInfo {
        source: "test".into(),
        format: DataFormat::Idx,
        train: 100,
        mean: Some(vec![0.0]),
        std: Some(vec![1.0 / 255.0]),
        flip_preserves_label: false,
        ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 1, Some([size, size]))
    };
    let machine = MachineInfo::with_cores(1);
    let config = json!({ "data": { "source": "test", "imageSize": size }, "transform": transform });
    resolve(&TrainConfig::from_json(&config).unwrap(), &facts, &machine).unwrap()
}

/// Returns a grayscale image whose pixels count up from 1, row by row, modulo 256.
pub(crate) fn numbered_image(width: u32, height: u32) -> Image {
    let pixels = (1..=width * height).map(|i| i as u8).collect();
    Image::new(width, height, 1, pixels).unwrap()
}

/// Applies a pipeline of [`gray_config`] with the random numbers of image `index`. Returns the
/// pixels.
pub(crate) fn apply(pipeline: &Pipeline, image: &Image, index: u32) -> Vec<u8> {
    let mut out = vec![f32::NAN; pipeline.len()];
    let plan = pipeline.plan(image.view().size(), SampleRng::new(0, 0, index));
    pipeline.apply(image.view(), plan, &mut out);
    out.into_iter().map(|value| value.round() as u8).collect()
}
