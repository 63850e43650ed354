//! VGG (Simonyan and Zisserman 2015), which the paper compares its plain networks with; layers and
//! names as torchvision has them.

use crate::layer::{
    AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ConvUnit, Hidden, Linear, LinearInit, MaxPool2d,
};
use crate::network::{Layer, Network};

/// Five poolings leave one pixel of it.
pub(crate) const SMALLEST: u32 = 32;

/// 3x3 convolutions in each of the five stages (table 1: A, B, D, E).
fn convolutions(depth: u32) -> [u32; 5] {
    match depth {
        11 => [1, 1, 2, 2, 2],
        13 => [2; 5],
        16 => [2, 2, 3, 3, 3],
        _ => [2, 2, 4, 4, 4],
    }
}

/// Their channels.
const CHANNELS: [u32; 5] = [64, 128, 256, 512, 512];

pub(crate) fn build(
    name: &str,
    depth: u32,
    norm: bool,
    channels: u32,
    image_size: u32,
    classes: u32,
) -> Network {
    let mut features = Vec::new();
    let mut number = 0;
    // PyTorch numbers every module of a Sequential: convolution, normalisation, ReLU, pooling.
    let mut next = |modules: u32| {
        number += modules;
        format!("features.{}", number - modules)
    };
    let mut in_channels = channels;
    for (count, out_channels) in convolutions(depth).into_iter().zip(CHANNELS) {
        for _ in 0..count {
            let conv = Conv2d {
                name: next(1),
                in_channels,
                out_channels,
                kernel: 3,
                stride: 1,
                padding: 1,
                groups: 1,
                bias: true,
                zero_init: false,
            };
            let norm = norm.then(|| BatchNorm2d {
                name: next(1),
                channels: out_channels,
                zero_init: false,
            });
            next(1); // the ReLU
            features.push(Layer::Conv(ConvUnit { conv, norm, relu: true }));
            in_channels = out_channels;
        }
        features.push(Layer::MaxPool(MaxPool2d {
            name: next(1),
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
    Network {
        name: name.into(),
        class: "VGG",
        channels,
        image_size,
        features,
        pool: AdaptiveAvgPool2d { name: "avgpool".into(), size: 7 },
        hidden: vec![hidden(0, in_channels * 49), hidden(3, 4096)],
        head: linear(6, 4096, classes),
    }
}

#[cfg(test)]
mod tests {
    use crate::build::tests::by_name;

    #[test]
    fn names_are_torchvisions() {
        let names = |network: &str| -> Vec<String> {
            by_name(network).tensors().into_iter().map(|tensor| tensor.name).collect()
        };
        let plain = names("vgg16");
        assert_eq!(plain.len(), 32);
        for name in ["features.0.weight", "features.28.bias", "classifier.0.weight"] {
            assert!(plain.iter().any(|found| found == name), "{name}");
        }
        let normalised = names("vgg19_bn");
        for name in ["features.1.running_var", "features.50.weight", "classifier.6.bias"] {
            assert!(normalised.iter().any(|found| found == name), "{name}");
        }
    }
}
