//! Suggestions for unknown configuration keys: the nearest key at any depth (`optimizer.lr` for
//! `lr`), and the keys for names of other frameworks (`data.imageSize` for `img_size`).

use serde_json::Value;

use crate::Error;
use crate::error::ErrorCode;
use crate::nearest_name::{distance, normalize};

/// Names of a key in other frameworks.
struct Alias {
    /// Normalized names.
    names: &'static [&'static str],
    /// Keys of this project; the first one that the configuration has is suggested.
    keys: &'static [&'static str],
    /// Value to suggest instead of the value of the unknown key, as JSON.
    value: Option<&'static str>,
}

const fn alias(names: &'static [&'static str], keys: &'static [&'static str]) -> Alias {
    Alias { names, keys, value: None }
}

const fn alias_for_value(
    names: &'static [&'static str],
    keys: &'static [&'static str],
    value: &'static str,
) -> Alias {
    Alias { names, keys, value: Some(value) }
}

/// Names in PyTorch scripts, timm, Lightning, Keras and fastai.
const ALIASES: &[Alias] = &[
    alias(&["learningrate", "baselr", "initiallr", "maxlr", "eta"], &["optimizer.lr"]),
    alias(&["wd", "l2", "decay"], &["optimizer.weightDecay"]),
    alias(&["optim", "opt"], &["optimizer"]),
    alias(&["bs", "batch", "trainbatchsize", "minibatch", "minibatchsize"], &["batchSize"]),
    alias(
        &["numepochs", "nepochs", "maxepochs", "nepoch", "numtrainepochs", "ep"],
        &["epochs", "budget.epochs"],
    ),
    alias(
        &["maxsteps", "numsteps", "iterations", "iters", "maxiter", "maxiters"],
        &["budget.steps"],
    ),
    alias(&["maxtime", "timeout", "timelimit"], &["budget.seconds"]),
    alias(
        &[
            "imgsize",
            "imgsz",
            "inputsize",
            "size",
            "resolution",
            "imsize",
            "cropsize",
            "traincropsize",
        ],
        &["data.imageSize", "imageSize"],
    ),
    alias(&["dataset", "datadir", "datapath", "dataroot", "root", "path"], &["data"]),
    alias(
        &["valsplit", "validationsplit", "valratio", "valsize", "testsize", "validsplit", "valpct"],
        &["data.validation"],
    ),
    alias(&["arch", "architecture", "network", "net", "backbone", "modelname"], &["model"]),
    alias(&["checkpointpath", "ckpt", "ckptpath", "weightsfile"], &["model.weights"]),
    alias_for_value(&["pretrained", "usepretrained"], &["model.weights"], "\"imagenet\""),
    alias(&["scheduler", "lrscheduler", "lrschedule", "sched"], &["schedule"]),
    alias(&["gpus", "accelerator"], &["device"]),
    alias_for_value(&["gpu", "cuda", "usecuda", "usegpu"], &["device"], "\"cuda\""),
    alias_for_value(&["cpu", "nocuda", "usecpu"], &["device"], "\"cpu\""),
    alias(&["dtype", "mixedprecision"], &["precision"]),
    alias_for_value(&["amp", "useamp", "autocast"], &["precision"], "\"bf16\""),
    alias_for_value(&["fp16", "half"], &["precision"], "\"fp16\""),
    alias_for_value(&["bf16"], &["precision"], "\"bf16\""),
    alias_for_value(&["channelslast"], &["memoryFormat"], "\"channels_last\""),
    alias(&["randomseed", "manualseed", "randomstate", "rngseed"], &["seed"]),
    alias(&["numworkers", "nworkers", "dataloaderworkers", "dataloadernumworkers"], &["workers"]),
    alias(&["numthreads", "nthreads", "nthread"], &["threads"]),
    alias(&["output", "outputdir", "outdir", "savedir", "logdir", "project"], &["out"]),
    alias(&["exist", "existok", "force", "overwriteoutputdir"], &["overwrite"]),
    alias(&["resumefrom", "resumefromcheckpoint"], &["resume"]),
    alias(&["smoothing", "ls"], &["loss.labelSmoothing"]),
    alias(
        &[
            "gradclip",
            "clipgrad",
            "clipgradnorm",
            "maxgradnorm",
            "gradientclipval",
            "maxnorm",
            "clip",
        ],
        &["gradient.clipNorm"],
    ),
    alias(
        &["accumulategradbatches", "gradientaccumulationsteps", "gradaccum", "accumulationsteps"],
        &["gradient.accumulate"],
    ),
    alias(&["earlystop", "earlystoppingcallback"], &["earlyStopping"]),
    alias(&["patiencelr"], &["schedule.patience"]),
    alias(&["augment", "augmentation", "augmentations", "transforms", "aug"], &["transform"]),
    alias(&["hflip", "horizontalflip", "randomhorizontalflip", "fliplr"], &["transform.flip"]),
    alias(&["normalize", "normalization"], &["transform.mean"]),
    alias_for_value(&["mixup"], &["transform.mix"], "\"mixup\""),
    alias_for_value(&["cutmix"], &["transform.mix"], "\"cutmix\""),
    alias_for_value(&["randaugment", "autoaugment"], &["transform.policy"], "\"randaugment\""),
    alias_for_value(&["trivialaugment"], &["transform.policy"], "\"trivialaugment\""),
    alias_for_value(&["cutout"], &["transform.erase"], "\"cutout\""),
    alias(&["randomerasing", "randomerase", "reprob"], &["transform.erase.probability"]),
    alias(&["modelema"], &["ema.decay"]),
    alias(&["printfreq", "loginterval", "logevery", "logeverynsteps"], &["log.everySteps"]),
    alias(&["saveevery", "saveinterval", "savefreq", "savefrequency"], &["checkpoint.everyEpochs"]),
    alias(&["monitormetric", "metric", "bestmetric"], &["monitor"]),
];

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
pub(crate) fn add_key_suggestion(error: Error, config: &Value, known: &[String]) -> Error {
    let path = match (error.code, &error.at.key) {
        (ErrorCode::UnknownKey, Some(path)) => path.clone(),
        _ => return error,
    };
    let value = value_at(config, &path);
    match suggest(&path, value, known) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Returns the setting of a [`TrainConfig`](crate::TrainConfig) that a word with a value stands
/// for, such as `optimizer: { weightDecay: 0.1 }` for `weight-decay`; `None` if no key is similar.
pub fn suggest_setting(word: &str, value: Option<&Value>) -> Option<String> {
    let mut known = Vec::new();
    let visit = &mut |path: &crate::KeyPath| known.push(path.to_string());
    <crate::TrainConfig as crate::FromJson>::visit_keys(&crate::KeyPath::Root, visit);
    nearest_keys(word, &known).first().map(|candidate| candidate.format(value))
}

fn suggest(path: &str, value: Option<&Value>, known: &[String]) -> Option<String> {
    let nearest = nearest_keys(path, known);
    let settings: Vec<String> =
        nearest.iter().map(|candidate| format!("`{}`", candidate.format(value))).collect();
    (!settings.is_empty()).then(|| format!("Did you mean {}?", settings.join(" or ")))
}

impl Candidate<'_> {
    /// Formats the setting of the key with `value`, the value of the unknown key, or with the alias's
    /// own value.
    fn format(&self, value: Option<&Value>) -> String {
        let alias_value: Option<Value> =
            self.value.and_then(|json| serde_json::from_str(json).ok());
        // The suggestion for `pretrained: false` must not be `weights: 'imagenet'`.
        match (alias_value, value) {
            (Some(_), Some(Value::Bool(false))) => self.key.into(),
            (Some(alias), _) => format_setting(self.key, &alias),
            (None, Some(value)) => format_setting(self.key, value),
            (None, None) => self.key.into(),
        }
    }
}

/// Returns the known keys that an unknown key may stand for: at most two, which are equally near.
fn nearest_keys<'a>(path: &str, known: &'a [String]) -> Vec<Candidate<'a>> {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let (word, whole) = (normalize(name), normalize(path));
    let mut candidates: Vec<Candidate> = known
        .iter()
        .filter_map(|key| match_key(parent, &word, &whole, key))
        .chain(ALIASES.iter().filter_map(|alias| match_alias(alias, &word, known)))
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
    distance(word, &normalized).filter(|_| is_long).map(|distance| found(distance, 2))
}

/// Returns the key of an alias if the unknown key is similar to one of the names of the alias.
fn match_alias<'a>(alias: &Alias, word: &str, known: &'a [String]) -> Option<Candidate<'a>> {
    let nearest = alias.names.iter().filter_map(|name| {
        if *name == word { Some(0) } else { distance(word, name).filter(|_| word.len() >= 6) }
    });
    let distance = nearest.min()?;
    let is_known = |key: &&str| known.iter().find(|known| known == key);
    let key = alias.keys.iter().find_map(is_known)?;
    Some(Candidate { rank: (distance, 1, 0), key, value: alias.value })
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
    use serde_json::json;

    use super::*;
    use crate::{FromJson, LoadConfig, TrainConfig};

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
            (json!({ "milestones": [1, 2] }), "`schedule: { milestones: [1,2] }`"),
        ] {
            assert_eq!(hint(config.clone()), format!("Did you mean {setting}?"), "{config}");
        }
    }

    #[test]
    fn names_both_keys_of_an_ambiguous_name() {
        let expected =
            "Did you mean `schedule: { patience: 3 }` or `earlyStopping: { patience: 3 }`?";
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
        for visit_keys in [TrainConfig::visit_keys, LoadConfig::visit_keys] {
            visit_keys(&crate::KeyPath::Root, &mut |path| known.push(path.to_string()));
        }
        for alias in ALIASES {
            for key in alias.keys {
                assert!(known.iter().any(|known| known == key), "{key}");
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
