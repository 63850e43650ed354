//! Ranges of the integers of a configuration that have fixed limits.

/// Minimum height and width of the network's input in pixels.
pub(crate) const MIN_IMAGE_SIZE: u32 = 8;

/// Maximum height and width of the network's input in pixels.
const MAX_IMAGE_SIZE: u32 = 1024;

/// Maximum number of threads or workers. OpenMP aborts the process if it cannot start the
/// configured number of threads.
const MAX_THREADS: u64 = 1024;

/// Keys with their minimum and maximum. `rounds`, `steps` and `top` are keys of requests, the others of
/// training configurations.
const RANGES: &[(&str, u64, u64)] = &[
    ("batchSize", 2, u64::MAX),
    ("budget.epochs", 1, u64::MAX),
    ("budget.steps", 1, u64::MAX),
    ("data.imageSize", MIN_IMAGE_SIZE as u64, MAX_IMAGE_SIZE as u64),
    ("epochs", 1, u64::MAX),
    ("gradient.accumulate", 1, u64::MAX),
    ("log.everySteps", 1, u64::MAX),
    ("rounds", 1, 1000),
    ("schedule.stepSize", 1, u64::MAX),
    ("steps", 10, 100_000),
    ("threads", 1, MAX_THREADS),
    ("top", 1, u64::MAX),
    ("workers", 1, MAX_THREADS),
];

/// Returns the minimum and the maximum of a key; `None` if it has no fixed limits.
pub(crate) fn integer_range(key: &str) -> Option<(u64, u64)> {
    RANGES.iter().find(|(name, ..)| *name == key).map(|&(_, min, max)| (min, max))
}

/// Returns what an integer with fixed limits must be: "a whole number, 1 or more".
pub(crate) fn expected_integer(key: &str) -> Option<String> {
    integer_range(key).map(|(min, max)| match max {
        u64::MAX => format!("a whole number, {min} or more"),
        _ => format!("a whole number from {min} to {max}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{DatasetInfo, MachineInfo, TrainConfig, resolve};

    fn message(config: &Value) -> String {
        let facts = DatasetInfo {
            train: 240,
            ..DatasetInfo::unknown(vec!["a".into(), "b".into()], 3, None)
        };
        let machine = MachineInfo {
            cores: 2,
            bf16: false,
            cuda: false,
            cuda_bf16: false,
            cuda_free_memory: None,
            free_memory: None,
        };
        let resolved =
            TrainConfig::from_json(config).and_then(|config| resolve(&config, &facts, &machine));
        resolved.unwrap_err().message.replace("'auto' or ", "")
    }

    #[test]
    fn a_fraction_and_an_integer_out_of_range_have_the_same_message() {
        for (key, ..) in RANGES.iter().filter(|(key, ..)| !["rounds", "steps", "top"].contains(key))
        {
            let config = |value: Value| {
                let nested = key.rsplit('.').fold(value, |inner, key| json!({ key: inner }));
                match *key {
                    "schedule.stepSize" => {
                        json!({ "schedule": { "type": "step", "stepSize": nested["schedule"]["stepSize"] } })
                    }
                    _ => nested,
                }
            };
            let expected = expected_integer(key).unwrap();
            for value in [json!(0), json!(1.5), json!(-1), json!("three")] {
                let found = message(&config(value.clone()));
                assert_eq!(found, format!("`{key}` must be {expected}, not {value}"));
            }
        }
    }
}
