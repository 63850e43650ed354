//! Configuration types: input (every key optional) and resolved (every key decided).

mod auto;
mod data;
mod model;
mod requests;
mod train;
mod training;
mod transform;

pub use auto::{Auto, NameOr};
pub use data::*;
pub use model::*;
pub use requests::*;
pub use train::*;
pub use training::*;
pub use transform::*;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ErrorCode;

    fn refused(config: Value) -> crate::Error {
        TrainConfig::from_json(&config).unwrap_err()
    }

    #[test]
    fn short_and_long_forms_mean_the_same() {
        let short = TrainConfig::from_json(&json!({ "data": "./x", "model": "resnet18" })).unwrap();
        let long = json!({ "data": { "source": "./x" }, "model": { "arch": "resnet18" } });
        let long = TrainConfig::from_json(&long).unwrap();
        assert_eq!(short.data(), long.data());
        assert_eq!(short.model(), long.model());
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_path_and_the_nearest_one() {
        let error = refused(json!({ "optimizer": { "momentun": 0.9 } }));
        assert_eq!(error.code, ErrorCode::UnknownKey);
        assert_eq!(error.at.key.as_deref(), Some("optimizer.momentun"));
        assert_eq!(error.hint.as_deref(), Some("Did you mean `optimizer.momentum`?"));
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_path() {
        let error = refused(json!({ "schedule": { "type": "multistep", "milestones": [3, "x"] } }));
        assert_eq!(error.at.key.as_deref(), Some("schedule.milestones[1]"));
        let error = refused(json!({ "batchSize": "big" }));
        assert!(error.message.starts_with("`batchSize` must be 'auto' or a whole"), "{error}");
    }

    #[test]
    fn a_key_of_another_variant_is_unknown() {
        let error = refused(json!({ "schedule": { "type": "constant", "gamma": 0.1 } }));
        assert_eq!(error.at.key.as_deref(), Some("schedule.gamma"));
    }

    #[test]
    fn a_union_may_be_named_by_its_word_alone() {
        let config = TrainConfig::from_json(&json!({ "schedule": "plateau" })).unwrap();
        assert_eq!(
            config.schedule,
            Some(ScheduleConfig::Plateau(PlateauScheduleConfig::default()))
        );
        assert_eq!(refused(json!({ "schedule": "cosin" })).hint.unwrap(), "Did you mean 'cosine'?");
    }

    #[test]
    fn anything_but_an_object_is_refused() {
        for bad in [json!(null), json!(3), json!("x"), json!([])] {
            assert_eq!(refused(bad).code, ErrorCode::Config);
        }
    }
}
