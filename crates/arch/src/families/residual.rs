//! Residual networks and plain networks (He et al. 2015), with the names of torchvision.

use residual_spec::{BottleneckStride, Model, ResidualArch, Shortcut, Stem};

use super::Shape;
use crate::layer::{
    AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ConvUnit, Linear, LinearInit, MaxPool2d,
};
use crate::network::{Block, Layer, Network, ShortcutPath};

pub(super) fn build(arch: &ResidualArch, model: &Model, shape: Shape) -> Network {
    let mut features = stem(arch, model.stem, shape.channels);
    let mut in_channels = arch.stem_channels;
    for (stage, &count) in arch.blocks.iter().enumerate() {
        for index in 0..count {
            let position = BlockPosition {
                name: format!("layer{}.{index}", stage + 1),
                in_channels,
                planes: arch.channels << stage,
                stride: if stage > 0 && index == 0 { 2 } else { 1 },
                // The stem activates the input of the first block (He et al. 2016, appendix).
                is_activated: stage == 0 && index == 0,
            };
            let block = block(arch, position, model);
            in_channels = block.out_channels();
            features.push(Layer::Block(block));
        }
    }
    if arch.preactivation {
        features.push(Layer::NormRelu(norm("bn", in_channels)));
    }

    Network {
        name: model.arch.clone(),
        class: arch.class,
        channels: shape.channels,
        image_size: shape.image_size,
        features,
        pool: AdaptiveAvgPool2d { name: "avgpool".into(), size: 1 },
        hidden: Vec::new(),
        head: Linear {
            name: "fc".into(),
            in_features: in_channels,
            out_features: shape.classes,
            init: LinearInit::Uniform,
        },
    }
}

/// Returns the layers before the first block.
fn stem(arch: &ResidualArch, stem: Stem, in_channels: u32) -> Vec<Layer> {
    let (kernel, stride) = match stem {
        Stem::Cifar => (3, 1),
        Stem::Imagenet => (7, 2),
    };
    let unit = Layer::Conv(ConvUnit {
        conv: conv("conv1", in_channels, arch.stem_channels, kernel, stride),
        norm: Some(norm("bn1", arch.stem_channels)),
        relu: true,
    });
    let name = "maxpool".into();
    match stem {
        Stem::Cifar => vec![unit],
        Stem::Imagenet => {
            vec![unit, Layer::MaxPool(MaxPool2d { name, kernel: 3, stride: 2, padding: 1 })]
        }
    }
}

fn conv(
    name: impl Into<String>,
    in_channels: u32,
    out_channels: u32,
    kernel: u32,
    stride: u32,
) -> Conv2d {
    Conv2d {
        name: name.into(),
        in_channels,
        out_channels,
        kernel,
        stride,
        padding: kernel / 2,
        groups: 1,
        bias: false,
        zero_init: false,
    }
}

fn norm(name: impl Into<String>, channels: u32) -> BatchNorm2d {
    BatchNorm2d { name: name.into(), channels, zero_init: false }
}

/// Position of a block in the network.
struct BlockPosition {
    name: String,
    in_channels: u32,
    /// Channels before the expansion of bottlenecks, as torchvision's `planes`.
    planes: u32,
    stride: u32,
    /// Whether normalization and ReLU were applied to the input before the block.
    is_activated: bool,
}

fn block(arch: &ResidualArch, position: BlockPosition, model: &Model) -> Block {
    let out_channels = position.planes * if arch.bottleneck { 4 } else { 1 };
    let mut branch = branch(arch, &position, out_channels, model.bottleneck_stride);
    if let (true, Some(last)) = (model.zero_init_residual, branch.last_mut()) {
        match &mut last.norm {
            Some(norm) => norm.zero_init = true,
            None => last.conv.zero_init = true,
        }
    }
    let shortcut = shortcut(arch, &position, out_channels, model.shortcut);
    let activation = if arch.preactivation && !position.is_activated {
        Some(norm(format!("{}.bn1", position.name), position.in_channels))
    } else {
        None
    };
    let has_shortcut = model.shortcut != Shortcut::None;
    let kind = match (has_shortcut, arch.preactivation, arch.bottleneck) {
        (false, _, _) => "PlainBlock",
        (true, false, false) => "BasicBlock",
        (true, false, true) => "Bottleneck",
        (true, true, false) => "PreActBlock",
        (true, true, true) => "PreActBottleneck",
    };
    Block { name: position.name, kind, activation, branch, shortcut, relu: !arch.preactivation }
}

/// Returns the layers of a block's residual branch (figure 5).
fn branch(
    arch: &ResidualArch,
    position: &BlockPosition,
    out_channels: u32,
    bottleneck_stride: BottleneckStride,
) -> Vec<ConvUnit> {
    let BlockPosition { name, in_channels, planes, stride, .. } = position;
    let (planes, stride) = (*planes, *stride);
    let inner = planes * arch.width_per_group / 64 * arch.groups;
    let (first, middle) = match bottleneck_stride {
        BottleneckStride::First => (stride, 1),
        BottleneckStride::Middle => (1, stride),
    };
    // Kernel, stride and output channels of each layer.
    let layers: &[(u32, u32, u32)] = if arch.bottleneck {
        &[(1, first, inner), (3, middle, inner), (1, 1, out_channels)]
    } else {
        &[(3, stride, planes), (3, 1, planes)]
    };

    let mut branch = Vec::new();
    let mut channels = *in_channels;
    for (index, &(kernel, stride, out)) in layers.iter().enumerate() {
        let (number, is_last) = (index + 1, index + 1 == layers.len());
        let mut conv = conv(format!("{name}.conv{number}"), channels, out, kernel, stride);
        if arch.bottleneck && kernel == 3 {
            conv.groups = arch.groups;
        }
        // Order with pre-activation: bn1, conv1, bn2, conv2; without: conv1, bn1, conv2, bn2.
        let norm = match (arch.preactivation, is_last) {
            (false, _) => Some(norm(format!("{name}.bn{number}"), out)),
            (true, false) => Some(norm(format!("{name}.bn{}", number + 1), out)),
            (true, true) => None,
        };
        branch.push(ConvUnit { conv, norm, relu: !is_last });
        channels = out;
    }
    branch
}

fn shortcut(
    arch: &ResidualArch,
    position: &BlockPosition,
    out_channels: u32,
    shortcut: Shortcut,
) -> ShortcutPath {
    let BlockPosition { name, in_channels, stride, .. } = position;
    let (in_channels, stride) = (*in_channels, *stride);
    let projection = || {
        ShortcutPath::Projection(ConvUnit {
            conv: conv(format!("{name}.downsample.0"), in_channels, out_channels, 1, stride),
            norm: if arch.preactivation {
                None
            } else {
                Some(norm(format!("{name}.downsample.1"), out_channels))
            },
            relu: false,
        })
    };
    let keeps_shape = stride == 1 && in_channels == out_channels;
    match shortcut {
        Shortcut::None => ShortcutPath::None,
        Shortcut::A | Shortcut::B if keeps_shape => ShortcutPath::Identity,
        Shortcut::A => ShortcutPath::Pad { stride, pad: (out_channels - in_channels) / 2 },
        Shortcut::B | Shortcut::C => projection(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::tests::{build_by_name, build_from_config};
    use residual_spec::{Auto, ModelConfig};

    fn names(network: &Network) -> Vec<String> {
        network.tensors().into_iter().map(|tensor| tensor.name).collect()
    }

    fn build_with(arch: &str, options: ModelConfig) -> Network {
        build_from_config(ModelConfig { arch: Some(Auto::Value(arch.into())), ..options }).unwrap()
    }

    #[test]
    fn cifar_networks_have_the_parameters_of_the_paper() {
        // Table 6, in millions. Shortcuts of option A have no parameters.
        for (depth, millions) in
            [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7), (1202, 19.4)]
        {
            let residual = build_by_name(&format!("resnet{depth}")).parameters();
            let found = residual as f64 / 1e6;
            assert!((found / millions - 1.0).abs() < 0.02, "resnet{depth}: {found}");
            let plain = build_by_name(&format!("plain{depth}")).parameters();
            assert_eq!(plain, residual, "plain{depth}");
        }
    }

    #[test]
    fn preactivation_and_wide_networks_have_the_parameters_of_their_papers() {
        // He et al. 2016 (table 4 and section 4), Zagoruyko and Komodakis 2016 (table 5).
        for (name, millions) in [
            ("preresnet110", 1.7),
            ("preresnet164", 1.7),
            ("preresnet1001", 10.2),
            ("wrn40_4", 8.9),
            ("wrn16_8", 11.0),
            ("wrn28_10", 36.5),
        ] {
            let found = build_by_name(name).parameters() as f64 / 1e6;
            assert!((found / millions - 1.0).abs() < 0.02, "{name}: {found}");
        }
    }

    #[test]
    fn names_match_torchvision() {
        let names = names(&build_by_name("resnet50"));
        for name in [
            "conv1.weight",
            "bn1.running_var",
            "layer1.0.conv3.weight",
            "layer1.0.downsample.0.weight",
            "layer4.2.bn3.bias",
            "fc.bias",
        ] {
            assert!(names.iter().any(|found| found == name), "{name}");
        }
        // torchvision's state_dict has 320 entries, 53 of them num_batches_tracked.
        assert_eq!(names.len(), 320 - 53);
    }

    #[test]
    fn option_a_pads_channels_equally_on_both_sides() {
        let network = build_by_name("resnet20");
        let pads: Vec<_> = network
            .blocks()
            .filter_map(|block| match block.shortcut {
                ShortcutPath::Pad { stride, pad } => Some((stride, pad)),
                ShortcutPath::None | ShortcutPath::Identity | ShortcutPath::Projection(_) => None,
            })
            .collect();
        assert_eq!(pads, [(2, 8), (2, 16)]);
    }

    #[test]
    fn option_c_projects_in_every_block_and_none_in_no_block() {
        let options = |shortcut| ModelConfig { shortcut: Some(shortcut), ..ModelConfig::default() };
        let c = build_with("resnet20", options(Auto::Value(Shortcut::C)));
        assert!(c.blocks().all(|block| matches!(block.shortcut, ShortcutPath::Projection(_))));
        let none = build_with("resnet20", options(Auto::Value(Shortcut::None)));
        assert_eq!(none.features, build_by_name("plain20").features);
    }

    #[test]
    fn bottleneck_stride_selects_the_strided_layer() {
        let strides = |network: &Network| -> Vec<u32> {
            let block = network.blocks().find(|block| block.name == "layer2.0").unwrap();
            block.branch.iter().map(|unit| unit.conv.stride).collect()
        };
        assert_eq!(strides(&build_by_name("resnet50")), [1, 2, 1]);
        let paper = ModelConfig {
            bottleneck_stride: Some(BottleneckStride::First),
            ..ModelConfig::default()
        };
        assert_eq!(strides(&build_with("resnet50", paper)), [2, 1, 1]);
    }

    #[test]
    fn preactivation_normalizes_before_each_convolution() {
        let network = build_by_name("preresnet20");
        let first: Vec<String> = names(&network).into_iter().take(16).collect();
        // The stem already activates the input of the first block.
        assert_eq!(first[0], "conv1.weight");
        assert_eq!(first[5..7], ["layer1.0.conv1.weight", "layer1.0.bn2.weight"]);
        assert_eq!(first[11], "layer1.1.bn1.weight");
        assert!(names(&network).contains(&"bn.running_mean".to_string()));
        assert!(network.blocks().all(|block| !block.relu));
        // Blocks have one normalization per convolution; the missing first one is at the end.
        let norms = |name: &str| {
            names(&build_by_name(name)).iter().filter(|name| name.ends_with("running_var")).count()
        };
        assert_eq!(norms("preresnet20"), norms("resnet20"));
    }

    #[test]
    fn zero_init_residual_applies_to_the_last_layer_of_a_block() {
        let options = ModelConfig { zero_init_residual: Some(true), ..ModelConfig::default() };
        for (arch, tensor) in
            [("resnet20", "layer2.1.bn2.weight"), ("preresnet20", "layer2.1.conv2.weight")]
        {
            let network = build_with(arch, options.clone());
            let tensors = network.tensors();
            let found = tensors.iter().find(|found| found.name == tensor).unwrap();
            assert_eq!(found.init, crate::Init::Zeros, "{arch}");
        }
    }
}
