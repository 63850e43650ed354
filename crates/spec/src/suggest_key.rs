//! Suggestions for unknown configuration keys: the nearest key at any depth (`optimizer.lr` for
//! `lr`), and the keys for names of other frameworks (`data.imageSize` for `img_size`).

use serde_json::{Value, json};

use crate::key_aliases::{ALIASES, Alias, NO_COUNTERPART};
use crate::nearest_name::{distance, normalize};
use crate::{Error, ErrorCode, FromJson, KeyPath, TrainConfig};

/// Parses a configuration; returns its error.
type Check<'a> = &'a dyn Fn(&Value) -> Option<Error>;

/// A key that an unknown key may stand for.
struct Candidate<'a> {
    /// Edit distance; then 0 for a key of the same object, 1 for an alias and 2 for another key;
    /// then the depth of the key. The candidate with the smallest rank is the nearest.
    rank: (usize, u8, usize),
    key: &'a str,
    value: Option<&'static str>,
}

/// Sets the hint of an `E_UNKNOWN_KEY` error to the nearest key with the value of the unknown key,
/// if there is a similar key.
///
/// # Parameters
/// - `known`: paths of all keys of the configuration
/// - `check`: parser of the configuration, for the values of suggested keys
pub(crate) fn add_key_suggestion(
    error: Error,
    config: &Value,
    known: &[String],
    check: Check,
) -> Error {
    let path = match (error.code, &error.at.key) {
        (ErrorCode::UnknownKey, Some(path)) => path.clone(),
        _ => return error,
    };
    // The hint for a key of another variant names the variant.
    if error.hint.as_deref().is_some_and(suggests_setting) {
        return error;
    }
    let value = value_at(config, &path);
    match suggest(&path, value, known, check) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Returns the setting of a [`TrainConfig`](crate::TrainConfig) that a word with a value stands
/// for, such as `optimizer: { weightDecay: 0.1 }` for `weight-decay`; `None` if no key is similar.
pub fn suggest_setting(word: &str, value: Option<&Value>) -> Option<String> {
    let mut known = Vec::new();
    let visit = &mut |path: &KeyPath| known.push(path.to_string());
    TrainConfig::visit_keys(&KeyPath::Root, visit);
    let check: Check = &|value| TrainConfig::from_json_at(value, &KeyPath::Root).err();
    nearest_keys(word, &known).first().map(|candidate| candidate.format(value, check))
}

fn suggest(path: &str, value: Option<&Value>, known: &[String], check: Check) -> Option<String> {
    let nearest = nearest_keys(path, known);
    if nearest.first().is_none_or(|candidate| candidate.rank.0 > 0)
        && let Some(advice) = advice_without_counterpart(path, known)
    {
        return Some(advice.into());
    }
    let settings: Vec<String> =
        nearest.iter().map(|candidate| format!("`{}`", candidate.format(value, check))).collect();
    (!settings.is_empty()).then(|| format!("Did you mean {}?", settings.join(" or ")))
}

/// Returns the advice for a name that has no counterpart among the keys of a training configuration.
fn advice_without_counterpart(path: &str, known: &[String]) -> Option<&'static str> {
    let is_training = known.iter().any(|key| key == "epochs");
    let name = normalize(path.rsplit('.').next().unwrap_or(path));
    let found = NO_COUNTERPART.iter().find(|(names, _)| names.contains(&name.as_str()));
    found.filter(|_| is_training).map(|(_, advice)| *advice)
}

/// Returns whether a value of an unknown key disables it. The command line passes Python's `False` as
/// text.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Bool(enabled) => !enabled,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => {
            ["false", "no", "off"].iter().any(|word| text.eq_ignore_ascii_case(word))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

impl Candidate<'_> {
    /// Formats the setting of the key with `value`, the value of the unknown key, or with the alias's
    /// own value. A value that the key does not accept is replaced by the nearest one or omitted.
    fn format(&self, value: Option<&Value>, check: Check) -> String {
        let alias_value: Option<Value> =
            self.value.and_then(|json| serde_json::from_str(json).ok());
        let is_off = value.is_some_and(is_off);
        let value = match (alias_value, value) {
            (Some(Value::Bool(enabled)), _) => Value::Bool(enabled != is_off),
            // The suggestion for `pretrained: false` must not be `weights: 'imagenet'`.
            (Some(_), _) if is_off => return self.key.into(),
            (Some(alias), _) => alias,
            (None, Some(value)) => value.clone(),
            (None, None) => return self.key.into(),
        };
        let nested = self.key.rsplit('.').fold(value.clone(), |inner, key| json!({ key: inner }));
        match check(&nested) {
            None => format_setting(self.key, &value),
            Some(error) => match error.hint.as_deref().and_then(suggested_setting) {
                Some(setting) => setting.into(),
                None => self.key.into(),
            },
        }
    }
}

fn suggests_setting(hint: &str) -> bool {
    suggested_setting(hint).is_some()
}

/// Returns the setting in a hint "Did you mean `setting`?".
fn suggested_setting(hint: &str) -> Option<&str> {
    let (setting, _) = hint.strip_prefix("Did you mean `")?.split_once("`?")?;
    (!setting.contains('`')).then_some(setting)
}

/// Returns the known keys that an unknown key may stand for: at most two, which are equally near.
fn nearest_keys<'a>(path: &str, known: &'a [String]) -> Vec<Candidate<'a>> {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let (word, whole) = (normalize(name), normalize(path));
    let mut candidates: Vec<Candidate> = known
        .iter()
        .filter_map(|key| match_key(parent, &word, &whole, key))
        .chain(ALIASES.iter().filter_map(|alias| match_alias(alias, parent, &word, known)))
        .collect();
    candidates.sort_by_key(|candidate| candidate.rank);
    candidates.dedup_by_key(|candidate| candidate.key);
    let best = candidates.first().map(|candidate| candidate.rank);
    candidates.retain(|candidate| Some(candidate.rank) == best);
    // More than two are no help: the hint lists the known keys instead.
    if candidates.len() <= 2 { candidates } else { Vec::new() }
}

/// Compares an unknown key with a known one. Returns the known key if they are similar.
///
/// # Parameters
/// - `parent`, `word`: the object that contains the unknown key, and its normalized name
/// - `whole`: the normalized path, which may be another spelling of a path: `optimizer_lr`
fn match_key<'a>(parent: &str, word: &str, whole: &str, key: &'a str) -> Option<Candidate<'a>> {
    let (key_parent, key_name) = key.rsplit_once('.').unwrap_or(("", key));
    let depth = key.matches('.').count();
    let found = |distance, class| Candidate { rank: (distance, class, depth), key, value: None };
    let normalized = normalize(key_name);
    if key_parent == parent {
        let similar = distance(word, &normalized);
        // `batch` is short for `batchSize`.
        let is_prefix = word.len() >= 4 && normalized.starts_with(word);
        return similar.or(is_prefix.then_some(normalized.len() - word.len())).map(|d| found(d, 0));
    }
    // `type` exists in many objects.
    if key_name != "type" && normalized == word {
        return Some(found(0, 2));
    }
    let path = normalize(key);
    if path == whole || path == word {
        return Some(found(0, 2));
    }
    // A short word is similar to too many names.
    let is_long = key_name != "type" && word.len() >= 5;
    distant_match(word, &normalized).filter(|_| is_long).map(|distance| found(distance, 2))
}

/// Returns the key of an alias if the unknown key is similar to one of the names of the alias.
fn match_alias<'a>(
    alias: &Alias,
    parent: &str,
    word: &str,
    known: &'a [String],
) -> Option<Candidate<'a>> {
    let nearest = alias.names.iter().filter_map(|name| {
        if *name == word { Some(0) } else { distant_match(word, name).filter(|_| word.len() >= 6) }
    });
    let distance = nearest.min()?;
    let find = |key: &&str| {
        let sibling = key.strip_prefix('.').map(|name| format!("{parent}.{name}"));
        known.iter().find(|known| **known == sibling.as_deref().unwrap_or(*key))
    };
    let key = alias.keys.iter().find_map(find)?;
    Some(Candidate { rank: (distance, 1, 0), key, value: alias.value })
}

/// Returns the edit distance of two normalized names; `None` unless they are so similar that a key of
/// another object is meant.
fn distant_match(word: &str, name: &str) -> Option<usize> {
    distance(word, name).filter(|&distance| distance <= (word.len() / 4).max(1))
}

/// Formats the setting of a key that belongs to another variant of a tagged union, with the variant:
/// `schedule: { type: 'step', stepSize: 3 }`.
pub(crate) fn format_variant_setting(path: &str, tag: &str, key: &str, value: &Value) -> String {
    let setting = format_setting(key, value);
    // A value that is not shown is one that `format_setting` omits.
    let inner = if setting == key { String::new() } else { format!(", {setting}") };
    path.rsplit('.')
        .fold(format!("type: '{tag}'{inner}"), |inner, key| format!("{key}: {{ {inner} }}"))
}

/// Formats a setting as in JavaScript: `optimizer: { lr: 0.1 }`. A long value, null and an object are
/// omitted: `optimizer.lr`.
pub(crate) fn format_setting(path: &str, value: &Value) -> String {
    const MAX_VALUE: usize = 60;
    let text = match value {
        Value::Null | Value::Object(_) => return path.into(),
        Value::String(text) => {
            if text.len() > MAX_VALUE {
                return path.into();
            }
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    };
    if text.len() > MAX_VALUE || path.is_empty() || path.contains('[') {
        return path.into();
    }
    let mut keys = path.rsplit('.');
    let last = keys.next().unwrap_or_default();
    keys.fold(format!("{last}: {text}"), |inner, key| format!("{key}: {{ {inner} }}"))
}

/// Returns the value at a path of a configuration; keys may contain dots.
fn value_at<'v>(config: &'v Value, path: &str) -> Option<&'v Value> {
    let rest = path.strip_prefix('.').unwrap_or(path);
    if rest.is_empty() {
        return Some(config);
    }
    match config {
        Value::Object(map) => map
            .iter()
            .filter_map(|(key, value)| Some((value, rest.strip_prefix(key.as_str())?)))
            .filter(|(_, rest)| rest.is_empty() || rest.starts_with(['.', '[']))
            .find_map(|(value, rest)| value_at(value, rest)),
        Value::Array(items) => {
            let (index, rest) = rest.strip_prefix('[')?.split_once(']')?;
            value_at(items.get(index.parse::<usize>().ok()?)?, rest)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InspectConfig, LoadConfig};

    fn hint(config: Value) -> String {
        TrainConfig::from_json(&config).unwrap_err().hint.unwrap()
    }

    #[test]
    fn suggests_the_setting_that_an_unknown_key_stands_for() {
        for (config, setting) in [
            (json!({ "batch_size": 8 }), "`batchSize: 8`"),
            (json!({ "batch-size": 8 }), "`batchSize: 8`"),
            (json!({ "batch": 8 }), "`batchSize: 8`"),
            (json!({ "bs": 8 }), "`batchSize: 8`"),
            (json!({ "lr": 0.1 }), "`optimizer: { lr: 0.1 }`"),
            (json!({ "learning_rate": 0.1 }), "`optimizer: { lr: 0.1 }`"),
            (json!({ "learningRte": 0.1 }), "`optimizer: { lr: 0.1 }`"),
            (json!({ "optimizer.lr": 0.1 }), "`optimizer: { lr: 0.1 }`"),
            (json!({ "optimizer_lr": 0.1 }), "`optimizer: { lr: 0.1 }`"),
            (json!({ "momentum": 0.9 }), "`optimizer: { momentum: 0.9 }`"),
            (json!({ "weight_decay": 1e-4 }), "`optimizer: { weightDecay: 0.0001 }`"),
            (json!({ "imageSize": 64 }), "`data: { imageSize: 64 }`"),
            (json!({ "image_size": 64 }), "`data: { imageSize: 64 }`"),
            (json!({ "img_size": 64 }), "`data: { imageSize: 64 }`"),
            (json!({ "transform": { "imageSize": 64 } }), "`data: { imageSize: 64 }`"),
            (json!({ "model": { "lr": 1 } }), "`optimizer: { lr: 1 }`"),
            (json!({ "num_workers": 4 }), "`workers: 4`"),
            (json!({ "num_epochs": 4 }), "`epochs: 4`"),
            (json!({ "epoch": 4 }), "`epochs: 4`"),
            (json!({ "steps": 4 }), "`budget: { steps: 4 }`"),
            (json!({ "warmup_epochs": 4 }), "`warmup: { epochs: 4 }`"),
            (json!({ "label_smoothing": 0.1 }), "`loss: { labelSmoothing: 0.1 }`"),
            (json!({ "val_split": 0.1 }), "`data: { validation: 0.1 }`"),
            (json!({ "arch": "resnet18" }), "`model: 'resnet18'`"),
            (json!({ "scheduler": "cosine" }), "`schedule: 'cosine'`"),
            (json!({ "gpu": true }), "`device: 'cuda'`"),
            (json!({ "pretrained": true }), "`model: { weights: 'imagenet' }`"),
            (json!({ "pretrained": false }), "`model.weights`"),
            (json!({ "mixup": 0.2 }), "`transform: { mix: 'mixup' }`"),
            (json!({ "optimiser": { "lr": 1 } }), "`optimizer`"),
            (json!({ "optimizer": { "momentun": 0.9 } }), "`optimizer: { momentum: 0.9 }`"),
            (
                json!({ "milestones": [1, 2] }),
                "`schedule: { type: 'multistep', milestones: [1,2] }`",
            ),
            (json!({ "optimizer": { "name": "adam" } }), "`optimizer: { type: 'adam' }`"),
            (json!({ "optimizer": { "name": "Adam" } }), "`optimizer: { type: 'adam' }`"),
            (json!({ "model": { "name": "resnet18" } }), "`model: { arch: 'resnet18' }`"),
            (json!({ "data": { "path": "x" } }), "`data: { source: 'x' }`"),
            (json!({ "name": "run1" }), "`out: 'run1'`"),
            (json!({ "accelerator": "gpu" }), "`device: 'cuda'`"),
            (json!({ "hflip": 0.5 }), "`transform: { flip: true }`"),
            (json!({ "hflip": 0 }), "`transform: { flip: false }`"),
            (json!({ "dtype": "float16" }), "`precision: 'fp16'`"),
            (json!({ "metric": "val_acc" }), "`monitor: 'val.accuracy'`"),
            (json!({ "betas": [0.9, 0.99] }), "`optimizer: { type: 'adam', betas: [0.9,0.99] }`"),
            (json!({ "step_size": 3 }), "`schedule: { type: 'step', stepSize: 3 }`"),
            (json!({ "early_stopping": 5 }), "`earlyStopping: { patience: 5 }`"),
            (json!({ "warmup_epochs": 2 }), "`warmup: { epochs: 2 }`"),
        ] {
            assert_eq!(hint(config.clone()), format!("Did you mean {setting}?"), "{config}");
        }
    }

    #[test]
    fn omits_a_value_that_the_suggested_key_does_not_accept() {
        for (config, key) in [
            (json!({ "input_size": [3, 64, 64] }), "data.imageSize"),
            (json!({ "early_stopping": true }), "earlyStopping"),
            (json!({ "augment": false }), "transform"),
            (json!({ "modle": null }), "model"),
            (json!({ "pretrained": 0 }), "model.weights"),
        ] {
            assert_eq!(hint(config.clone()), format!("Did you mean `{key}`?"), "{config}");
        }
    }

    #[test]
    fn a_key_of_another_variant_is_suggested_with_the_variant() {
        let error = |config: Value| TrainConfig::from_json(&config).unwrap_err();
        let betas = error(json!({ "optimizer": { "betas": [0.9, 0.99] } }));
        assert_eq!(betas.message, "unknown key `optimizer.betas` of type 'sgd'");
        assert_eq!(
            betas.hint.unwrap(),
            "Did you mean `optimizer: { type: 'adam', betas: [0.9,0.99] }`?"
        );
        let gamma = error(json!({ "schedule": { "type": "cosine", "gamma": 0.1 } }));
        let expected = "Did you mean `schedule: { type: 'multistep', gamma: 0.1 }`?";
        assert_eq!(gamma.hint.unwrap(), expected);
        let size = error(json!({ "transform": { "erase": { "type": "none", "size": 3 } } }));
        let expected = "Did you mean `transform: { erase: { type: 'cutout', size: 3 } }`?";
        assert_eq!(size.hint.unwrap(), expected);
        let typo = error(json!({ "optimizer": { "type": "adam", "bets": [0.9, 0.99] } }));
        assert_eq!(
            typo.hint.unwrap(),
            "Did you mean `optimizer: { type: 'adam', betas: [0.9,0.99] }`?"
        );
    }

    #[test]
    fn suggests_the_first_key_of_a_section_for_a_single_value() {
        for (config, setting) in [
            (json!({ "warmup": 3 }), "Did you mean `warmup: { epochs: 3 }`?"),
            (json!({ "ema": 0.99 }), "Did you mean `ema: { decay: 0.99 }`?"),
            (json!({ "optimizer": 0.1 }), "Did you mean `optimizer: { lr: 0.1 }`?"),
            (json!({ "budget": 10 }), "Did you mean `budget: { epochs: 10 }`?"),
            (json!({ "schedule": false }), "Did you mean `schedule: 'constant'`?"),
            (json!({ "ema": true }), "Set its keys: `ema.decay`."),
            (json!({ "ema": false }), "Omit `ema` to use its default."),
            (json!({ "loss": "ce" }), "Set its keys: `loss.labelSmoothing`, `loss.classWeights`."),
        ] {
            assert_eq!(hint(config.clone()), setting, "{config}");
        }
        let error = TrainConfig::from_json(&json!({ "transform": { "erase": 3 } })).unwrap_err();
        let expected = "`transform.erase` must be one of 'none', 'cutout', 'random-erasing', or an object, not 3";
        assert_eq!(error.message, expected);
    }

    #[test]
    fn advises_on_names_without_a_counterpart() {
        for (name, advice) in [
            ("num_classes", "the classes are those of the data set"),
            ("shuffle", "shuffled in every epoch"),
            ("onEpoch", "second argument"),
            ("warmup_steps", "warmup.epochs"),
            ("color_jitter", "randaugment"),
        ] {
            assert!(hint(json!({ name: 1 })).contains(advice), "{name}");
        }
        for (names, _) in NO_COUNTERPART {
            for name in *names {
                assert_eq!(normalize(name), *name);
                let error = TrainConfig::from_json(&json!({ *name: 1 })).unwrap_err();
                assert_eq!(error.code, ErrorCode::UnknownKey, "{name}");
            }
        }
    }

    #[test]
    fn names_both_keys_of_an_ambiguous_name() {
        let expected = "Did you mean `schedule: { type: 'plateau', patience: 3 }` or \
                        `earlyStopping: { patience: 3 }`?";
        assert_eq!(hint(json!({ "patience": 3 })), expected);
    }

    #[test]
    fn lists_the_known_keys_without_a_similar_one() {
        assert!(hint(json!({ "banana": 1 })).starts_with("Known keys: data, transform"));
        assert!(hint(json!({ "optimizer": { "banana": 1 } })).starts_with("Known keys: type, lr"));
    }

    #[test]
    fn suggests_only_keys_of_the_configuration_at_hand() {
        let error = LoadConfig::parse(&json!({ "img_size": 64 })).unwrap_err();
        assert_eq!(error.hint.unwrap(), "Did you mean `imageSize: 64`?");
        let error = LoadConfig::parse(&json!({ "lr": 0.1 })).unwrap_err();
        assert!(error.hint.unwrap().starts_with("Known keys: "));
    }

    #[test]
    fn every_alias_refers_to_a_key() {
        let mut known = Vec::new();
        for visit_keys in
            [TrainConfig::visit_keys, LoadConfig::visit_keys, InspectConfig::visit_keys]
        {
            visit_keys(&KeyPath::Root, &mut |path| known.push(path.to_string()));
        }
        let is_known = |key: &str| {
            known.iter().any(|known| known == key || (key.starts_with('.') && known.ends_with(key)))
        };
        for alias in ALIASES {
            for key in alias.keys {
                assert!(is_known(key), "{key}");
            }
            for name in alias.names {
                assert_eq!(normalize(name), *name);
            }
            let value = alias.value.map(serde_json::from_str::<Value>);
            assert!(value.is_none_or(|value| value.is_ok()));
        }
    }

    #[test]
    fn suggests_values_in_the_syntax_of_settings() {
        assert_eq!(hint(json!({ "device": "gpu" })), "Did you mean `device: 'cuda'`?");
        assert_eq!(hint(json!({ "device": "atuo" })), "Did you mean `device: 'auto'`?");
        assert_eq!(
            hint(json!({ "optimizer": { "type": "SGD" } })),
            "Did you mean `optimizer: { type: 'sgd' }`?"
        );
        assert_eq!(hint(json!({ "schedule": "cosin" })), "Did you mean `schedule: 'cosine'`?");
        assert_eq!(hint(json!({ "precision": 16 })), "Did you mean `precision: 'fp16'`?");
    }

    #[test]
    fn omits_long_values() {
        assert_eq!(hint(json!({ "lr": "1".repeat(1000) })), "Did you mean `optimizer.lr`?");
        let long_key = "a".repeat(1_000_000);
        let error = TrainConfig::from_json(&json!({ long_key: 1 })).unwrap_err();
        assert!(error.message.len() < 7000 && error.at.key.unwrap().len() < 7000);
    }
}
