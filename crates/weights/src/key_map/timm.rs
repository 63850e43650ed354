//! timm's keys for VGG, whose fully connected layers are convolutions over the last 7x7 feature
//! map. timm's residual networks have torchvision's keys.

use crate::Tensor;

pub(super) fn rename(name: &str) -> String {
    for (timm_prefix, prefix) in [
        ("pre_logits.fc1.", "classifier.0."),
        ("pre_logits.fc2.", "classifier.3."),
        ("head.fc.", "classifier.6."),
    ] {
        if let Some(part) = name.strip_prefix(timm_prefix) {
            return format!("{prefix}{part}");
        }
    }
    name.into()
}

/// Converts the weight of a convolution to that of a linear layer: `[out, in, h, w]` flattens to
/// `[out, in * h * w]` without moving elements.
pub(super) fn flatten(tensor: &mut Tensor) {
    if let [out, ref rest @ ..] = tensor.shape[..]
        && rest.len() == 3
    {
        tensor.shape = vec![out, rest.iter().product()];
    }
}
