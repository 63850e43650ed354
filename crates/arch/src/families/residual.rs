//! The one builder of residual networks, and the table of their shapes.

use residual_spec::{ArchName, BottleneckStride, Model, Shortcut, Stem};

use crate::layer::{
    AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ConvUnit, Linear, LinearInit, MaxPool2d,
};
use crate::network::{Block, Layer, Network, ShortcutPath};

/// What tells one residual network from another.
struct Shape {
    /// PyTorch's class of the whole.
    class: &'static str,
    /// 1x1, 3x3, 1x1 with four times the channels (figure 5, right), or 3x3, 3x3 (left).
    bottleneck: bool,
    /// Normalisation and ReLU before each convolution instead of behind it (He et al. 2016).
    preactivation: bool,
    /// Blocks of each stage.
    blocks: Vec<u32>,
    /// Channels of the stem.
    stem: u32,
    /// Channels of the first stage; each further one has twice as many.
    width: u32,
    /// Groups of a bottleneck's 3x3 layer, and the channels of each per 64 of `width` (Xie et al.
    /// 2017): 1 and 64 but for ResNeXt and Wide ResNet.
    groups: u32,
    width_per_group: u32,
}

impl Shape {
    fn of(name: ArchName) -> Shape {
        let plain = Shape {
            class: "ResNet",
            bottleneck: name.has_bottlenecks(),
            preactivation: false,
            blocks: Vec::new(),
            stem: 64,
            width: 64,
            groups: 1,
            width_per_group: 64,
        };
        // The paper's section 4.2: three stages of depth / 6 blocks (depth / 9 of bottlenecks).
        let per_block = if name.has_bottlenecks() { 9 } else { 6 };
        let of_depth = |depth: u32| {
            if name.is_cifar() {
                Shape { blocks: vec![(depth - 2) / per_block; 3], stem: 16, width: 16, ..plain }
            } else {
                Shape { blocks: imagenet_blocks(depth), ..plain }
            }
        };
        match name {
            ArchName::ResNet { depth } => of_depth(depth),
            ArchName::Plain { depth } => Shape { class: "PlainNet", ..of_depth(depth) },
            ArchName::PreActResNet { depth } => {
                Shape { class: "PreActResNet", preactivation: true, ..of_depth(depth) }
            }
            ArchName::ResNext { depth, groups, width } => {
                Shape { groups, width_per_group: width, ..of_depth(depth) }
            }
            ArchName::WideResNet { depth, factor } => {
                Shape { width_per_group: 64 * factor, ..of_depth(depth) }
            }
            ArchName::Wrn { depth, factor } => Shape {
                class: "WideResNet",
                preactivation: true,
                blocks: vec![(depth - 4) / 6; 3],
                stem: 16,
                width: 16 * factor,
                ..plain
            },
            ArchName::Vgg { .. } => unreachable!("VGG has a builder of its own"),
        }
    }

    fn expansion(&self) -> u32 {
        if self.bottleneck { 4 } else { 1 }
    }

    fn kind(&self, shortcut: Shortcut) -> &'static str {
        match (shortcut, self.preactivation, self.bottleneck) {
            (Shortcut::None, _, _) => "PlainBlock",
            (_, false, false) => "BasicBlock",
            (_, false, true) => "Bottleneck",
            (_, true, false) => "PreActBlock",
            (_, true, true) => "PreActBottleneck",
        }
    }
}

/// The paper's table 1; 200: He et al. 2016.
fn imagenet_blocks(depth: u32) -> Vec<u32> {
    match depth {
        18 => vec![2, 2, 2, 2],
        34 | 50 => vec![3, 4, 6, 3],
        101 => vec![3, 4, 23, 3],
        152 => vec![3, 8, 36, 3],
        _ => vec![3, 24, 36, 3],
    }
}

pub(crate) fn build(
    name: ArchName,
    model: &Model,
    channels: u32,
    image_size: u32,
    classes: u32,
) -> Network {
    let shape = Shape::of(name);
    let (kernel, stride) = match model.stem {
        Stem::Cifar => (3, 1),
        Stem::Imagenet => (7, 2),
    };
    let mut features = vec![Layer::Conv(ConvUnit {
        conv: conv("conv1", channels, shape.stem, kernel, stride),
        norm: Some(norm("bn1", shape.stem)),
        relu: true,
    })];
    if model.stem == Stem::Imagenet {
        let name = "maxpool".into();
        features.push(Layer::MaxPool(MaxPool2d { name, kernel: 3, stride: 2, padding: 1 }));
    }

    let mut in_channels = shape.stem;
    for (stage, &count) in shape.blocks.iter().enumerate() {
        for index in 0..count {
            let place = Place {
                name: format!("layer{}.{index}", stage + 1),
                in_channels,
                planes: shape.width << stage,
                // The first block of each stage but the first halves the resolution.
                stride: if stage > 0 && index == 0 { 2 } else { 1 },
                // Its input was activated in the stem, "before splitting into two paths" (He et
                // al. 2016, appendix).
                activated: stage == 0 && index == 0,
            };
            let block = block(&shape, place, model);
            in_channels = block.out_channels();
            features.push(Layer::Block(block));
        }
    }
    if shape.preactivation {
        features.push(Layer::NormRelu(norm("bn", in_channels)));
    }

    Network {
        name: model.arch.clone(),
        class: shape.class,
        channels,
        image_size,
        features,
        pool: AdaptiveAvgPool2d { name: "avgpool".into(), size: 1 },
        hidden: Vec::new(),
        head: Linear {
            name: "fc".into(),
            in_features: in_channels,
            out_features: classes,
            init: LinearInit::Uniform,
        },
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

/// Where a block stands.
struct Place {
    name: String,
    in_channels: u32,
    planes: u32,
    stride: u32,
    /// A normalisation and ReLU have just been.
    activated: bool,
}

fn block(shape: &Shape, place: Place, model: &Model) -> Block {
    let Place { name, in_channels, planes, stride, activated } = place;
    let out_channels = planes * shape.expansion();
    let inner = planes * shape.width_per_group / 64 * shape.groups;
    let (first, middle) = match model.bottleneck_stride {
        BottleneckStride::First => (stride, 1),
        BottleneckStride::Middle => (1, stride),
    };
    // Kernel, stride and channels of each layer.
    let layers: &[(u32, u32, u32)] = if !shape.bottleneck {
        &[(3, stride, planes), (3, 1, planes)]
    } else {
        &[(1, first, inner), (3, middle, inner), (1, 1, out_channels)]
    };

    let mut branch = Vec::new();
    let mut channels = in_channels;
    for (index, &(kernel, stride, out)) in layers.iter().enumerate() {
        let (number, last) = (index + 1, index + 1 == layers.len());
        let mut conv = conv(format!("{name}.conv{number}"), channels, out, kernel, stride);
        if shape.bottleneck && kernel == 3 {
            conv.groups = shape.groups;
        }
        // Before each convolution (bn1, conv1, bn2, conv2) or behind it (conv1, bn1, conv2, bn2).
        let normalised = match (shape.preactivation, last) {
            (false, _) => Some(norm(format!("{name}.bn{number}"), out)),
            (true, false) => Some(norm(format!("{name}.bn{}", number + 1), out)),
            (true, true) => None,
        };
        branch.push(ConvUnit { conv, norm: normalised, relu: !last });
        channels = out;
    }
    if let (true, Some(last)) = (model.zero_init_residual, branch.last_mut()) {
        match &mut last.norm {
            Some(norm) => norm.zero_init = true,
            None => last.conv.zero_init = true,
        }
    }

    let same_shape = stride == 1 && in_channels == out_channels;
    let projection = || {
        ShortcutPath::Projection(ConvUnit {
            conv: conv(format!("{name}.downsample.0"), in_channels, out_channels, 1, stride),
            norm: if !shape.preactivation {
                Some(norm(format!("{name}.downsample.1"), out_channels))
            } else {
                None
            },
            relu: false,
        })
    };
    let shortcut = match model.shortcut {
        Shortcut::None => ShortcutPath::None,
        Shortcut::C => projection(),
        _ if same_shape => ShortcutPath::Identity,
        Shortcut::B => projection(),
        Shortcut::A => ShortcutPath::Pad { stride, pad: (out_channels - in_channels) / 2 },
    };
    let activation = if shape.preactivation && !activated {
        Some(norm(format!("{name}.bn1"), in_channels))
    } else {
        None
    };
    let kind = shape.kind(model.shortcut);
    Block { name, kind, activation, branch, shortcut, relu: !shape.preactivation }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::tests::{built, by_name};
    use residual_spec::{Auto, ModelConfig};

    fn names(network: &Network) -> Vec<String> {
        network.tensors().into_iter().map(|tensor| tensor.name).collect()
    }

    fn with(arch: &str, said: ModelConfig) -> Network {
        built(ModelConfig { arch: Some(Auto::Value(arch.into())), ..said }).unwrap()
    }

    #[test]
    fn the_cifar_networks_have_the_papers_size() {
        // Section 4.2, table 6, in millions; option A, so shortcuts have no parameters.
        for (depth, millions) in
            [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7), (1202, 19.4)]
        {
            let residual = by_name(&format!("resnet{depth}")).parameters();
            let found = residual as f64 / 1e6;
            assert!((found / millions - 1.0).abs() < 0.02, "resnet{depth}: {found}");
            let plain = by_name(&format!("plain{depth}")).parameters();
            assert_eq!(plain, residual, "the same network without shortcuts, {depth}");
        }
    }

    #[test]
    fn later_cifar_networks_have_their_papers_size() {
        // He et al. 2016 (table 4 and section 4), Zagoruyko and Komodakis 2016 (table 5).
        for (name, millions) in [
            ("preresnet110", 1.7),
            ("preresnet164", 1.7),
            ("preresnet1001", 10.2),
            ("wrn40_4", 8.9),
            ("wrn16_8", 11.0),
            ("wrn28_10", 36.5),
        ] {
            let found = by_name(name).parameters() as f64 / 1e6;
            assert!((found / millions - 1.0).abs() < 0.02, "{name}: {found}");
        }
    }

    #[test]
    fn names_are_torchvisions() {
        let names = names(&by_name("resnet50"));
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
    fn option_a_pads_up_to_the_new_width_on_both_sides() {
        let network = by_name("resnet20");
        let pads: Vec<_> = network
            .blocks()
            .filter_map(|block| match block.shortcut {
                ShortcutPath::Pad { stride, pad } => Some((stride, pad)),
                _ => None,
            })
            .collect();
        assert_eq!(pads, [(2, 8), (2, 16)]);
    }

    #[test]
    fn option_c_projects_everywhere_and_none_nowhere() {
        let said = |shortcut| ModelConfig { shortcut: Some(shortcut), ..ModelConfig::default() };
        let c = with("resnet20", said(Auto::Value(Shortcut::C)));
        assert!(c.blocks().all(|block| matches!(block.shortcut, ShortcutPath::Projection(_))));
        let none = with("resnet20", said(Auto::Value(Shortcut::None)));
        assert_eq!(none.features, by_name("plain20").features);
    }

    #[test]
    fn a_bottleneck_halves_where_it_is_told_to() {
        let strides = |network: &Network| -> Vec<u32> {
            let block = network.blocks().find(|block| block.name == "layer2.0").unwrap();
            block.branch.iter().map(|unit| unit.conv.stride).collect()
        };
        assert_eq!(strides(&by_name("resnet50")), [1, 2, 1]);
        let paper = ModelConfig {
            bottleneck_stride: Some(BottleneckStride::First),
            ..ModelConfig::default()
        };
        assert_eq!(strides(&with("resnet50", paper)), [2, 1, 1]);
    }

    #[test]
    fn preactivation_puts_each_normalisation_before_its_convolution() {
        let network = by_name("preresnet20");
        let first: Vec<String> = names(&network).into_iter().take(16).collect();
        // The first block's own activation is the stem's.
        assert_eq!(first[0], "conv1.weight");
        assert_eq!(first[5..7], ["layer1.0.conv1.weight", "layer1.0.bn2.weight"]);
        assert_eq!(first[11], "layer1.1.bn1.weight");
        assert!(names(&network).contains(&"bn.running_mean".to_string()));
        assert!(network.blocks().all(|block| !block.relu));
        // One normalisation a convolution, and one more at the end: as many as without.
        let norms = |name: &str| {
            names(&by_name(name)).iter().filter(|name| name.ends_with("running_var")).count()
        };
        assert_eq!(norms("preresnet20"), norms("resnet20"));
    }

    #[test]
    fn a_block_that_begins_at_zero_does_so_in_its_last_layer() {
        let said = ModelConfig { zero_init_residual: Some(true), ..ModelConfig::default() };
        for (arch, tensor) in
            [("resnet20", "layer2.1.bn2.weight"), ("preresnet20", "layer2.1.conv2.weight")]
        {
            let network = with(arch, said.clone());
            let tensors = network.tensors();
            let found = tensors.iter().find(|found| found.name == tensor).unwrap();
            assert_eq!(found.init, crate::Init::Zeros, "{arch}");
        }
    }
}
