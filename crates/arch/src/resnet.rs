//! The one builder of residual networks, and the table of their names.

use residual_spec::{
    did_you_mean, is_cifar_resnet, Error, ErrorCode, Model, Result, Shortcut, Stem,
};

use crate::layer::{BatchNorm2d, Conv2d, ConvNorm, Linear, MaxPool2d};
use crate::network::{Block, Network, ShortcutPath, Stage};

/// The two branches of the paper's figure 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// 3x3, 3x3.
    Basic,
    /// 1x1, 3x3, 1x1 with four times the channels.
    Bottleneck,
}

impl Kind {
    fn expansion(self) -> u32 {
        match self {
            Kind::Basic => 1,
            Kind::Bottleneck => 4,
        }
    }
}

/// Blocks in each stage, and the channels of the first.
struct Preset {
    name: &'static str,
    kind: Kind,
    blocks: &'static [u32],
}

/// The paper's table 1.
const IMAGENET: &[Preset] = &[
    Preset { name: "resnet18", kind: Kind::Basic, blocks: &[2, 2, 2, 2] },
    Preset { name: "resnet34", kind: Kind::Basic, blocks: &[3, 4, 6, 3] },
    Preset { name: "resnet50", kind: Kind::Bottleneck, blocks: &[3, 4, 6, 3] },
    Preset { name: "resnet101", kind: Kind::Bottleneck, blocks: &[3, 4, 23, 3] },
    Preset { name: "resnet152", kind: Kind::Bottleneck, blocks: &[3, 8, 36, 3] },
];

/// The CIFAR networks that the paper trained (section 4.2); every `resnet{6n+2}` can be built.
const CIFAR: &[&str] = &["resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet1202"];

/// The deepest network that is built: the paper's.
const MAX_DEPTH: u32 = 1202;

/// Every name worth listing.
pub fn names() -> impl Iterator<Item = &'static str> {
    IMAGENET.iter().map(|preset| preset.name).chain(CIFAR.iter().copied())
}

/// Builds the network for images of `channels` x `image_size` x `image_size` and `classes` classes.
///
/// # Errors
/// `E_CONFIG` for a name that no network has.
pub fn resnet(model: &Model, channels: u32, image_size: u32, classes: u32) -> Result<Network> {
    let (kind, blocks, width) = table(&model.arch)?;

    let stem_width = width;
    let stem = match model.stem {
        Stem::Cifar => conv_norm("conv1", "bn1", channels, stem_width, 3, 1, true),
        Stem::Imagenet => conv_norm("conv1", "bn1", channels, stem_width, 7, 2, true),
    };
    let pool = match model.stem {
        Stem::Cifar => None,
        Stem::Imagenet => Some(MaxPool2d { kernel: 3, stride: 2, padding: 1 }),
    };

    let mut in_channels = stem_width;
    let mut stages = Vec::new();
    for (stage, &count) in blocks.iter().enumerate() {
        let planes = width << stage;
        let name = format!("layer{}", stage + 1);
        let mut built = Vec::new();
        for index in 0..count {
            // The first block of each stage but the first halves the resolution.
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let name = format!("{name}.{index}");
            built.push(block(name, kind, in_channels, planes, stride, model));
            in_channels = planes * kind.expansion();
        }
        stages.push(Stage { name, blocks: built });
    }

    Ok(Network {
        name: model.arch.clone(),
        channels,
        image_size,
        stem,
        pool,
        stages,
        head: Linear { name: "fc".into(), in_features: in_channels, out_features: classes },
    })
}

/// Block kind, blocks a stage, and channels of the first stage.
fn table(arch: &str) -> Result<(Kind, Vec<u32>, u32)> {
    if let Some(preset) = IMAGENET.iter().find(|preset| preset.name == arch) {
        return Ok((preset.kind, preset.blocks.to_vec(), 64));
    }
    let depth = arch.strip_prefix("resnet").and_then(|depth| depth.parse::<u32>().ok());
    match depth {
        Some(depth) if is_cifar_resnet(arch) && depth <= MAX_DEPTH => {
            Ok((Kind::Basic, vec![(depth - 2) / 6; 3], 16))
        }
        _ => {
            let list = names().collect::<Vec<_>>().join(", ");
            let known = format!("Known: {list}, and every resnet{{6n+2}} up to resnet{MAX_DEPTH}.");
            Err(Error::new(ErrorCode::Config, format!("there is no network '{arch}'"))
                .key("model")
                .hint(did_you_mean(arch, names()).unwrap_or(known)))
        }
    }
}

fn conv_norm(
    conv: impl Into<String>,
    norm: impl Into<String>,
    in_channels: u32,
    out_channels: u32,
    kernel: u32,
    stride: u32,
    relu: bool,
) -> ConvNorm {
    ConvNorm {
        conv: Conv2d {
            name: conv.into(),
            in_channels,
            out_channels,
            kernel,
            stride,
            padding: kernel / 2,
        },
        norm: BatchNorm2d { name: norm.into(), channels: out_channels, zero_init: false },
        relu,
    }
}

fn block(
    name: String,
    kind: Kind,
    in_channels: u32,
    planes: u32,
    stride: u32,
    model: &Model,
) -> Block {
    let out_channels = planes * kind.expansion();
    // Kernel, stride and channels of each layer. A bottleneck reduces in its 3x3 layer, as
    // torchvision does (ResNet v1.5); the paper does so in its first 1x1.
    let layers: &[(u32, u32, u32)] = match kind {
        Kind::Basic => &[(3, stride, planes), (3, 1, planes)],
        Kind::Bottleneck => &[(1, 1, planes), (3, stride, planes), (1, 1, out_channels)],
    };
    let mut branch = Vec::new();
    let mut channels = in_channels;
    for (index, &(kernel, stride, out)) in layers.iter().enumerate() {
        let number = index + 1;
        let (conv, norm) = (format!("{name}.conv{number}"), format!("{name}.bn{number}"));
        branch.push(conv_norm(conv, norm, channels, out, kernel, stride, number < layers.len()));
        channels = out;
    }
    if let (true, Some(last)) = (model.zero_init_residual, branch.last_mut()) {
        last.norm.zero_init = true;
    }

    let same_shape = stride == 1 && in_channels == out_channels;
    let projection = || {
        let (conv, norm) = (format!("{name}.downsample.0"), format!("{name}.downsample.1"));
        ShortcutPath::Projection(conv_norm(conv, norm, in_channels, out_channels, 1, stride, false))
    };
    let shortcut = match model.shortcut {
        Shortcut::C => projection(),
        _ if same_shape => ShortcutPath::Identity,
        Shortcut::B => projection(),
        Shortcut::A => ShortcutPath::Pad { stride, pad: (out_channels - in_channels) / 2 },
    };
    let kind = match kind {
        Kind::Basic => "BasicBlock",
        Kind::Bottleneck => "Bottleneck",
    };
    Block { name, kind, branch, shortcut }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn model(arch: &str, stem: Stem, shortcut: Shortcut) -> Model {
        Model {
            arch: arch.into(),
            stem,
            shortcut,
            zero_init_residual: false,
            bottleneck_stride: residual_spec::BottleneckStride::Middle,
            weights: None,
            freeze: Vec::new(),
        }
    }

    fn imagenet(arch: &str) -> Network {
        resnet(&model(arch, Stem::Imagenet, Shortcut::B), 3, 224, 1000).unwrap()
    }

    #[test]
    fn parameters_are_exactly_torchvisions() {
        for (arch, parameters) in [
            ("resnet18", 11_689_512),
            ("resnet34", 21_797_672),
            ("resnet50", 25_557_032),
            ("resnet101", 44_549_160),
            ("resnet152", 60_192_808),
        ] {
            assert_eq!(imagenet(arch).parameters(), parameters, "{arch}");
        }
    }

    #[test]
    fn the_cifar_networks_have_the_papers_size() {
        // Section 4.2, table 6, in millions; option A, so shortcuts have no parameters.
        for (arch, millions) in [
            ("resnet20", 0.27),
            ("resnet32", 0.46),
            ("resnet44", 0.66),
            ("resnet56", 0.85),
            ("resnet110", 1.7),
            ("resnet1202", 19.4),
        ] {
            let network = resnet(&model(arch, Stem::Cifar, Shortcut::A), 3, 32, 10).unwrap();
            let found = network.parameters() as f64 / 1e6;
            assert!((found / millions - 1.0).abs() < 0.02, "{arch}: {found}");
        }
    }

    #[test]
    fn names_are_torchvisions() {
        let names: Vec<String> =
            imagenet("resnet50").tensors().into_iter().map(|tensor| tensor.name).collect();
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
        let network = resnet(&model("resnet20", Stem::Cifar, Shortcut::A), 3, 32, 10).unwrap();
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
    fn an_unknown_network_is_refused_with_the_nearest_name() {
        for (arch, hint) in [("resnet19", "Did you mean 'resnet"), ("vit", "Known: resnet18")] {
            let error = resnet(&model(arch, Stem::Cifar, Shortcut::B), 3, 32, 10).unwrap_err();
            assert!(error.hint.unwrap().starts_with(hint));
        }
    }
}
