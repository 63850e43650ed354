//! Where in what was saved the weights are: people save a `state_dict` as it is, or in a dictionary
//! with an epoch, an optimizer's state, an accuracy.

use residual_pickle::{Pickle, Value};

use super::rebuild_tensor::{is_tensor, shown};

/// Names under which weights are saved, the likeliest first.
const NAMES: [&str; 9] = [
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
/// Dictionaries within dictionaries that are looked into: `{model: {state_dict: ...}}`.
const LEVELS: usize = 2;
/// Entries that are looked at, in all dictionaries together: more than any network has tensors. A
/// pickle may say one dictionary a million times.
const MOST: usize = 200_000;

/// The entries of the `state_dict` in what was saved.
///
/// # Errors
/// Says what is there instead.
pub(crate) fn find_state_dict(pickle: &Pickle) -> Result<Vec<(&str, Value<'_>)>, String> {
    let mut value = pickle.root();
    let mut left = MOST;
    for _ in 0..=LEVELS {
        if let Some(entries) = entries(value, &mut left) {
            return Ok(entries);
        }
        if value.as_dict().is_none() {
            break;
        }
        let inner = |name: &&str| value.get(name).filter(|value| value.as_dict().is_some());
        value = match NAMES.iter().find_map(inner) {
            Some(inner) => inner,
            // Under a name of its own, if no other could be meant.
            None => match &value
                .as_dict()
                .into_iter()
                .flatten()
                .map(|(_, value)| value)
                .filter(|value| entries_are_tensors(*value, &mut left))
                .collect::<Vec<_>>()[..]
            {
                [only] => *only,
                _ => break,
            },
        };
    }
    Err(format!("holds no state_dict: it is {}", description(pickle.root())))
}

/// A dictionary's entries, if it is one of tensors.
fn entries<'p>(value: Value<'p>, left: &mut usize) -> Option<Vec<(&'p str, Value<'p>)>> {
    if !entries_are_tensors(value, left) {
        return None;
    }
    let pairs = value.as_dict()?;
    Some(pairs.filter_map(|(name, value)| Some((name.as_text()?, value))).collect())
}

/// Whether a value is a dictionary of tensors; once none of the entries are `left` that may be looked
/// at, it is not.
fn entries_are_tensors(value: Value, left: &mut usize) -> bool {
    let Some(pairs) = value.as_dict() else { return false };
    let Some(rest) = left.checked_sub(pairs.len()) else {
        *left = 0;
        return false;
    };
    *left = rest;
    let mut any = false;
    let mut all = pairs.map(|(name, value)| {
        any |= is_tensor(value);
        // Some save a number beside the tensors; a dictionary is another level.
        name.as_text().is_some() && value.as_dict().is_none()
    });
    all.all(|plain| plain) && any
}

fn description(value: Value) -> String {
    let Some(pairs) = value.as_dict() else { return value.what() };
    let names: Vec<_> =
        pairs.take(8).map(|(name, _)| name.as_text().map_or("?".into(), shown)).collect();
    match names.is_empty() {
        true => "an empty dict".into(),
        false => format!("a dict of {}", names.join(", ")),
    }
}
