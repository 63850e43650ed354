//! Keys of the notebook (see docs/weights.md): layers are numbered within `nn.Sequential`, ReLUs
//! included, and the head is spelled `classifer`.

/// Index of a layer in a block's `features`, and its name in torchvision. Indices 2 and 5 are ReLUs,
/// which have no tensors.
const BLOCK_LAYERS: [(&str, &str); 6] =
    [("0", "conv1"), ("1", "bn1"), ("3", "conv2"), ("4", "bn2"), ("6", "conv3"), ("7", "bn3")];

pub(super) fn rename(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    let block_layer = |index: &str| BLOCK_LAYERS.iter().find(|(found, _)| *found == index);
    match parts[..] {
        ["classifer" | "classifier", part] => format!("fc.{part}"),
        ["features", "0", part] => format!("conv1.{part}"),
        ["features", "1", part] => format!("bn1.{part}"),
        [stage, block, "features", index, part] => match block_layer(index) {
            Some((_, layer)) => format!("{stage}.{block}.{layer}.{part}"),
            None => name.into(),
        },
        [stage, block, "shortcut", index, part] => {
            format!("{stage}.{block}.downsample.{index}.{part}")
        }
        _ => name.into(),
    }
}
