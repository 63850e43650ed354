//! Finds the `state_dict` in a saved object: the object itself, or a value in a dictionary that also
//! contains an epoch, an optimizer state or an accuracy.

use residual_pickle::{Pickle, Value};

use super::rebuild_tensor::{is_tensor, printable};

/// Usual keys of a state_dict in a checkpoint dictionary, most likely first.
const STATE_DICT_KEYS: [&str; 9] = [
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "model_state",
    "state_dict_ema",
];
/// Maximum nesting of dictionaries, as in `{model: {state_dict: ...}}`.
const MAX_DEPTH: usize = 2;
/// Maximum number of entries inspected in all dictionaries together. A hostile pickle can refer to
/// one dictionary a million times.
const MAX_ENTRIES: usize = 200_000;

/// Returns the entries of the `state_dict` in a pickle.
///
/// # Errors
/// A description of the pickle's contents, if they include no `state_dict`.
pub(crate) fn find_state_dict(pickle: &Pickle) -> Result<Vec<(&str, Value<'_>)>, String> {
    let mut value = pickle.root();
    let mut budget = MAX_ENTRIES;
    for _ in 0..=MAX_DEPTH {
        if let Some(entries) = tensor_entries(value, &mut budget) {
            return Ok(entries);
        }
        if value.as_dict().is_none() {
            break;
        }
        let inner_dict = |name: &&str| value.get(name).filter(|value| value.as_dict().is_some());
        value = match STATE_DICT_KEYS.iter().find_map(inner_dict) {
            Some(dict) => dict,
            // Accept any other key whose value is the only dictionary of tensors.
            None => match &value
                .as_dict()
                .into_iter()
                .flatten()
                .map(|(_, value)| value)
                .filter(|value| is_tensor_dict(*value, &mut budget))
                .collect::<Vec<_>>()[..]
            {
                [tensor_dict] => *tensor_dict,
                _ => break,
            },
        };
    }
    Err(format!("contains no state_dict: it is {}", describe(pickle.root())))
}

/// Returns the entries of a dictionary of tensors; `None` for any other value.
fn tensor_entries<'p>(value: Value<'p>, budget: &mut usize) -> Option<Vec<(&'p str, Value<'p>)>> {
    if !is_tensor_dict(value, budget) {
        return None;
    }
    let pairs = value.as_dict()?;
    Some(pairs.filter_map(|(name, value)| Some((name.as_str()?, value))).collect())
}

/// Returns whether a value is a dictionary of tensors; `false` after `budget` entries were inspected.
fn is_tensor_dict(value: Value, budget: &mut usize) -> bool {
    let Some(pairs) = value.as_dict() else { return false };
    let Some(remaining) = budget.checked_sub(pairs.len()) else {
        *budget = 0;
        return false;
    };
    *budget = remaining;
    let mut has_tensor = false;
    let mut is_flat = pairs.map(|(name, value)| {
        has_tensor |= is_tensor(value);
        // The dictionary may contain numbers, but no nested dictionary.
        name.as_str().is_some() && value.as_dict().is_none()
    });
    is_flat.all(|is_flat| is_flat) && has_tensor
}

/// Describes a value for an error message.
fn describe(value: Value) -> String {
    let Some(pairs) = value.as_dict() else { return value.describe() };
    let names: Vec<_> =
        pairs.take(8).map(|(name, _)| name.as_str().map_or("?".into(), printable)).collect();
    if names.is_empty() {
        "an empty dict".into()
    } else {
        format!("a dict with the keys {}", names.join(", "))
    }
}
