//! Finds the tensors in a saved object: in nested dictionaries, lists, modules and other objects.
//! Values that are not tensors are skipped, whatever their class. Only an object without tensors
//! under the name of a weight is refused.

use std::collections::HashSet;

use residual_pickle::{Pickle, Value, printable};

use super::rebuild_tensor::tensor_shape;
use crate::state_dict::TensorEntry;
use crate::tensor::MAX_NAME_LEN;

/// Maximum nesting of dictionaries, lists and objects that contain tensors.
const MAX_DEPTH: usize = 24;
/// Maximum number of values inspected in all containers together, because a hostile pickle can refer
/// to one dictionary a million times.
const MAX_VALUES: usize = 400_000;
/// Maximum total length of the names of all tensors in bytes.
const MAX_NAME_BYTES: usize = 32 << 20;
/// Maximum number of attributes of an `nn.Module`.
const MAX_ATTRIBUTES: usize = 300;
/// Maximum number of items of a list that are inspected.
const MAX_ITEMS: usize = 64;

/// The tensors of a pickle in the order of the file, with the values that describe them.
pub(super) struct SavedTensors<'p> {
    pub entries: Vec<TensorEntry>,
    pub values: Vec<Value<'p>>,
    num_values: usize,
    name_bytes: usize,
}

/// Position of a container in the saved object.
#[derive(Clone, Copy)]
struct Place<'n> {
    /// Path of the container with a final dot, or empty.
    path: &'n str,
    /// Length of the part of `path` that consists of keys of dictionaries.
    dict_len: usize,
    depth: usize,
}

impl<'p> SavedTensors<'p> {
    /// Finds all tensors.
    ///
    /// # Errors
    /// A description of the pickle's contents, if they include no tensors or too many values.
    pub fn find(pickle: &'p Pickle) -> Result<SavedTensors<'p>, String> {
        let (entries, values) = (Vec::new(), Vec::new());
        let mut tensors = SavedTensors { entries, values, num_values: 0, name_bytes: 0 };
        let root = pickle.root();
        tensors.visit(root, Place { path: "", dict_len: 0, depth: 0 })?;
        if tensors.entries.is_empty() {
            return Err(format!("contains no state_dict: it is {}", describe(root)));
        }
        Ok(tensors)
    }

    fn visit(&mut self, value: Value<'p>, place: Place) -> Result<(), String> {
        if place.depth > MAX_DEPTH {
            return Ok(());
        }
        if let Some(module) = Module::from_value(value) {
            self.count_values(module.state.as_dict().map_or(0, |state| state.len()))?;
            return self.visit_module(&module, place);
        }
        if let Some(entries) = value.as_dict() {
            return self.visit_entries(entries, place);
        }
        if let Some(items) = value.as_items() {
            for (number, item) in items.take(MAX_ITEMS).enumerate() {
                self.visit_named(&number.to_string(), item, place, true)?;
            }
            return Ok(());
        }
        match value.state().and_then(Value::as_dict) {
            Some(attributes) => self.visit_entries(attributes, place),
            None => Ok(()),
        }
    }

    fn visit_entries(
        &mut self,
        entries: impl DoubleEndedIterator<Item = (Value<'p>, Value<'p>)> + ExactSizeIterator,
        place: Place,
    ) -> Result<(), String> {
        for (key, value) in entries {
            match (key.as_str(), key.as_int()) {
                (Some(name), _) => self.visit_named(name, value, place, true)?,
                (None, Some(number)) => {
                    self.visit_named(&number.to_string(), value, place, true)?;
                }
                (None, None) => self.count_values(1)?,
            }
        }
        Ok(())
    }

    /// Visits the parameters, buffers and children of an `nn.Module`, under the names that
    /// `state_dict()` gives them.
    fn visit_module(&mut self, module: &Module<'p>, place: Place) -> Result<(), String> {
        let names = |value: Option<Value<'p>>| -> HashSet<&'p str> {
            value.and_then(Value::as_set).into_iter().flatten().filter_map(Value::as_str).collect()
        };
        let non_persistent = names(module.attribute("_non_persistent_buffers_set"));
        for part in ["_parameters", "_buffers", "_modules"] {
            let entries = module.attribute(part).and_then(Value::as_dict);
            for (key, value) in entries.into_iter().flatten() {
                let Some(name) = key.as_str() else { continue };
                if part != "_buffers" || !non_persistent.contains(name) {
                    self.visit_named(name, value, place, false)?;
                }
            }
        }
        Ok(())
    }

    /// Visits a value of a container. `is_key` is true if `name` is a key of a dictionary or the index
    /// of a list item, and false if `name` is an attribute of a module.
    fn visit_named(
        &mut self,
        name: &str,
        value: Value<'p>,
        place: Place,
        is_key: bool,
    ) -> Result<(), String> {
        self.count_values(1)?;
        let Some(shape) = tensor_shape(value) else {
            let num_tensors = self.entries.len();
            if is_container(value) && place.path.len() + name.len() < MAX_NAME_LEN {
                let path = format!("{}{name}.", place.path);
                let dict_len = if is_key { path.len() } else { place.dict_len };
                self.visit(value, Place { path: &path, dict_len, depth: place.depth + 1 })?;
            }
            let has_tensor = self.entries.len() > num_tensors;
            if !has_tensor && is_tensor_name(name) && value.as_object().is_some() {
                let (path, name) = (printable(place.path), printable(name));
                return Err(format!("has {} as `{path}{name}`, not a tensor", value.describe()));
            }
            return Ok(());
        };
        let len = place.path.len() + name.len();
        if len > MAX_NAME_LEN {
            return Err(format!("has a tensor name of {len} bytes"));
        }
        self.name_bytes += len;
        if self.name_bytes > MAX_NAME_BYTES {
            return Err(format!("has tensor names of more than {MAX_NAME_BYTES} bytes"));
        }
        let name = format!("{}{name}", place.path);
        self.entries.push(TensorEntry { name, dict_len: place.dict_len, shape });
        self.values.push(value);
        Ok(())
    }

    fn count_values(&mut self, count: usize) -> Result<(), String> {
        self.num_values += count;
        if self.num_values > MAX_VALUES {
            return Err(format!("contains no state_dict: it has more than {MAX_VALUES} values"));
        }
        Ok(())
    }
}

/// Returns whether a key is the name of a parameter or a running statistic.
fn is_tensor_name(key: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    matches!(name, "weight" | "bias" | "running_mean" | "running_var")
}

fn is_container(value: Value) -> bool {
    value.as_dict().is_some() || value.as_items().is_some() || value.state().is_some()
}

/// A pickled `nn.Module`: an object whose state has its parameters and children.
struct Module<'p> {
    state: Value<'p>,
}

impl<'p> Module<'p> {
    fn from_value(value: Value<'p>) -> Option<Module<'p>> {
        let module = Module { state: value.state()? };
        if module.state.as_dict()?.len() > MAX_ATTRIBUTES {
            return None;
        }
        let has =
            |name: &str| module.attribute(name).is_some_and(|value| value.as_dict().is_some());
        (has("_parameters") && has("_modules")).then_some(module)
    }

    fn attribute(&self, name: &str) -> Option<Value<'p>> {
        self.state.get(name)
    }
}

/// Describes a value for an error message.
fn describe(value: Value) -> String {
    let Some(pairs) = value.as_dict() else { return value.describe() };
    let describe_entry = |(name, value): (Value, Value)| {
        let name = name.as_str().map_or("?".into(), printable);
        match value.as_object() {
            Some(_) => format!("{name} ({})", value.describe()),
            None => name,
        }
    };
    let names: Vec<_> = pairs.take(8).map(describe_entry).collect();
    if names.is_empty() {
        "an empty dict".into()
    } else {
        format!("a dict with the keys {}", names.join(", "))
    }
}
