//! VGG (Simonyan and Zisserman 2015), with the layers and names of torchvision.

use residual_spec::{Error, ErrorCode, Model, Result, Stem, VggArch};

use super::Shape;
use crate::layer::{
    AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ConvUnit, Hidden, Linear, LinearInit, MaxPool2d,
};
use crate::network::{Layer, Network};

/// Minimum height and width of the input, which five poolings reduce to one pixel.
const MIN_IMAGE_SIZE: u32 = 32;

/// Output channels of the five stages.
const CHANNELS: [u32; 5] = [64, 128, 256, 512, 512];

/// # Errors
/// `E_CONFIG` for the CIFAR stem and for images that are too small.
pub(super) fn build(arch: &VggArch, model: &Model, shape: Shape) -> Result<Network> {
    if model.stem == Stem::Cifar {
        return Err(Error::new(ErrorCode::Config, "VGG does not support the CIFAR stem")
            .key("model.stem")
            .hint("Omit `model.stem`."));
    }
    if shape.image_size < MIN_IMAGE_SIZE {
        let message = format!(
            "VGG does not support images of {0}x{0} pixels: five poolings halve their size",
            shape.image_size
        );
        return Err(Error::new(ErrorCode::Config, message)
            .key("model")
            .hint(format!("Use images of at least {MIN_IMAGE_SIZE}x{MIN_IMAGE_SIZE} pixels.")));
    }
    let mut features = Vec::new();
    // PyTorch numbers all modules of a Sequential: convolution, normalization, ReLU, pooling.
    let mut modules = 0..;
    let mut next_name = || format!("features.{}", modules.next().expect("the range is infinite"));
    let mut in_channels = shape.channels;
    for (count, out_channels) in arch.convolutions.into_iter().zip(CHANNELS) {
        for _ in 0..count {
            let conv = Conv2d {
                name: next_name(),
                in_channels,
                out_channels,
                kernel: 3,
                stride: 1,
                padding: 1,
                groups: 1,
                bias: true,
                zero_init: false,
            };
            let norm = arch.batch_norm.then(|| BatchNorm2d {
                name: next_name(),
                channels: out_channels,
                zero_init: false,
            });
            next_name(); // ReLU
            features.push(Layer::Conv(ConvUnit { conv, norm, relu: true }));
            in_channels = out_channels;
        }
        features.push(Layer::MaxPool(MaxPool2d {
            name: next_name(),
            kernel: 2,
            stride: 2,
            padding: 0,
        }));
    }

    let linear = |number: u32, in_features: u32, out_features: u32| Linear {
        name: format!("classifier.{number}"),
        in_features,
        out_features,
        init: LinearInit::Normal { std: 0.01 },
    };
    let hidden =
        |number, in_features| Hidden { linear: linear(number, in_features, 4096), dropout: 0.5 };
    Ok(Network {
        name: model.arch.clone(),
        class: "VGG",
        channels: shape.channels,
        image_size: shape.image_size,
        features,
        pool: AdaptiveAvgPool2d { name: "avgpool".into(), size: 7 },
        hidden: vec![hidden(0, in_channels * 49), hidden(3, 4096)],
        head: linear(6, 4096, shape.classes),
    })
}

#[cfg(test)]
mod tests {
    use crate::build::tests::build_by_name;

    #[test]
    fn names_match_torchvision() {
        let names = |network: &str| -> Vec<String> {
            build_by_name(network).tensors().into_iter().map(|tensor| tensor.name).collect()
        };
        let plain = names("vgg16");
        assert_eq!(plain.len(), 32);
        for name in ["features.0.weight", "features.28.bias", "classifier.0.weight"] {
            assert!(plain.iter().any(|found| found == name), "{name}");
        }
        let normalized = names("vgg19_bn");
        for name in ["features.1.running_var", "features.50.weight", "classifier.6.bias"] {
            assert!(normalized.iter().any(|found| found == name), "{name}");
        }
    }
}
