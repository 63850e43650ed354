//! Configuration types: input types, whose keys are optional, and resolved types.

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

    fn parse_error(config: Value) -> crate::Error {
        TrainConfig::from_json(&config).unwrap_err()
    }

    #[test]
    fn names_are_short_forms_of_objects() {
        let names = TrainConfig::from_json(&json!({ "data": "./x", "model": "resnet18" })).unwrap();
        let objects = json!({ "data": { "source": "./x" }, "model": { "arch": "resnet18" } });
        let objects = TrainConfig::from_json(&objects).unwrap();
        assert_eq!(names.data(), objects.data());
        assert_eq!(names.model(), objects.model());
    }

    #[test]
    fn rejects_unknown_keys_and_suggests_the_nearest_key() {
        let error = parse_error(json!({ "optimizer": { "momentun": 0.9 } }));
        assert_eq!(error.code, ErrorCode::UnknownKey);
        assert_eq!(error.at.key.as_deref(), Some("optimizer.momentun"));
        assert_eq!(error.hint.as_deref(), Some("Did you mean `optimizer: { momentum: 0.9 }`?"));
    }

    #[test]
    fn rejects_wrong_types_with_the_path_of_the_key() {
        let error =
            parse_error(json!({ "schedule": { "type": "multistep", "milestones": [3, "x"] } }));
        assert_eq!(error.at.key.as_deref(), Some("schedule.milestones[1]"));
        let error = parse_error(json!({ "batchSize": "big" }));
        assert!(error.message.starts_with("`batchSize` must be 'auto' or a whole"), "{error}");
    }

    #[test]
    fn rejects_keys_of_other_variants() {
        let error = parse_error(json!({ "schedule": { "type": "constant", "gamma": 0.1 } }));
        assert_eq!(error.at.key.as_deref(), Some("schedule.gamma"));
    }

    #[test]
    fn tags_are_short_forms_of_variants() {
        let config = TrainConfig::from_json(&json!({ "schedule": "plateau" })).unwrap();
        assert_eq!(
            config.schedule,
            Some(ScheduleConfig::Plateau(PlateauScheduleConfig::default()))
        );
        assert_eq!(
            parse_error(json!({ "schedule": "cosin" })).hint.unwrap(),
            "Did you mean `schedule: 'cosine'`?"
        );
    }

    #[test]
    fn anything_but_an_object_is_parse_error() {
        for value in [json!(null), json!(3), json!("x"), json!([])] {
            assert_eq!(parse_error(value).code, ErrorCode::Config);
        }
    }
}
