//! Module tree of a network, formatted as by PyTorch's `print(net)`.

use std::collections::BTreeMap;

use crate::network::Network;

/// Module without submodules.
pub(crate) struct Module {
    /// Name, such as `layer1.0.conv1`.
    pub name: String,
    /// Representation, such as `Conv2d(3, 64, ...)`.
    pub repr: String,
    /// Index of the row in the table of layers; `None` for modules without a row.
    pub row: Option<usize>,
}

/// Line of the tree.
pub(crate) struct Line {
    pub text: String,
    /// Index of the row in the table of layers.
    pub row: Option<usize>,
}

/// Returns the lines of `print(net)`. Blocks have their class; all other modules with submodules
/// are `Sequential`.
pub(crate) fn tree(network: &Network, modules: &[Module]) -> Vec<Line> {
    let blocks: BTreeMap<&str, &str> =
        network.blocks().map(|block| (block.name.as_str(), block.kind)).collect();
    let mut lines = Lines(vec![Line { text: format!("{}(", network.class), row: None }]);
    let mut open: Vec<&str> = Vec::new();
    for module in modules {
        let path: Vec<&str> = module.name.split('.').collect();
        let (name, parents) = path.split_last().expect("`split` returns at least one part");
        let shared = open.iter().zip(parents).take_while(|(a, b)| a == b).count();
        lines.close(&mut open, shared);
        for parent in &parents[shared..] {
            open.push(parent);
            let class = blocks.get(open.join(".").as_str()).unwrap_or(&"Sequential");
            lines.add(open.len(), format!("({parent}): {class}("), None);
        }
        lines.add(open.len() + 1, format!("({name}): {}", module.repr), module.row);
    }
    lines.close(&mut open, 0);
    lines.add(0, ")".into(), None);
    lines.0
}

struct Lines(Vec<Line>);

impl Lines {
    fn add(&mut self, depth: usize, text: String, row: Option<usize>) {
        self.0.push(Line { text: format!("{}{text}", "  ".repeat(depth)), row });
    }

    /// Closes modules until `depth` modules are open.
    fn close(&mut self, open: &mut Vec<&str>, depth: usize) {
        while open.len() > depth {
            self.add(open.len(), ")".into(), None);
            open.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::build::tests::build_by_name;

    /// The expected trees are written by `scripts/fixtures/trees.py`.
    #[test]
    fn the_tree_matches_pytorch() {
        for name in ["resnet18", "resnext50_32x4d", "vgg11", "vgg16_bn"] {
            let path = format!("{}/tests/trees/{name}.txt", env!("CARGO_MANIFEST_DIR"));
            let expected = std::fs::read_to_string(path).unwrap();
            assert_eq!(crate::inspect(&build_by_name(name)).tree, expected, "{name}");
        }
    }
}
