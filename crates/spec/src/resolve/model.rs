//! The network of a run or of `inspect()`.

use super::ranges::check_range;
use super::{MAX_SMALL_IMAGE, Reasons};
use crate::families::{self, Arch};
use crate::*;

/// Value of `model.weights` that selects random initialization.
pub const RANDOM_INIT: &str = "none";
/// Default architecture of training that starts from published weights.
pub const PRETRAINED_ARCH: &str = "resnet18";

/// Resolves the network for small or large images. An unknown architecture is not an error here;
/// `residual_arch::build` reports it.
pub(super) fn resolve_model(
    config: &ModelConfig,
    small_images: bool,
    reasons: &mut Reasons,
) -> Model {
    let name = reasons.resolve_auto("model.arch", &config.arch, || {
        if small_images {
            (
                "resnet20".to_string(),
                "small images: smallest CIFAR network of He et al. 2015".into(),
            )
        } else {
            (
                "resnet18".to_string(),
                "large images: smallest ImageNet network of He et al. 2015".into(),
            )
        }
    });
    let arch = Arch::parse(&name);
    let stem = reasons.resolve_auto("model.stem", &config.stem, || {
        let default = arch.as_ref().map(|arch| arch.default_stem(small_images));
        let (stem, reason) = default.unwrap_or_else(|| families::default_stem(small_images));
        (stem, reason.into())
    });
    let shortcut = reasons.resolve_auto("model.shortcut", &config.shortcut, || {
        let default = arch.as_ref().map(Arch::default_shortcut);
        let (shortcut, reason) = default.unwrap_or(families::DEFAULT_SHORTCUT);
        (shortcut, reason.into())
    });
    Model {
        arch: name,
        stem,
        shortcut,
        zero_init_residual: config.zero_init_residual.unwrap_or(false),
        bottleneck_stride: config.bottleneck_stride.unwrap_or(BottleneckStride::Middle),
        weights: reasons.resolve_auto("model.weights", &config.weights, || {
            (RANDOM_INIT.to_string(), "no weights are configured".into())
        }),
        weights_sha256: config.weights_sha256.clone(),
        freeze: config.freeze.clone().unwrap_or_default(),
    }
}

/// Resolves the network and input shape of `inspect()`.
///
/// # Errors
/// `E_CONFIG` for a value out of range.
pub fn resolve_inspect(config: &InspectConfig) -> Result<InspectTarget> {
    let model = config.model.as_ref().map(NameOr::<ModelConfig>::to_config).unwrap_or_default();
    let arch = model.arch.as_ref().and_then(Auto::value);
    let is_cifar = arch.and_then(|arch| Arch::parse(arch)).is_some_and(|arch| arch.is_cifar());
    let image_size = config.image_size.unwrap_or(if is_cifar { 32 } else { 224 });
    let channels = config.channels.unwrap_or(3);
    let classes = config.classes.unwrap_or(if is_cifar { 10 } else { 1000 });
    for (key, value, min, max) in [
        ("imageSize", image_size, 8, 1024),
        ("channels", channels, 1, 1024),
        ("classes", classes, 1, 1_000_000),
    ] {
        let is_valid = (min..=max).contains(&value);
        check_range(key, value.into(), is_valid, &format!("from {min} to {max}"))?;
    }
    let small_images = image_size <= MAX_SMALL_IMAGE;
    let model = resolve_model(&model, small_images, &mut Reasons::default());
    Ok(InspectTarget { model, channels, image_size, classes })
}
