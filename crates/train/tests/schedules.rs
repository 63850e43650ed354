//! The same learning rates as PyTorch's schedulers, against what `scripts/fixtures/oracle.py` wrote
//! down; among them the plateau of the notebook's fifty losses.

use residual_spec::{resolve, DataFacts, DataFormat, MachineFacts, TrainConfig};
use residual_train::{LrSchedule, Position, ScheduleState};
use serde_json::{json, Value};

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/schedules.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The schedule of a run of `length` steps, one step an epoch.
fn schedule(lr: &Value, length: u64, schedule: Value, warmup: Value) -> LrSchedule {
    let facts = DataFacts {
        source: "x".into(),
        format: DataFormat::ImageFolder,
        classes: vec!["a".into(), "b".into()],
        channels: 3,
        image_size: Some([32, 32]),
        train: 100,
        val: 0,
        test: 0,
        mean: None,
        std: None,
        mirrored_is_natural: true,
        fingerprint: "0".into(),
    };
    let config = json!({
        "optimizer": { "lr": lr },
        "budget": { "steps": length },
        "schedule": schedule,
        "warmup": warmup,
    });
    let machine = MachineFacts { cores: 1, bf16: false, cuda: false };
    let config = resolve(&TrainConfig::from_json(&config).unwrap(), &facts, &machine).unwrap();
    LrSchedule::new(&config, 1, Some(length), ScheduleState::default())
}

fn assert_close(name: &str, at: usize, found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() <= 1e-12 * expected.max(1e-3),
        "{name}[{at}]: {found} {expected}"
    );
}

#[test]
fn rates_by_step_are_pytorchs() {
    for case in fixture()["steps"].as_array().unwrap() {
        let parts = &case["schedule"];
        let length = case["length"].as_u64().unwrap();
        let warmup = match parts.get("linear") {
            Some(linear) => {
                json!({ "epochs": linear["total_iters"], "from": linear["start_factor"] })
            }
            None => json!({}),
        };
        let main = match parts.get("cosine") {
            Some(cosine) => json!({ "type": "cosine", "minLr": cosine["eta_min"] }),
            None => json!({
                "type": "multistep",
                "milestones": parts["multistep"]["milestones"],
                "gamma": parts["multistep"]["gamma"],
            }),
        };
        let name = case["name"].as_str().unwrap();
        let schedule = schedule(&case["lr"], length, main, warmup);
        for (step, expected) in case["rates"].as_array().unwrap().iter().enumerate() {
            let fraction = step as f64 / length as f64;
            let at = Position { epoch: step as u64, step: step as u64, fraction };
            assert_close(name, step, schedule.lr(at), expected);
        }
    }
}

#[test]
fn plateaus_are_pytorchs_and_the_notebooks_cuts_come_after_losses_20_44_and_50() {
    for case in fixture()["plateau"].as_array().unwrap() {
        let (name, options) = (case["name"].as_str().unwrap(), &case["options"]);
        let metric = if options["mode"] == "min" { "train.loss" } else { "train.accuracy" };
        let plateau = json!({
            "type": "plateau",
            "factor": options["factor"],
            "threshold": options["threshold"],
            "thresholdMode": options["threshold_mode"],
            "patience": options["patience"],
            "cooldown": options["cooldown"],
            "minLr": options["min_lr"],
            "metric": metric,
        });
        let mut schedule = schedule(&case["lr"], 100, plateau, json!({}));
        let mut cuts = Vec::new();
        let mut last = schedule.lr(Position::default());
        let metrics = case["metrics"].as_array().unwrap();
        let rates = case["rates"].as_array().unwrap();
        for (epoch, (metric, expected)) in metrics.iter().zip(rates).enumerate() {
            schedule.observe(metric.as_f64().unwrap());
            let lr = schedule.lr(Position::default());
            assert_close(name, epoch, lr, expected);
            if lr < last {
                cuts.push(epoch + 1);
            }
            last = lr;
        }
        if name == "notebook" {
            assert_eq!(cuts, [20, 44, 50]);
        }
    }
}
