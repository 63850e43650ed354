//! Summary of a network: layers with output shapes, parameters and multiply-accumulate operations.

use std::fmt::Write as _;

use residual_spec::CheckpointInfo;
use serde::Serialize;
use ts_rs::TS;

use crate::layer::{BatchNorm2d, Conv2d, ConvUnit, Linear};
use crate::network::{Block, Layer, Network, ShortcutPath};
use crate::tree::{Module, tree};

/// Result of `inspect()`.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Name of the network.
    pub name: String,
    /// Shape of the input: channels, height, width.
    pub input: [u32; 3],
    /// Number of classes.
    pub classes: u32,
    /// Number of parameters.
    pub parameters: u64,
    /// Multiply-accumulate operations of the convolutions and linear layers in the forward pass of
    /// one image (FLOPs in He et al. 2015).
    pub macs: u64,
    /// Layers in forward order.
    pub layers: Vec<LayerRow>,
    /// Module tree, formatted as by PyTorch's `print(net)`.
    pub tree: String,
    /// `tree` with output shape, parameters and multiply-adds of each layer, and the totals, as
    /// printed by `residual inspect --tree`.
    pub text: String,
    /// Table of the layers, as printed by `residual inspect --table`.
    pub table: String,
    /// Metadata of the file, if a checkpoint was inspected.
    #[ts(optional)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointInfo>,
}

/// Layer of a network.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LayerRow {
    /// Name as in `state_dict`, such as `layer1.0.conv1`.
    pub name: String,
    /// PyTorch class and options, such as `Conv2d 3x3, stride 2`.
    pub kind: String,
    /// Shape of the output: channels, height and width, or features for a linear layer.
    pub output: Vec<u32>,
    /// Number of parameters.
    pub parameters: u64,
    /// Multiply-accumulate operations for one image.
    pub macs: u64,
}

/// Summarizes a network, with its layers in forward order.
pub fn inspect(network: &Network) -> Inspection {
    let mut summary = Summary::default();
    let (mut channels, mut size) = (network.channels, network.image_size);
    for layer in &network.features {
        summary.visit(layer, channels, size);
        size = layer.output_size(size);
        channels = match layer {
            Layer::Conv(unit) => unit.conv.out_channels,
            Layer::Block(block) => block.out_channels(),
            Layer::NormRelu(_) | Layer::MaxPool(_) => channels,
        };
    }
    let pool = &network.pool;
    summary.add_layer(
        &pool.name,
        format!("AdaptiveAvgPool2d(output_size=({0}, {0}))", pool.size),
        "AdaptiveAvgPool2d".into(),
        vec![channels, pool.size, pool.size],
        (0, 0),
    );
    for hidden in &network.hidden {
        let kind = format!("Linear, ReLU, Dropout {}", hidden.dropout);
        summary.linear(&hidden.linear, kind);
        let relu = summary.next_in_sequence();
        summary.add_module(relu, "ReLU(inplace=True)".into());
        let dropout = summary.next_in_sequence();
        summary.add_module(dropout, format!("Dropout(p={:?}, inplace=False)", hidden.dropout));
    }
    summary.linear(&network.head, "Linear".into());

    let layers = summary.rows;
    let lines = tree(network, &summary.modules);
    let parameters = layers.iter().map(|layer| layer.parameters).sum();
    let macs = layers.iter().map(|layer| layer.macs).sum();
    let mut inspection = Inspection {
        name: network.name.clone(),
        input: [network.channels, network.image_size, network.image_size],
        classes: network.head.out_features,
        parameters,
        macs,
        layers,
        tree: lines.iter().map(|line| format!("{}\n", line.text)).collect(),
        text: String::new(),
        table: String::new(),
        checkpoint: None,
    };
    let totals = totals(&inspection);
    inspection.table = table(&inspection) + &totals;
    let rows = lines.iter().map(|line| (line.row.map(|row| &inspection.layers[row]), &line.text));
    let mut text = columns("Output", "Parameters", "Multiply-adds", "Layers");
    for (row, line) in rows {
        text.push_str(&match row {
            Some(row) => {
                columns(&shape(&row.output), &count(row.parameters), &count(row.macs), line)
            }
            None => columns("", "", "", line),
        });
    }
    inspection.text = text + &totals;
    inspection
}

/// Rows and modules of the layers so far.
#[derive(Default)]
struct Summary {
    rows: Vec<LayerRow>,
    modules: Vec<Module>,
}

impl Summary {
    /// Adds a layer to the table and to the module tree.
    fn add_layer(
        &mut self,
        name: &str,
        repr: String,
        kind: String,
        output: Vec<u32>,
        (parameters, macs): (u64, u64),
    ) {
        let row = Some(self.rows.len());
        self.modules.push(Module { name: name.into(), repr, row });
        self.rows.push(LayerRow { name: name.into(), kind, output, parameters, macs });
    }

    /// Adds a module without parameters to the module tree, unless the tree contains it.
    fn add_module(&mut self, name: String, repr: String) {
        if self.modules.iter().all(|module| module.name != name) {
            self.modules.push(Module { name, repr, row: None });
        }
    }

    /// Returns the name of the next module in a `Sequential`.
    fn next_in_sequence(&self) -> String {
        let last = self.modules.last().map_or("", |module| module.name.as_str());
        let (parent, number) = last.rsplit_once('.').unwrap_or(("", last));
        format!("{parent}.{}", number.parse::<u32>().map_or(0, |number| number + 1))
    }

    fn visit(&mut self, layer: &Layer, channels: u32, size: u32) {
        match layer {
            Layer::Conv(unit) => {
                self.unit(unit, size);
                if unit.relu {
                    // `relu` after `conv1`, or `features.1` after `features.0`.
                    let name = match unit.conv.name.rsplit_once('.') {
                        None => "relu".into(),
                        Some(_) => self.next_in_sequence(),
                    };
                    self.add_module(name, "ReLU(inplace=True)".into());
                }
            }
            Layer::NormRelu(norm) => self.norm(norm, true, size),
            Layer::MaxPool(pool) => {
                let size = pool.output_size(size);
                self.add_layer(
                    &pool.name,
                    format!(
                        "MaxPool2d(kernel_size={}, stride={}, padding={}, dilation=1, \
                         ceil_mode=False)",
                        pool.kernel, pool.stride, pool.padding
                    ),
                    format!("MaxPool2d {0}x{0}, stride {1}", pool.kernel, pool.stride),
                    vec![channels, size, size],
                    (0, 0),
                );
            }
            Layer::Block(block) => self.block(block, size),
        }
    }

    fn block(&mut self, block: &Block, size: u32) {
        let out = block.output_size(size);
        if let Some(norm) = &block.activation {
            self.norm(norm, true, size);
        }
        // The module is printed where torchvision defines it: after the last layer of a bottleneck,
        // after the first layer of other blocks.
        let relu = if block.kind == "Bottleneck" { block.branch.len() - 1 } else { 0 };
        let mut inner = size;
        for (index, unit) in block.branch.iter().enumerate() {
            self.unit(unit, inner);
            inner = unit.conv.output_size(inner);
            if index == relu {
                self.add_module(format!("{}.relu", block.name), "ReLU(inplace=True)".into());
            }
        }
        match &block.shortcut {
            ShortcutPath::None | ShortcutPath::Identity => {}
            ShortcutPath::Projection(projection) => self.unit(projection, size),
            ShortcutPath::Pad { stride, pad } => self.add_layer(
                &format!("{}.shortcut", block.name),
                format!("PadShortcut(stride={stride}, channels=({pad}, {pad}))"),
                format!("stride {stride}, {} zero channels", 2 * pad),
                vec![block.out_channels(), out, out],
                (0, 0),
            ),
        }
    }

    /// Adds a convolution and its normalization, without ReLU.
    fn unit(&mut self, unit: &ConvUnit, size: u32) {
        let conv = &unit.conv;
        let out = conv.output_size(size);
        let stride = match conv.stride {
            1 => String::new(),
            stride => format!(", stride {stride}"),
        };
        let groups = match conv.groups {
            1 => String::new(),
            groups => format!(", {groups} groups"),
        };
        let relu = if unit.relu && unit.norm.is_none() { ", ReLU" } else { "" };
        self.add_layer(
            &conv.name,
            conv_repr(conv),
            format!("Conv2d {0}x{0}{stride}{groups}{relu}", conv.kernel),
            vec![conv.out_channels, out, out],
            (conv.parameters(), conv.macs(size)),
        );
        if let Some(norm) = &unit.norm {
            self.norm(norm, unit.relu, out);
        }
    }

    fn norm(&mut self, norm: &BatchNorm2d, relu: bool, size: u32) {
        self.add_layer(
            &norm.name,
            format!(
                "BatchNorm2d({}, eps=1e-05, momentum={}, affine=True, track_running_stats=True)",
                norm.channels,
                BatchNorm2d::MOMENTUM
            ),
            if relu { "BatchNorm2d, ReLU".into() } else { "BatchNorm2d".into() },
            vec![norm.channels, size, size],
            (norm.parameters(), 0),
        );
    }

    fn linear(&mut self, linear: &Linear, kind: String) {
        let (features, out) = (linear.in_features, linear.out_features);
        self.add_layer(
            &linear.name,
            format!("Linear(in_features={features}, out_features={out}, bias=True)"),
            kind,
            vec![out],
            (linear.parameters(), linear.macs()),
        );
    }
}

fn conv_repr(conv: &Conv2d) -> String {
    let square = |n: u32| format!("({n}, {n})");
    let mut text = format!(
        "Conv2d({}, {}, kernel_size={}, stride={}",
        conv.in_channels,
        conv.out_channels,
        square(conv.kernel),
        square(conv.stride)
    );
    if conv.padding > 0 {
        text += &format!(", padding={}", square(conv.padding));
    }
    if conv.groups > 1 {
        text += &format!(", groups={}", conv.groups);
    }
    if !conv.bias {
        text += ", bias=False";
    }
    text + ")"
}

fn shape(output: &[u32]) -> String {
    output.iter().map(u32::to_string).collect::<Vec<_>>().join(" x ")
}

/// Formats a number with thousands separators, and 0 as an empty string.
fn count(n: u64) -> String {
    if n == 0 { String::new() } else { grouped(n) }
}

/// Formats a line of the tree after its numbers, which have a fixed width.
fn columns(output: &str, parameters: &str, macs: &str, line: &str) -> String {
    format!("{output:>16} {parameters:>12} {macs:>15}  {line}\n")
}

fn table(inspection: &Inspection) -> String {
    let row = |name: &str, kind: &str, output: &str, parameters: &str, macs: &str| {
        format!("{name:<28} {kind:<32} {output:>16} {parameters:>12} {macs:>16}\n")
    };
    let mut text = row("Layer", "Type", "Output", "Parameters", "Multiply-adds");
    text.push_str(&"-".repeat(text.trim_end().chars().count()));
    text.push('\n');
    for layer in &inspection.layers {
        text.push_str(&row(
            &layer.name,
            &layer.kind,
            &shape(&layer.output),
            &count(layer.parameters),
            &count(layer.macs),
        ));
    }
    text
}

fn totals(inspection: &Inspection) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        "\n{} for {} input, {} classes: {} parameters, {} multiply-adds\n",
        inspection.name,
        shape(&inspection.input),
        inspection.classes,
        grouped(inspection.parameters),
        grouped(inspection.macs),
    );
    text
}

/// Formats 1234567 as 1,234,567.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::tests::{build_by_name, build_from_config};
    use residual_spec::{Auto, BottleneckStride, ModelConfig};

    #[test]
    fn multiply_adds_match_table_1_of_the_paper() {
        // Bottlenecks have their stride in the first layer, as in the paper. VGG-19: figure 3.
        // The paper truncates to these digits.
        for (arch, billions) in [
            ("resnet18", 1.8),
            ("resnet34", 3.6),
            ("resnet50", 3.8),
            ("resnet101", 7.6),
            ("resnet152", 11.3),
            ("plain34", 3.6),
            ("vgg19", 19.6),
        ] {
            let network = build_from_config(ModelConfig {
                arch: Some(Auto::Value(arch.into())),
                bottleneck_stride: Some(BottleneckStride::First),
                ..ModelConfig::default()
            });
            let found = network.unwrap().macs() as f64 / 1e9;
            assert!((found / billions - 1.0).abs() < 0.02, "{arch}: {found}");
        }
    }

    #[test]
    fn multiply_adds_match_torchvision() {
        // `_ops` of torchvision's weights, in billions.
        for (arch, billions) in [
            ("resnet18", 1.814),
            ("resnet34", 3.664),
            ("resnet50", 4.089),
            ("resnet101", 7.801),
            ("resnet152", 11.514),
            ("resnext50_32x4d", 4.23),
            ("resnext101_32x8d", 16.414),
            ("resnext101_64x4d", 15.46),
            ("wide_resnet50_2", 11.398),
            ("wide_resnet101_2", 22.753),
            ("vgg16", 15.47),
            ("vgg19_bn", 19.632),
        ] {
            let found = build_by_name(arch).macs() as f64 / 1e9;
            assert!((found / billions - 1.0).abs() < 0.001, "{arch}: {found}");
        }
    }

    #[test]
    fn rows_add_up_to_the_totals() {
        for name in crate::names() {
            let network = build_by_name(name);
            let inspection = inspect(&network);
            assert_eq!(inspection.parameters, network.parameters(), "{name}");
            assert_eq!(inspection.layers.last().unwrap().output, [network.classes()]);
        }
        let stages: Vec<_> = inspect(&build_by_name("resnet20"))
            .layers
            .into_iter()
            .filter(|layer| layer.name.ends_with(".2.bn2"))
            .map(|layer| layer.output)
            .collect();
        assert_eq!(stages, [[16, 32, 32], [32, 16, 16], [64, 8, 8]]);
    }

    #[test]
    fn the_table_lists_layers_and_totals() {
        let table = inspect(&build_by_name("resnet18")).table;
        assert!(table.contains("layer4.1.conv2"));
        assert!(table.ends_with("11,689,512 parameters, 1,814,073,344 multiply-adds\n"), "{table}");
    }

    #[test]
    fn the_text_has_the_numbers_of_each_layer() {
        let text = inspect(&build_by_name("resnet18")).text;
        let line = text.lines().find(|line| line.contains("(conv1)")).unwrap();
        let words: Vec<&str> = line.split_whitespace().take(9).collect();
        assert_eq!(words.join(" "), "64 x 112 x 112 9,408 118,013,952 (conv1): Conv2d(3,");
        assert!(text.ends_with("11,689,512 parameters, 1,814,073,344 multiply-adds\n"));
    }
}
