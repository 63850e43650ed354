//! Reading configuration out of JSON so that every refusal names its place and, for a key or a
//! choice that does not exist, the nearest one that does. (Serde's derive would do the reading,
//! but its tagged and untagged enums lose both.)

use serde_json::{Map, Value};

use crate::{Error, ErrorCode, Result};

/// A place inside a configuration: `optimizer.lr`, `schedule.milestones[1]`.
#[derive(Clone, Copy)]
pub enum KeyPath<'a> {
    Root,
    Key(&'a KeyPath<'a>, &'a str),
    Index(&'a KeyPath<'a>, usize),
}

impl std::fmt::Display for KeyPath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeyPath::Root => Ok(()),
            KeyPath::Key(KeyPath::Root, key) => write!(f, "{key}"),
            KeyPath::Key(parent, key) => write!(f, "{parent}.{key}"),
            KeyPath::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl KeyPath<'_> {
    /// `E_CONFIG` at this place, said as what was wanted and what was found.
    pub fn invalid(&self, wanted: impl std::fmt::Display, found: &Value) -> Error {
        let name = match self {
            KeyPath::Root => "the configuration".to_string(),
            _ => format!("`{self}`"),
        };
        Error::new(ErrorCode::Config, format!("{name} must be {wanted}, not {}", shown(found)))
            .key(self)
            .hint(self.way_out())
    }

    /// What else to say here, where nothing better is known.
    fn way_out(&self) -> String {
        let key = self.to_string();
        match key.split('[').next().unwrap_or_default() {
            "" => "Give an object, such as { data: './photos' }.".into(),
            "data" | "data.source" => "Give a folder of images, or a data set's name.".into(),
            key => format!("Leave `{key}` out for its default."),
        }
    }
}

/// A value short enough to stand in a message.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "an array".into(),
        Value::String(text) if text.chars().count() > 40 => {
            format!("\"{}…\"", text.chars().take(40).collect::<String>())
        }
        other => other.to_string(),
    }
}

/// The candidate that a misspelt word most likely meant, if any is near enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase().replace(['_', '-'], "");
    candidates
        .into_iter()
        .map(|candidate| {
            let other = candidate.to_lowercase().replace(['_', '-'], "");
            (strsim::damerau_levenshtein(&folded, &other), candidate)
        })
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= (word.len() / 3).max(1))
        .map(|(_, candidate)| candidate)
}

/// A value that can be read from configuration JSON.
pub trait FromJson: Sized {
    fn from_json_at(value: &Value, at: &KeyPath) -> Result<Self>;
}

/// A field that may be left out; `null` counts as left out, as JavaScript callers expect.
pub(crate) fn optional<T: FromJson>(
    map: &Map<String, Value>,
    key: &str,
    at: &KeyPath,
) -> Result<Option<T>> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => T::from_json_at(value, &KeyPath::Key(at, key)).map(Some),
    }
}

/// The object at a place, refused if it has a key that is not among `known`.
pub(crate) fn object<'v>(
    value: &'v Value,
    known: &[String],
    wanted: &str,
    at: &KeyPath,
) -> Result<&'v Map<String, Value>> {
    let map = value.as_object().ok_or_else(|| at.invalid(wanted, value))?;
    for key in map.keys() {
        if !known.iter().any(|name| name == key) {
            let place = KeyPath::Key(at, key);
            let hint = match nearest(key, known.iter().map(String::as_str)) {
                Some(name) => format!("Did you mean `{}`?", KeyPath::Key(at, name)),
                None => format!("Known here: {}.", known.join(", ")),
            };
            return Err(Error::new(ErrorCode::UnknownKey, format!("unknown key `{place}`"))
                .key(place)
                .hint(hint));
        }
    }
    Ok(map)
}

/// One of a closed set of words.
pub(crate) fn choice<T: Copy>(
    value: &Value,
    choices: &[(&'static str, T)],
    at: &KeyPath,
) -> Result<T> {
    let list = || choices.iter().map(|(name, _)| format!("'{name}'")).collect::<Vec<_>>();
    let text =
        value.as_str().ok_or_else(|| at.invalid(format!("one of {}", list().join(", ")), value))?;
    choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice).ok_or_else(|| {
        let error = at.invalid(format!("one of {}", list().join(", ")), value);
        match nearest(text, choices.iter().map(|(name, _)| *name)) {
            Some(name) => error.hint(format!("Did you mean '{name}'?")),
            None => error,
        }
    })
}

/// `snake_case` as the JSON key `camelCase`.
pub(crate) fn camel_case(field: &str) -> String {
    let mut key = String::with_capacity(field.len());
    let mut up = false;
    for c in field.chars() {
        match c {
            '_' => up = true,
            c if up => {
                key.extend(c.to_uppercase());
                up = false;
            }
            c => key.push(c),
        }
    }
    key
}

impl FromJson for bool {
    fn from_json_at(value: &Value, at: &KeyPath) -> Result<Self> {
        value.as_bool().ok_or_else(|| at.invalid("true or false", value))
    }
}

impl FromJson for String {
    fn from_json_at(value: &Value, at: &KeyPath) -> Result<Self> {
        match value.as_str() {
            Some(text) if text.contains('\0') => {
                Err(at.invalid("a string without NUL characters", value))
            }
            Some(text) if !text.is_empty() => Ok(text.into()),
            _ => Err(at.invalid("a string that is not empty", value)),
        }
    }
}

impl FromJson for f64 {
    fn from_json_at(value: &Value, at: &KeyPath) -> Result<Self> {
        value.as_f64().filter(|x| x.is_finite()).ok_or_else(|| at.invalid("a finite number", value))
    }
}

/// Whole numbers up to 2^53, which is what JavaScript can hold exactly.
pub(crate) fn whole(value: &Value, least: u64, most: u64, at: &KeyPath) -> Result<u64> {
    let most = most.min(1 << 53);
    value
        .as_f64()
        .filter(|x| x.fract() == 0.0 && *x >= least as f64 && *x <= most as f64)
        .map(|x| x as u64)
        .ok_or_else(|| {
            let range = match least {
                0 => "a whole number, 0 or more".to_string(),
                least => format!("a whole number, {least} or more"),
            };
            let range = match value.as_f64() {
                Some(x) if x > most as f64 => format!("a whole number of at most {most}"),
                _ => range,
            };
            at.invalid(range, value)
        })
}

impl FromJson for u32 {
    fn from_json_at(value: &Value, at: &KeyPath) -> Result<Self> {
        whole(value, 0, u32::MAX as u64, at).map(|n| n as u32)
    }
}

impl FromJson for u64 {
    fn from_json_at(value: &Value, at: &KeyPath) -> Result<Self> {
        whole(value, 0, u64::MAX, at)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json_at(value: &Value, at: &KeyPath) -> Result<Self> {
        let items = value.as_array().ok_or_else(|| at.invalid("an array", value))?;
        items
            .iter()
            .enumerate()
            .map(|(i, item)| T::from_json_at(item, &KeyPath::Index(at, i)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_place_reads_as_it_is_typed() {
        let schedule = KeyPath::Key(&KeyPath::Root, "schedule");
        let milestones = KeyPath::Key(&schedule, "milestones");
        assert_eq!(KeyPath::Index(&milestones, 1).to_string(), "schedule.milestones[1]");
    }

    #[test]
    fn the_nearest_word_is_named_and_a_far_one_is_not() {
        let known = ["momentum", "lr", "weightDecay"];
        assert_eq!(nearest("weight_decay", known), Some("weightDecay"));
        assert_eq!(nearest("momentun", known), Some("momentum"));
        assert_eq!(nearest("banana", known), None);
    }

    #[test]
    fn whole_numbers_refuse_fractions_signs_and_more_than_javascript_holds() {
        assert_eq!(u32::from_json_at(&json!(3.0), &KeyPath::Root).unwrap(), 3);
        for bad in [json!(-1), json!(1.5), json!("3"), json!(1e17), json!([1]), json!(null)] {
            assert!(u64::from_json_at(&bad, &KeyPath::Root).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_camel_case() {
        assert_eq!(camel_case("bottleneck_stride"), "bottleneckStride");
    }
}
