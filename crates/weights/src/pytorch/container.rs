//! Where in what was saved the weights are: people save a `state_dict` as it is, or in a dictionary
//! with an epoch, an optimizer's state, an accuracy.

use residual_pickle::{Pickle, Value};

use super::rebuild::{is_tensor, shown};

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
/// More than any network has.
const MOST: usize = 100_000;

/// The entries of the `state_dict` in what was saved.
///
/// # Errors
/// Says what is there instead.
pub(crate) fn state_dict(pickle: &Pickle) -> Result<Vec<(&str, Value<'_>)>, String> {
    let mut value = pickle.root();
    for _ in 0..=LEVELS {
        if let Some(entries) = entries(value) {
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
                .filter(|value| entries_are_tensors(*value))
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
fn entries(value: Value<'_>) -> Option<Vec<(&str, Value<'_>)>> {
    if !entries_are_tensors(value) {
        return None;
    }
    let pairs = value.as_dict()?;
    Some(pairs.filter_map(|(name, value)| Some((name.as_text()?, value))).collect())
}

fn entries_are_tensors(value: Value) -> bool {
    let Some(pairs) = value.as_dict() else { return false };
    pairs.len() <= MOST && {
        let mut any = false;
        let mut all = pairs.map(|(name, value)| {
            any |= is_tensor(value);
            // Some save a number beside the tensors; a dictionary is another level.
            name.as_text().is_some() && value.as_dict().is_none()
        });
        all.all(|plain| plain) && any
    }
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
