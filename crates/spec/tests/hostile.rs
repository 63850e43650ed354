//! Damaged and malicious configurations: any JSON gives a configuration or an error that names its
//! key, without a panic.

#[path = "../../data/tests/mutate/mod.rs"]
mod mutate;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mutate::{CpuTimer, apply_changes, byte_change, config, list_files};
use proptest::prelude::*;
use residual_spec::{
    DatasetInfo, Error, ErrorCode, EvaluateConfig, ExportConfig, FindLrConfig, FromJson,
    InspectConfig, LoadConfig, MachineInfo, PlanConfig, PreviewConfig, ResolvedConfig, TrainConfig,
    resolve,
};
use serde_json::{Value, json};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn seed(file: &Path) -> Vec<u8> {
    std::fs::read(corpus().join(file)).unwrap()
}

/// Parses and resolves a configuration.
fn resolve_json(value: &Value) -> Result<ResolvedConfig, Error> {
    let facts = DatasetInfo {
        source: "./photos".into(),
        train: 240,
        ..DatasetInfo::unknown(vec!["ant".into(), "bee".into()], 3, Some([32, 32]))
    };
    resolve(&TrainConfig::from_json(value)?, &facts, &MachineInfo::with_cores(2))
}

/// Parses a value as each kind of request, and checks the errors.
fn check(value: &Value) -> Result<(), TestCaseError> {
    let started = CpuTimer::start();
    let results = [
        resolve_json(value).map(|resolved| {
            // A resolved configuration is the same after it was written and read.
            let json = serde_json::to_value(&resolved).unwrap();
            assert_eq!(serde_json::from_value::<ResolvedConfig>(json).unwrap(), resolved);
            assert!(resolved.batch_size > 0);
        }),
        EvaluateConfig::parse(value).map(drop),
        ExportConfig::parse(value).map(drop),
        FindLrConfig::parse(value).map(drop),
        InspectConfig::parse(value).map(drop),
        LoadConfig::parse(value).map(drop),
        PlanConfig::parse(value).map(drop),
        PreviewConfig::parse(value).map(drop),
    ];
    prop_assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    for error in results.into_iter().filter_map(Result::err) {
        prop_assert!(error.code != ErrorCode::Internal, "{error:?}");
        prop_assert!(error.message.len() < 10_000, "{} bytes", error.message.len());
        prop_assert!(error.hint.is_some(), "{error:?}");
    }
    Ok(())
}

#[test]
fn every_intact_training_configuration_is_resolved() {
    for name in ["short.json", "nested.json", "words.json", "resolved.json"] {
        let value = serde_json::from_slice(&seed(Path::new(name))).unwrap();
        let resolved = resolve_json(&value);
        assert!(resolved.is_ok(), "{name}: {resolved:?}");
    }
}

#[test]
fn deep_and_long_values_are_refused() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let long = "x".repeat(1 << 20);
    for value in [
        serde_json::from_str::<Value>(&deep).unwrap(),
        json!({ "data": { "source": { "source": {} } } }),
        json!({ &long: 1 }),
        json!({ "model": &long }),
        json!({ "optimizer": { "type": &long } }),
        json!({ "model": { "freeze": vec![&long[..1000]; 1000] } }),
        json!({ "schedule": { "type": "multistep", "milestones": vec![1; 100_000] } }),
    ] {
        check(&value).unwrap();
    }
    // The parser of JSON limits the depth, so that no value exhausts the stack.
    let bottomless = "[".repeat(1_000_000);
    assert!(serde_json::from_str::<Value>(&bottomless).is_err());
}

/// Replaces the value at the `index`-th position, counted in depth-first order.
fn replace(value: &mut Value, index: &mut usize, new: &Value) {
    if *index == 0 {
        *value = new.clone();
        *index = usize::MAX;
        return;
    }
    *index -= 1;
    let children: Vec<&mut Value> = match value {
        Value::Object(map) => map.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
    };
    for child in children {
        if *index == usize::MAX {
            return;
        }
        replace(child, index, new);
    }
}

fn hostile_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop::sample::select(vec![
            json!(null),
            json!(true),
            json!(""),
            json!([]),
            json!({}),
            json!("auto"),
            json!("NaN"),
            json!(0),
            json!(-1),
            json!(-0.0),
            json!(1e308),
            json!(5e-324),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(4294967296u64),
            json!(9007199254740993u64),
            json!(0.5),
            json!("../../etc/passwd"),
            json!("\u{0}\u{1b}[2J\u{202e}"),
            json!([[[[0]]]]),
            json!({ "type": "none" }),
            json!({ "type": {} }),
            json!({ "__proto__": { "x": 1 } }),
        ]),
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
        ".{0,60}".prop_map(Value::from),
        prop::collection::vec(any::<f32>(), 0..5).prop_map(|numbers| json!(numbers)),
    ]
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn parses_or_refuses_damaged_text(
        file in prop::sample::select(list_files(&corpus())),
        changes in prop::collection::vec(byte_change(), 1..4),
    ) {
        let text = apply_changes(seed(&file), &changes);
        if let Ok(value) = serde_json::from_slice(&text) {
            check(&value)?;
        }
    }

    #[test]
    fn parses_or_refuses_hostile_values(
        file in prop::sample::select(list_files(&corpus())),
        replacements in prop::collection::vec((0..120_usize, hostile_value()), 1..4),
    ) {
        let mut value: Value = serde_json::from_slice(&seed(&file)).unwrap();
        for (index, new) in &replacements {
            replace(&mut value, &mut index.clone(), new);
        }
        check(&value)?;
    }
}
