//! Test fixtures, made by `scripts/fixtures/images.py` and `transforms.py`.

use serde_json::Value;

use crate::Image;

/// `tests/images/<name>.png`, as RGB.
pub(crate) fn fixture(name: &str) -> Image {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
    let bytes = std::fs::read(format!("{folder}/{name}.png")).unwrap();
    let mut image = Image::default();
    crate::decode(&bytes, 3, &mut image).unwrap();
    image
}

/// `tests/fixtures/<name>.json`.
pub(crate) fn fixture_json(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}
