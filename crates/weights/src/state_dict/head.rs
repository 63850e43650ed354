//! Finds the classification head of a residual network: `fc`, or the only linear layer that fits
//! the features.

use std::collections::BTreeMap;

use residual_pickle::printable;

use super::entry::TensorEntry;
use super::network_root::NetworkRoot;

/// Words in the path of linear layers that are not classification heads.
const OTHER_LAYERS: [&str; 18] = [
    "aux",
    "auxiliary",
    "proj",
    "projector",
    "projection",
    "predictor",
    "prototypes",
    "decoder",
    "discriminator",
    "domain",
    "embed",
    "embedding",
    "rotation",
    "centers",
    "criterion",
    "loss",
    "queue",
    "optimizer",
];

/// Indices of the tensors of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeadTensors {
    pub weight: usize,
    pub bias: Option<usize>,
    /// Name of the layer in the file.
    pub name: String,
}

/// A linear layer that could be the head.
struct Linear<'e> {
    /// Name in the file, without `.weight`.
    name: &'e str,
    /// Part of `name` that names the module of the head, such as `fc` for `fc.1`.
    module: &'e str,
    weight: usize,
    num_inputs: usize,
    num_outputs: usize,
}

/// Tensors among which the head is searched.
pub(super) struct HeadSearch<'e> {
    entries: &'e [TensorEntry],
    root: &'e NetworkRoot,
    num_features: Option<usize>,
    /// Index of `fc.weight`.
    fc: Option<usize>,
    /// Indices of the tensors of `fc`, and of the tensors outside the network.
    candidates: Vec<usize>,
}

impl<'e> HeadSearch<'e> {
    /// `tensors` are the tensors of the network by torchvision's keys, `others` all other tensors.
    pub fn new(
        entries: &'e [TensorEntry],
        root: &'e NetworkRoot,
        tensors: &BTreeMap<String, usize>,
        others: &[usize],
    ) -> HeadSearch<'e> {
        let own = tensors.iter().filter(|(key, _)| key.starts_with("fc.")).map(|(_, at)| *at);
        HeadSearch {
            entries,
            root,
            num_features: num_features(tensors, entries),
            fc: tensors.get("fc.weight").copied(),
            candidates: own.chain(others.iter().copied()).collect(),
        }
    }

    /// Returns the head; `None` if the file has no layer that looks like one.
    ///
    /// # Errors
    /// The reason why a layer that looks like the head cannot be used.
    pub fn find(&self) -> Result<Option<HeadTensors>, String> {
        let Some(num_features) = self.num_features else { return Ok(None) };
        let layers: Vec<Linear> = self.linear_layers().collect();
        if let Some(fc) = layers.iter().find(|layer| Some(layer.weight) == self.fc) {
            return self.check(fc, &layers, num_features).map(Some);
        }
        let fitting: Vec<&Linear> =
            layers.iter().filter(|layer| layer.num_inputs == num_features).collect();
        match fitting[..] {
            [] if self.fc.is_some() || self.has_own_head() => {
                Err("it is not a single linear layer that fits the features".into())
            }
            [] => Ok(None),
            [layer] => self.check(layer, &layers, num_features).map(Some),
            [first, ..] => match fitting.iter().find(|layer| is_head_name(layer.module)) {
                Some(layer) => self.check(layer, &layers, num_features).map(Some),
                None => Err(format!(
                    "`{}` is not the only linear layer that fits the features",
                    printable(first.name)
                )),
            },
        }
    }

    fn has_own_head(&self) -> bool {
        self.candidates.iter().any(|at| {
            let key = self.entries[*at].name.strip_prefix(&self.root.prefix);
            key.is_some_and(|key| key.starts_with("fc."))
        })
    }

    /// Checks that a layer fits the features, and that the head has no other layer.
    fn check(
        &self,
        layer: &Linear,
        layers: &[Linear],
        num_features: usize,
    ) -> Result<HeadTensors, String> {
        let shown = printable(layer.name);
        if layer.num_inputs != num_features {
            return Err(format!(
                "`{shown}` has {} inputs, but the network has {num_features} features",
                layer.num_inputs
            ));
        }
        let bias = format!("{}.bias", layer.name);
        let bias = self.find_tensor(&bias).filter(|at| self.entries[*at].shape.len() == 1);
        let is_inside =
            |name: &str| name.strip_prefix(layer.module).is_some_and(|rest| rest.starts_with('.'));
        let hidden = self.candidates.iter().find(|&&at| {
            let entry = &self.entries[at];
            let is_counter = entry.shape.iter().all(|&size| size <= 1);
            at != layer.weight && Some(at) != bias && is_inside(&entry.name) && !is_counter
        });
        if let Some(&hidden) = hidden {
            let hidden = printable(&self.entries[hidden].name);
            return Err(format!("`{shown}` is not its only layer: it also contains `{hidden}`"));
        }
        let next = layers
            .iter()
            .find(|next| next.weight != layer.weight && next.num_inputs == layer.num_outputs);
        if let Some(next) = next {
            return Err(format!("`{shown}` is followed by `{}`", printable(next.name)));
        }
        Ok(HeadTensors { weight: layer.weight, bias, name: layer.name.to_string() })
    }

    fn find_tensor(&self, name: &str) -> Option<usize> {
        self.candidates.iter().copied().rev().find(|at| self.entries[*at].name == name)
    }

    /// Returns the linear layers among the candidates, except those of other tasks.
    fn linear_layers(&self) -> impl Iterator<Item = Linear<'e>> {
        self.candidates.iter().filter_map(|&weight| {
            let entry = &self.entries[weight];
            let name = entry.name.strip_suffix(".weight")?;
            let [num_outputs, num_inputs] = entry.shape[..] else { return None };
            let shared = shared_parts_len(name, &self.root.prefix);
            let own = &name[shared..];
            let module_len = own.find('.').unwrap_or(own.len());
            let is_in_network_dict = entry.dict() == self.root.dict();
            let module = &name[..shared + module_len];
            let is_other = own
                .to_lowercase()
                .split(|letter: char| !letter.is_alphabetic())
                .any(|word| OTHER_LAYERS.contains(&word));
            // In other dictionaries, such as the state of the optimizer, a head is recognized only by
            // its name.
            (!is_other && (is_in_network_dict || is_head_name(module))).then_some(Linear {
                name,
                module,
                weight,
                num_inputs,
                num_outputs,
            })
        })
    }
}

/// Returns whether a module has the usual name of a classification head.
fn is_head_name(module: &str) -> bool {
    let name = module.rsplit('.').next().unwrap_or(module);
    matches!(
        name,
        "fc" | "head" | "classifier" | "linear" | "last_linear" | "output" | "cls" | "logits"
    )
}

/// Returns the length of the dotted parts that a name shares with the prefix, with the last dot.
fn shared_parts_len(name: &str, prefix: &str) -> usize {
    let mut shared = 0;
    for part in prefix.split_inclusive('.') {
        if !name[shared..].starts_with(part) {
            break;
        }
        shared += part.len();
    }
    shared
}

/// Returns the number of output channels of the last block, which is the number of inputs of the
/// head; `None` if it is 0, because data must back the size of a head without a bias.
fn num_features(tensors: &BTreeMap<String, usize>, entries: &[TensorEntry]) -> Option<usize> {
    let position = |key: &str| -> Option<(u32, u32, u32)> {
        let (stage, rest) = key.strip_prefix("layer")?.split_once('.')?;
        let (block, rest) = rest.split_once('.')?;
        let conv = rest.strip_prefix("conv")?.strip_suffix(".weight")?;
        Some((stage.parse().ok()?, block.parse().ok()?, conv.parse().ok()?))
    };
    let convs = tensors.iter().filter_map(|(key, at)| Some((position(key)?, *at)));
    let (_, last) = convs.max()?;
    entries[last].shape.first().copied().filter(|&features| features > 0)
}
