//! Keys of Hugging Face Transformers' `ResNetForImageClassification`.

/// Parts of a key after `encoder.stages.S.layers.B.`, and their names in torchvision's block.
const BLOCK_LAYERS: [(&str, &str); 8] = [
    ("layer.0.convolution.", "conv1."),
    ("layer.0.normalization.", "bn1."),
    ("layer.1.convolution.", "conv2."),
    ("layer.1.normalization.", "bn2."),
    ("layer.2.convolution.", "conv3."),
    ("layer.2.normalization.", "bn3."),
    ("shortcut.convolution.", "downsample.0."),
    ("shortcut.normalization.", "downsample.1."),
];

pub(super) fn rename(name: &str) -> String {
    if let Some(part) = name.strip_prefix("embedder.embedder.convolution.") {
        return format!("conv1.{part}");
    }
    if let Some(part) = name.strip_prefix("embedder.embedder.normalization.") {
        return format!("bn1.{part}");
    }
    rename_block(name).unwrap_or_else(|| name.into())
}

fn rename_block(name: &str) -> Option<String> {
    let (stage, rest) = name.strip_prefix("encoder.stages.")?.split_once(".layers.")?;
    let (block, rest) = rest.split_once('.')?;
    let stage: u32 = stage.parse().ok()?;
    let part =
        |(found, layer): &(&str, &str)| Some(format!("{layer}{}", rest.strip_prefix(found)?));
    let part = BLOCK_LAYERS.iter().find_map(part)?;
    Some(format!("layer{}.{block}.{part}", stage.checked_add(1)?))
}
