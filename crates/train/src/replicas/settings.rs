//! Comparison of the settings and data of all processes.

use residual_spec::{DatasetInfo, Error, ErrorCode, ResolvedConfig, Result};
use residual_torch::distributed::ProcessGroup;
use serde_json::{Map, Value};

/// Key of rank 0's settings in the store.
const SETTINGS: &str = "settings";

/// Settings that may differ: they do not change the result, or only rank 0 uses them.
const OWN: [&str; 6] = ["threads", "workers", "cache", "out", "reasons", "log"];

/// The settings and the data that all processes must share.
pub struct Settings(Map<String, Value>);

impl Settings {
    /// Takes the resolved configuration without [`OWN`] settings, the fingerprint of the data, and the
    /// number of updates before this start of the run.
    pub fn new(config: &ResolvedConfig, data: &DatasetInfo, start_step: u64) -> Result<Settings> {
        let settings = serde_json::to_value(config)
            .map_err(|cause| Error::new(ErrorCode::Internal, cause.to_string()))?;
        let Value::Object(mut settings) = settings else { return Ok(Settings(Map::new())) };
        for key in OWN {
            settings.remove(key);
        }
        settings.insert("the fingerprint of the data".into(), data.fingerprint.clone().into());
        settings.insert("the step of the checkpoint".into(), start_step.into());
        Ok(Settings(settings))
    }

    /// Publishes the settings of rank 0.
    pub(super) fn publish(&self, group: &ProcessGroup) -> Result<()> {
        let text = serde_json::to_vec(&self.0)
            .map_err(|cause| Error::new(ErrorCode::Internal, cause.to_string()))?;
        group.set(SETTINGS, &text)
    }

    /// Compares the settings with those of rank 0.
    ///
    /// # Errors
    /// `E_DISTRIBUTED` with the first key that differs.
    pub fn check(&self, group: &ProcessGroup) -> Result<()> {
        let leader: Map<String, Value> =
            serde_json::from_slice(&group.get(SETTINGS)?).map_err(|cause| {
                Error::new(ErrorCode::Distributed, format!("rank 0's settings: {cause}"))
            })?;
        match first_difference(&leader, &self.0) {
            None => Ok(()),
            Some((key, theirs, own)) => {
                let rank = group.rank();
                let message = format!("`{key}` is {own} in rank {rank}, but {theirs} in rank 0");
                Err(Error::new(ErrorCode::Distributed, message)
                    .hint("Start all processes with the same settings and the same data."))
            }
        }
    }
}

fn first_difference(
    a: &Map<String, Value>,
    b: &Map<String, Value>,
) -> Option<(String, Value, Value)> {
    let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
    keys.into_iter().find_map(|key| {
        let null = Value::Null;
        match (a.get(key).unwrap_or(&null), b.get(key).unwrap_or(&null)) {
            (a, b) if a == b => None,
            (Value::Object(a), Value::Object(b)) => {
                first_difference(a, b).map(|(inner, a, b)| (format!("{key}.{inner}"), a, b))
            }
            (a, b) => Some((key.clone(), a.clone(), b.clone())),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_the_first_setting_that_differs() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let a = map(json!({ "seed": 1, "optimizer": { "lr": 0.1, "momentum": 0.9 } }));
        let b = map(json!({ "seed": 1, "optimizer": { "lr": 0.2, "momentum": 0.9 } }));
        assert_eq!(first_difference(&a, &a), None);
        let expected = ("optimizer.lr".to_string(), json!(0.1), json!(0.2));
        assert_eq!(first_difference(&a, &b), Some(expected));
        let missing = first_difference(&map(json!({})), &map(json!({ "ema": {} })));
        assert_eq!(missing, Some(("ema".to_string(), json!(null), json!({}))));
    }
}
