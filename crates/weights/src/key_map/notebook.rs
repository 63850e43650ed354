//! The notebook's names: its layers are numbered within `nn.Sequential`s, ReLUs included, and its
//! head is spelt `classifer`.

/// In a block's `features`: convolution, normalisation, ReLU, and so on.
const BRANCH: [(&str, &str); 6] =
    [("0", "conv1"), ("1", "bn1"), ("3", "conv2"), ("4", "bn2"), ("6", "conv3"), ("7", "bn3")];

pub(super) fn rename(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    let branch = |number: &str| BRANCH.iter().find(|(found, _)| *found == number);
    match parts[..] {
        ["classifer" | "classifier", part] => format!("fc.{part}"),
        ["features", "0", part] => format!("conv1.{part}"),
        ["features", "1", part] => format!("bn1.{part}"),
        [stage, block, "features", number, part] => match branch(number) {
            Some((_, layer)) => format!("{stage}.{block}.{layer}.{part}"),
            None => name.into(),
        },
        [stage, block, "shortcut", number, part] => {
            format!("{stage}.{block}.downsample.{number}.{part}")
        }
        _ => name.into(),
    }
}
