//! Nearest known name for a misspelled name, and values that other frameworks call differently.

use serde_json::Value;

/// Maximum length in bytes of a word for which similar names are searched. The time and memory of
/// the edit distance grow with the length of the word, and no known name is longer.
const MAX_WORD: usize = 100;

/// Normalized values of other frameworks, with the value of this project. An alias applies only to
/// keys that accept its value.
const VALUE_ALIASES: &[(&[&str], &str)] = &[
    (&["gpu", "nvidia"], "cuda"),
    (&["32", "32true", "float", "float32", "full", "single"], "fp32"),
    (&["16", "16mixed", "float16", "half"], "fp16"),
    (&["bfloat16"], "bf16"),
    (&["64", "64true", "double", "float64"], "fp64"),
    (&["nhwc"], "channels_last"),
    (&["nchw"], "contiguous"),
    (&["none", "fixed"], "constant"),
    (&["false", "off", "no", "null"], "none"),
    (&["false", "off", "no", "null"], "constant"),
    (&["valid", "validation", "dev"], "val"),
    (&["training"], "train"),
    (&["testing"], "test"),
    (&["acc", "accuracy", "valacc"], "val.accuracy"),
    (&["loss"], "val.loss"),
];

/// Returns a name in lower case and without separators, so that `weight_decay`, `weight-decay` and
/// `weightDecay` are equal.
pub(crate) fn normalize(name: &str) -> String {
    name.to_lowercase().replace(['_', '-', '.', ' '], "")
}

/// Returns the edit distance of two normalized names; `None` if they are not similar.
pub(crate) fn distance(word: &str, name: &str) -> Option<usize> {
    if word.len() > MAX_WORD || word.is_empty() {
        return None;
    }
    let distance = strsim::damerau_levenshtein(word, name);
    (distance <= (word.len() / 3).max(1)).then_some(distance)
}

/// Returns the candidate that is most similar to a misspelled word, or `None` if no candidate is
/// similar.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_WORD {
        return None;
    }
    let word = normalize(word);
    candidates
        .into_iter()
        .filter_map(|name| Some((distance(&word, &normalize(name))?, name)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Returns the hint "Did you mean ...?" for a misspelled name, if a known name is similar.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(|name| format!("Did you mean '{name}'?"))
}

/// Returns the choice that a value most probably stands for: the value of another framework
/// (`gpu`), a misspelling (`csine`), or a longer or shorter form (`CosineAnnealingLR`, `cos`).
pub(crate) fn nearest_choice<'a>(
    word: &str,
    choices: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    if word.len() > MAX_WORD {
        return None;
    }
    let normalized = normalize(word);
    let alias = VALUE_ALIASES
        .iter()
        .filter(|(names, _)| names.contains(&normalized.as_str()))
        .find_map(|(_, value)| choices.clone().into_iter().find(|choice| choice == value));
    alias.or_else(|| nearest(word, choices.clone())).or_else(|| {
        let is_form_of = |choice: &&str| {
            let choice = normalize(choice);
            let is_shorter = normalized.len() >= 3 && choice.starts_with(&normalized);
            is_shorter || (choice.len() >= 4 && normalized.contains(&choice))
        };
        choices.into_iter().find(is_form_of)
    })
}

/// Returns the truth value that a value of another language stands for: `True`, `yes`, `on`, 1.
pub(crate) fn parse_bool(value: &Value) -> Option<bool> {
    let word = match value {
        Value::String(text) if text.len() <= MAX_WORD => text.trim().to_lowercase(),
        Value::Number(number) => number.to_string(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return None;
        }
    };
    match word.as_str() {
        "true" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "no" | "n" | "off" | "0" | "none" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_similar_words() {
        let known = ["momentum", "lr", "weightDecay"];
        assert_eq!(nearest("weight_decay", known), Some("weightDecay"));
        assert_eq!(nearest("momentun", known), Some("momentum"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn rejects_long_words_without_computing_an_edit_distance() {
        // The edit distance of this word would need gigabytes.
        let word = "resnet".repeat(10_000_000);
        assert_eq!(nearest(&word, ["resnet18"]), None);
        assert_eq!(nearest_choice(&word, ["resnet18"]), None);
        assert_eq!(parse_bool(&word.into()), None);
    }

    #[test]
    fn knows_the_values_of_other_frameworks() {
        let devices = ["cpu", "cuda"];
        for word in ["gpu", "GPU", "cuda:0", "cuda0", "CUDA"] {
            assert_eq!(nearest_choice(word, devices), Some("cuda"), "{word}");
        }
        let precisions = ["fp32", "bf16", "fp16", "fp64"];
        let values = ["float32", "32", "bfloat16", "bf16-mixed", "half", "FP16", "double", "bf61"];
        let found = values.map(|word| nearest_choice(word, precisions).unwrap_or_default());
        assert_eq!(found, ["fp32", "fp32", "bf16", "bf16", "fp16", "fp16", "fp64", "bf16"]);
        let schedules = ["cosine", "constant", "multistep", "plateau", "step", "one-cycle"];
        for (word, schedule) in [
            ("CosineAnnealingLR", "cosine"),
            ("cos", "cosine"),
            ("ReduceLROnPlateau", "plateau"),
            ("MultiStepLR", "multistep"),
            ("StepLR", "step"),
            ("OneCycleLR", "one-cycle"),
            ("none", "constant"),
        ] {
            assert_eq!(nearest_choice(word, schedules), Some(schedule), "{word}");
        }
        assert_eq!(nearest_choice("mps", devices), None);
    }
}
