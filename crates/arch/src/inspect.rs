//! A network's layers with their output shapes, parameters and multiply-adds.

use std::fmt::Write as _;

use serde::Serialize;
use ts_rs::TS;

use crate::layer::ConvNorm;
use crate::network::{Network, ShortcutPath};

/// What `inspect()` gives.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    pub name: String,
    /// Channels, height, width.
    pub input: [u32; 3],
    pub classes: u32,
    /// Trainable numbers.
    pub parameters: u64,
    /// Multiply-adds of one image's forward pass: convolutions and the head, as the paper counts.
    pub macs: u64,
    pub layers: Vec<LayerRow>,
    /// The same as a table to print.
    pub text: String,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LayerRow {
    /// As in `state_dict`: `layer1.0.conv1`.
    pub name: String,
    /// PyTorch's class and what tells it from its like: `Conv2d 3x3, stride 2`.
    pub kind: String,
    /// Channels, height, width of the output; classes, for the head.
    pub output: Vec<u32>,
    pub parameters: u64,
    pub macs: u64,
}

/// Lists a network's layers in the order in which an image passes them.
pub fn inspect(network: &Network) -> Inspection {
    let mut layers = Vec::new();
    let mut size = unit(&network.stem, network.image_size, &mut layers);
    if let Some(pool) = &network.pool {
        size = pool.output_size(size);
        layers.push(LayerRow {
            name: "maxpool".into(),
            kind: format!("MaxPool2d {0}x{0}, stride {1}", pool.kernel, pool.stride),
            output: vec![network.stem.conv.out_channels, size, size],
            parameters: 0,
            macs: 0,
        });
    }
    for block in network.blocks() {
        let input = size;
        for layer in &block.branch {
            size = unit(layer, size, &mut layers);
        }
        match &block.shortcut {
            ShortcutPath::Identity => {}
            ShortcutPath::Projection(projection) => {
                unit(projection, input, &mut layers);
            }
            ShortcutPath::Pad { stride, pad } => layers.push(LayerRow {
                name: format!("{}.shortcut", block.name),
                kind: format!("stride {stride}, {} zero channels", 2 * pad),
                output: vec![block.branch[block.branch.len() - 1].conv.out_channels, size, size],
                parameters: 0,
                macs: 0,
            }),
        }
    }
    let head = &network.head;
    layers.push(LayerRow {
        name: "avgpool".into(),
        kind: "AdaptiveAvgPool2d".into(),
        output: vec![head.in_features, 1, 1],
        parameters: 0,
        macs: 0,
    });
    layers.push(LayerRow {
        name: head.name.clone(),
        kind: "Linear".into(),
        output: vec![head.out_features],
        parameters: head.parameters(),
        macs: head.macs(),
    });

    let parameters = layers.iter().map(|layer| layer.parameters).sum();
    let macs = layers.iter().map(|layer| layer.macs).sum();
    let mut inspection = Inspection {
        name: network.name.clone(),
        input: [network.channels, network.image_size, network.image_size],
        classes: head.out_features,
        parameters,
        macs,
        layers,
        text: String::new(),
    };
    inspection.text = table(&inspection);
    inspection
}

/// Adds a convolution and its normalisation; gives the output's height and width.
fn unit(unit: &ConvNorm, size: u32, layers: &mut Vec<LayerRow>) -> u32 {
    let (conv, norm) = (&unit.conv, &unit.norm);
    let out = conv.output_size(size);
    let output = vec![conv.out_channels, out, out];
    let stride = match conv.stride {
        1 => String::new(),
        stride => format!(", stride {stride}"),
    };
    layers.push(LayerRow {
        name: conv.name.clone(),
        kind: format!("Conv2d {0}x{0}{stride}", conv.kernel),
        output: output.clone(),
        parameters: conv.parameters(),
        macs: conv.macs(size),
    });
    layers.push(LayerRow {
        name: norm.name.clone(),
        kind: if unit.relu { "BatchNorm2d, ReLU".into() } else { "BatchNorm2d".into() },
        output,
        parameters: norm.parameters(),
        macs: 0,
    });
    out
}

fn table(inspection: &Inspection) -> String {
    let shape = |output: &[u32]| output.iter().map(u32::to_string).collect::<Vec<_>>().join(" x ");
    let row = |name: &str, kind: &str, output: &str, parameters: &str, macs: &str| {
        format!("{name:<28} {kind:<24} {output:>16} {parameters:>12} {macs:>16}\n")
    };
    let mut text = row("Layer", "Type", "Output", "Parameters", "Multiply-adds");
    text.push_str(&"-".repeat(text.trim_end().chars().count()));
    text.push('\n');
    for layer in &inspection.layers {
        let count = |n: u64| if n == 0 { String::new() } else { grouped(n) };
        text.push_str(&row(
            &layer.name,
            &layer.kind,
            &shape(&layer.output),
            &count(layer.parameters),
            &count(layer.macs),
        ));
    }
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

/// 1234567 as 1,234,567.
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
    use crate::resnet;
    use crate::resnet::tests::model;
    use residual_spec::{Shortcut, Stem};

    #[test]
    fn multiply_adds_are_those_of_the_papers_table_1() {
        // The paper truncates, and counts its bottlenecks with the stride in the first 1x1; with
        // torchvision's 3x3 they cost a little more (4.1 instead of 3.8 for ResNet-50).
        for (arch, billions) in [
            ("resnet18", 1.814),
            ("resnet34", 3.664),
            ("resnet50", 4.089),
            ("resnet101", 7.801),
            ("resnet152", 11.514),
        ] {
            let model = model(arch, Stem::Imagenet, Shortcut::B);
            let found = resnet(&model, 3, 224, 1000).unwrap().macs() as f64 / 1e9;
            assert!((found / billions - 1.0).abs() < 0.001, "{arch}: {found}");
        }
    }

    #[test]
    fn the_rows_add_up_to_the_network() {
        let network = resnet(&model("resnet20", Stem::Cifar, Shortcut::B), 1, 28, 10).unwrap();
        let inspection = inspect(&network);
        assert_eq!(inspection.parameters, network.parameters());
        assert_eq!(inspection.layers.last().unwrap().output, [10]);
        let stages: Vec<_> = inspection
            .layers
            .iter()
            .filter(|layer| layer.name.ends_with(".2.bn2"))
            .map(|layer| layer.output.clone())
            .collect();
        assert_eq!(stages, [[16, 28, 28], [32, 14, 14], [64, 7, 7]]);
    }

    #[test]
    fn the_table_names_every_layer_and_the_sums() {
        let network =
            resnet(&model("resnet18", Stem::Imagenet, Shortcut::B), 3, 224, 1000).unwrap();
        let text = inspect(&network).text;
        assert!(text.contains("layer4.1.conv2"));
        assert!(text.ends_with("11,689,512 parameters, 1,814,073,344 multiply-adds\n"), "{text}");
    }
}
