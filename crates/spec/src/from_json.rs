//! Configuration parser. Errors have the path of the key and suggest the nearest name for an
//! unknown key or value. (Errors of serde's derived parsers for tagged and untagged enums have
//! neither.)

use serde_json::{Map, Value, json};

use crate::integer_ranges::expected_integer;
use crate::nearest_name::{nearest_choice, parse_bool};
use crate::suggest_key::{add_key_suggestion, format_setting, format_variant_setting};
use crate::{Error, ErrorCode, Result};

/// `Number.MAX_SAFE_INTEGER`. JavaScript silently rounds larger integers: 2^53 + 1 becomes 2^53.
const MAX_INTEGER: u64 = (1 << 53) - 1;
/// Description of an integer in messages if its range is not known.
const NON_NEGATIVE_INTEGER: &str = "a whole number, 0 or more";
/// Number of characters after which error messages truncate a quoted string.
const MAX_QUOTED: usize = 40;

/// Path of a configuration key: `optimizer.lr`, `schedule.milestones[1]`.
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
    /// Returns an `E_CONFIG` error for this key: "`key` must be `expected`, not `found`".
    pub fn invalid(&self, expected: impl std::fmt::Display, found: &Value) -> Error {
        let name = match self {
            KeyPath::Root => "the configuration".to_string(),
            _ => format!("`{self}`"),
        };
        Error::new(ErrorCode::Config, format!("{name} must be {expected}, not {}", describe(found)))
            .key(self)
            .hint(self.default_hint())
    }

    /// Returns the hint "Did you mean `key: value`?".
    pub(crate) fn did_you_mean(&self, value: &Value) -> String {
        format!("Did you mean `{}`?", format_setting(&self.to_string(), value))
    }

    fn default_hint(&self) -> String {
        let key = self.to_string();
        match key.split('[').next().unwrap_or_default() {
            "" => "Pass an object, such as { data: './photos' }.".into(),
            "data" | "data.source" => "Pass a folder of images, or the name of a data set.".into(),
            key => format!("Omit `{key}` to use its default."),
        }
    }
}

/// Formats a value for an error message. Objects, arrays and long strings are shortened.
fn describe(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "an array".into(),
        Value::String(text) if text.chars().count() > MAX_QUOTED => {
            format!("\"{}…\"", text.chars().take(MAX_QUOTED).collect::<String>())
        }
        // Omit the decimal point of a whole number, as JavaScript does.
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.abs() < 1e21 => float.to_string(),
            Some(_) | None => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// Type that is parsed from configuration JSON.
pub trait FromJson: Sized {
    /// Parses a whole configuration.
    ///
    /// # Errors
    /// `E_CONFIG` and `E_UNKNOWN_KEY`, with the path of the key. For an unknown key, the hint
    /// suggests the nearest key of the whole configuration: `optimizer.lr` for `lr`.
    fn parse(value: &Value) -> Result<Self> {
        Self::from_json_at(value, &KeyPath::Root).map_err(|error| {
            let mut known = Vec::new();
            Self::visit_keys(&KeyPath::Root, &mut |path| known.push(path.to_string()));
            let check = |value: &Value| Self::from_json_at(value, &KeyPath::Root).err();
            add_key_suggestion(error, value, &known, &check)
        })
    }

    /// Calls `visit` with the path of every key that a value at `path` may have, at any depth.
    fn visit_keys(_path: &KeyPath, _visit: &mut dyn FnMut(&KeyPath)) {}

    /// Parses the value at `path`.
    ///
    /// # Errors
    /// `E_CONFIG` and `E_UNKNOWN_KEY`, with the path of the key.
    fn from_json_at(value: &Value, path: &KeyPath) -> Result<Self>;
}

/// Parses an optional field. `null` is treated as a missing field.
pub(crate) fn optional<T: FromJson>(
    map: &Map<String, Value>,
    key: &str,
    path: &KeyPath,
) -> Result<Option<T>> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => T::from_json_at(value, &KeyPath::Key(path, key)).map(Some),
    }
}

/// Returns the value at `path` as an object.
///
/// # Errors
/// `E_CONFIG` if the value is not an object, `E_UNKNOWN_KEY` for a key that is not in `known`.
pub(crate) fn object<'v>(
    value: &'v Value,
    known: &[String],
    expected: &str,
    path: &KeyPath,
) -> Result<&'v Map<String, Value>> {
    let map = value.as_object().ok_or_else(|| path.invalid(expected, value))?;
    for key in map.keys() {
        if !known.iter().any(|name| name == key) {
            let key_path = KeyPath::Key(path, key);
            return Err(Error::new(ErrorCode::UnknownKey, format!("unknown key `{key_path}`"))
                .key(key_path)
                .hint(format!("Known keys: {}.", known.join(", "))));
        }
    }
    Ok(map)
}

/// Completes the error for an integer: adds the range of its key to the message.
pub(crate) fn add_integer_range(mut error: Error) -> Error {
    if let Some(expected) = error.at.key.as_deref().and_then(expected_integer) {
        error.message = error.message.replacen(NON_NEGATIVE_INTEGER, &expected, 1);
    }
    error
}

/// Sets the hint of the error for a value that is not an object: the first key with this value, or
/// the keys of the object.
pub(crate) fn suggest_keys<T: FromJson>(
    error: Error,
    value: &Value,
    keys: &[String],
    path: &KeyPath,
) -> Error {
    let (KeyPath::Key(..) | KeyPath::Index(..)) = path else { return error };
    // An object has an unknown key; the hint for false is to omit the section.
    let (Some(first), false) = (keys.first(), value.is_object() || value == &Value::Bool(false))
    else {
        return error;
    };
    if T::from_json_at(&json!({ first: value }), path).is_ok() {
        return error.hint(KeyPath::Key(path, first).did_you_mean(value));
    }
    let paths: Vec<_> = keys.iter().map(|key| format!("`{}`", KeyPath::Key(path, key))).collect();
    error.hint(format!("Set its keys: {}.", paths.join(", ")))
}

/// Describes the values of a tagged union: one of its names, or an object.
pub(crate) fn expected_variant(variants: &[(&str, Vec<String>)]) -> String {
    let names: Vec<_> = variants.iter().map(|(name, _)| format!("'{name}'")).collect();
    format!("one of {}, or an object", names.join(", "))
}

/// Completes the error for an unknown key of a variant that is a key of another variant: names both
/// variants.
///
/// # Parameters
/// - `tag`: the variant of `value`
/// - `variants`: tags and keys of all variants
pub(crate) fn suggest_variant(
    error: Error,
    value: &Value,
    path: &KeyPath,
    tag: &str,
    variants: &[(&str, Vec<String>)],
) -> Error {
    let (ErrorCode::UnknownKey, Some(unknown)) = (error.code, &error.at.key) else { return error };
    let key = unknown.rsplit('.').next().unwrap_or_default();
    let found = variants.iter().find(|(_, keys)| keys.iter().any(|name| name == key));
    let (Some((other, _)), true) = (found, *unknown == KeyPath::Key(path, key).to_string()) else {
        return error;
    };
    let setting = format_variant_setting(&path.to_string(), other, key, &value[key]);
    let message = format!("unknown key `{unknown}` of type '{tag}'");
    Error { message, ..error }.hint(format!("Did you mean `{setting}`?"))
}

/// Parses one of a fixed set of strings.
pub(crate) fn choice<T: Copy>(
    value: &Value,
    choices: &[(&'static str, T)],
    path: &KeyPath,
) -> Result<T> {
    let invalid = || {
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("'{name}'")).collect();
        path.invalid(format!("one of {}", names.join(", ")), value)
    };
    let exact = value.as_str().and_then(|text| choices.iter().find(|(name, _)| *name == text));
    exact.map(|(_, choice)| *choice).ok_or_else(|| {
        let word = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return invalid(),
        };
        match nearest_choice(&word, choices.iter().map(|(name, _)| *name)) {
            Some(name) => invalid().hint(path.did_you_mean(&name.into())),
            None => invalid(),
        }
    })
}

/// Converts `snake_case` to the JSON key `camelCase`.
pub(crate) fn camel_case(field: &str) -> String {
    let mut key = String::with_capacity(field.len());
    let mut upper = false;
    for c in field.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                key.extend(c.to_uppercase());
                upper = false;
            }
            c => key.push(c),
        }
    }
    key
}

impl FromJson for bool {
    fn from_json_at(value: &Value, path: &KeyPath) -> Result<Self> {
        value.as_bool().ok_or_else(|| {
            let error = path.invalid("true or false", value);
            match parse_bool(value) {
                Some(flag) => error.hint(path.did_you_mean(&flag.into())),
                None => error,
            }
        })
    }
}

impl FromJson for String {
    fn from_json_at(value: &Value, path: &KeyPath) -> Result<Self> {
        match value.as_str() {
            Some(text) if text.contains('\0') => {
                Err(path.invalid("a string without NUL characters", value))
            }
            Some(text) if !text.is_empty() => Ok(text.into()),
            _ => Err(path.invalid("a string that is not empty", value)),
        }
    }
}

impl FromJson for f64 {
    fn from_json_at(value: &Value, path: &KeyPath) -> Result<Self> {
        value.as_f64().filter(|x| x.is_finite()).ok_or_else(|| {
            let error = path.invalid("a finite number", value);
            match number_in_text(value) {
                Some(number) => error.hint(path.did_you_mean(&number)),
                None => error,
            }
        })
    }
}

/// Returns the number that a string contains: 0.5 for `".5"`.
fn number_in_text(value: &Value) -> Option<Value> {
    let number = value.as_str()?.trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
    let is_integer = number.fract() == 0.0 && number.abs() <= MAX_INTEGER as f64;
    Some(if is_integer { Value::from(number as i64) } else { Value::from(number) })
}

/// Parses an integer from 0 to `max`.
fn integer(value: &Value, max: u64, path: &KeyPath) -> Result<u64> {
    let max = max.min(MAX_INTEGER) as f64;
    let number = value.as_f64();
    number.filter(|x| x.fract() == 0.0 && (0.0..=max).contains(x)).map(|x| x as u64).ok_or_else(
        || {
            let expected = match number {
                Some(x) if x > max => format!("a whole number of at most {max}"),
                Some(_) | None => NON_NEGATIVE_INTEGER.into(),
            };
            let error = path.invalid(expected, value);
            match number_in_text(value).filter(|number| number.as_u64().is_some()) {
                Some(number) => error.hint(path.did_you_mean(&number)),
                None => error,
            }
        },
    )
}

impl FromJson for u32 {
    fn from_json_at(value: &Value, path: &KeyPath) -> Result<Self> {
        integer(value, u32::MAX.into(), path).map(|n| n as u32)
    }
}

impl FromJson for u64 {
    fn from_json_at(value: &Value, path: &KeyPath) -> Result<Self> {
        integer(value, u64::MAX, path)
    }
}

impl<T: FromJson, const N: usize> FromJson for [T; N] {
    fn from_json_at(value: &Value, path: &KeyPath) -> Result<Self> {
        Vec::from_json_at(value, path)?
            .try_into()
            .map_err(|_| path.invalid(format!("an array of {N} values"), value))
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json_at(value: &Value, path: &KeyPath) -> Result<Self> {
        let items = value.as_array().ok_or_else(|| path.invalid("an array", value))?;
        items
            .iter()
            .enumerate()
            .map(|(i, item)| T::from_json_at(item, &KeyPath::Index(path, i)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_key_paths_as_in_javascript() {
        let schedule = KeyPath::Key(&KeyPath::Root, "schedule");
        let milestones = KeyPath::Key(&schedule, "milestones");
        assert_eq!(KeyPath::Index(&milestones, 1).to_string(), "schedule.milestones[1]");
    }

    #[test]
    fn suggests_the_number_or_truth_value_that_a_text_contains() {
        let lr = KeyPath::Key(&KeyPath::Root, "lr");
        let hint = |error: Error| error.hint.unwrap();
        let float = |text: &str| hint(f64::from_json_at(&json!(text), &lr).unwrap_err());
        assert_eq!(float(".1"), "Did you mean `lr: 0.1`?");
        assert_eq!(float("1e3"), "Did you mean `lr: 1000`?");
        assert_eq!(float("small"), "Omit `lr` to use its default.");
        let integer = |text: &str| hint(u32::from_json_at(&json!(text), &lr).unwrap_err());
        assert_eq!(integer("64"), "Did you mean `lr: 64`?");
        assert_eq!(integer("-64"), "Omit `lr` to use its default.");
        let flag = |value: Value| hint(bool::from_json_at(&value, &lr).unwrap_err());
        assert_eq!(flag(json!("True")), "Did you mean `lr: true`?");
        assert_eq!(flag(json!(0)), "Did you mean `lr: false`?");
        assert_eq!(flag(json!("maybe")), "Omit `lr` to use its default.");
    }

    #[test]
    fn integers_reject_fractions_signs_and_values_that_javascript_rounds() {
        assert_eq!(u32::from_json_at(&json!(3.0), &KeyPath::Root).unwrap(), 3);
        let max = (1u64 << 53) - 1;
        assert_eq!(u64::from_json_at(&json!(max), &KeyPath::Root).unwrap(), max);
        for bad in [json!(-1), json!(1.5), json!("3"), json!(1e17), json!([1]), json!(null)] {
            assert!(u64::from_json_at(&bad, &KeyPath::Root).is_err(), "{bad}");
        }
        // JavaScript rounds 2^53 + 1 to 2^53.
        for rounded in [json!(1u64 << 53), json!((1u64 << 53) + 1), json!((1u64 << 53) as f64)] {
            let error = u64::from_json_at(&rounded, &KeyPath::Root).unwrap_err();
            assert!(error.message.contains("at most 9007199254740991"), "{error}");
        }
    }

    #[test]
    fn converts_keys_to_camel_case() {
        assert_eq!(camel_case("bottleneck_stride"), "bottleneckStride");
    }
}
